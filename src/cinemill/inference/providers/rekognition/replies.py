"""Rekognition's replies, read strictly: half of a reply must not look like an empty one.

botocore leaves out what a body does not have, and reads a body that is cut off as one that has
nothing. So everything that we rely on is required here.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemill.inference.providers.failures import ProviderReplyInvalid

Percent = Annotated[float, Field(ge=0, le=100)]
Milliseconds = Annotated[int, Field(ge=0, le=2**53)]
Model = TypeVar("Model", bound=BaseModel)


class Document(BaseModel):
    """A part of a reply: members that we do not know are left out."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True
    )


class BoxPart(Document):
    """A box in shares of the picture; it may reach beyond its edges."""

    Left: float
    Top: float
    Width: float
    Height: float


class InstancePart(Document):
    """One thing that a label names."""

    BoundingBox: BoxPart
    Confidence: Percent


class LabelPart(Document):
    """A label of a taxonomy."""

    Name: str = Field(min_length=1)
    Confidence: Percent
    Instances: list[InstancePart] = Field(default_factory=list)


class LabelRange(Document):
    """A label over a range, where results are aggregated by segments."""

    Label: LabelPart
    StartTimestampMillis: Milliseconds
    EndTimestampMillis: Milliseconds


class LabelMoment(Document):
    """A label at a moment, with boxes."""

    Label: LabelPart
    Timestamp: Milliseconds


class ShotPart(Document):
    """What a segment has that is a shot."""

    Index: int
    Confidence: Percent


class CuePart(Document):
    """What a segment has that is a technical cue."""

    Type: str = Field(min_length=1)
    Confidence: Percent


class Segment(Document):
    """A shot or a technical cue."""

    Type: Literal["SHOT", "TECHNICAL_CUE"]
    StartTimestampMillis: Milliseconds
    EndTimestampMillis: Milliseconds
    ShotSegment: ShotPart | None = None
    TechnicalCueSegment: CuePart | None = None


class FacePart(Document):
    """A face; what the service guesses about the person is not read."""

    BoundingBox: BoxPart
    Confidence: Percent


class FaceMoment(Document):
    """A face at a moment."""

    Face: FacePart
    Timestamp: Milliseconds


class GeometryPart(Document):
    """Where a text stands."""

    BoundingBox: BoxPart


class TextPart(Document):
    """A line, or one of its words."""

    DetectedText: str
    Type: Literal["LINE", "WORD"]
    Confidence: Percent
    Geometry: GeometryPart


class TextMoment(Document):
    """A text at a moment."""

    TextDetection: TextPart
    Timestamp: Milliseconds


class ModerationPart(Document):
    """What may offend, and the wider class that it belongs to."""

    Name: str = Field(min_length=1)
    Confidence: Percent
    ParentName: str = ""


class ModerationRange(Document):
    """A moderation label over a range."""

    ModerationLabel: ModerationPart
    StartTimestampMillis: Milliseconds
    EndTimestampMillis: Milliseconds


class SegmentTypeInfo(Document):
    """The model of one kind of segment."""

    Type: str
    ModelVersion: str = ""


class Started(Document):
    """The reply to a start operation."""

    JobId: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")


class Page(Document):
    """What every reply about a job has, whatever it lists."""

    JobStatus: Literal["IN_PROGRESS", "SUCCEEDED", "FAILED"]
    StatusMessage: str = ""
    NextToken: str | None = Field(default=None, min_length=1, max_length=255)
    LabelModelVersion: str = ""
    TextModelVersion: str = ""
    ModerationModelVersion: str = ""
    SelectedSegmentTypes: list[SegmentTypeInfo] = Field(default_factory=list)

    @property
    def revision(self) -> str:
        """The version of the service's model; empty where it states none."""
        segments = (f"{one.Type}:{one.ModelVersion}" for one in self.SelectedSegmentTypes)
        named = (self.LabelModelVersion, self.TextModelVersion, self.ModerationModelVersion)
        return next((one for one in named if one), ",".join(sorted(segments)))


def read_document(model: type[Model], document: object) -> Model:
    """Return the model of a part of a reply.

    Raises ProviderReplyInvalid, which names the first member that is missing or wrong.
    """
    try:
        return model.model_validate(document)
    except ValidationError as invalid:
        problem = invalid.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(one) for one in problem["loc"])
        raise ProviderReplyInvalid(
            f"Rekognition's reply is not as documented: {place or 'it'}: {problem['msg']}."
        ) from invalid
