"""Pictures and evidence maps as they are stored: plain values that JSON can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from cinemill.core.documents import JsonObject
from cinemill.storage.cache.keys import compose_key

NAME = "detection-faces"
VERSION = 1
"""Raise it whenever the same findings would give other pictures."""
MOST_PICTURES = 64
MOST_CELLS = 32
_Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/=]*$", max_length=512 * 1024)]
_Row = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=MOST_CELLS)]


@dataclass(frozen=True, slots=True)
class FacePicture:
    """A face at a moment, cut out as the models see it."""

    face_number: int
    time_ms: int
    score: float | None
    """Of this face at this moment, 0 to 1; None where the verdict has none."""
    jpeg: _Base64
    """A square JPEG in base64."""


@dataclass(frozen=True, slots=True)
class EvidenceMap:
    """How much the score of a face falls if a part of its picture is covered."""

    time_ms: int
    """Of the picture: where the region's score is highest."""
    cells: Annotated[list[_Row], Field(min_length=1, max_length=MOST_CELLS)]
    """In logits, row by row from the top; negative where covering raises the score."""

    def to_json(self) -> JsonObject:
        return asdict(self)

    @property
    def highest(self) -> float:
        return max((value for row in self.cells for value in row), default=0.0)


@dataclass(frozen=True, slots=True)
class FacePictures:
    """The pictures of an analysis."""

    pictures: Annotated[tuple[FacePicture, ...], Field(max_length=MOST_PICTURES)]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def find(self, face_number: int, time_ms: int) -> FacePicture | None:
        """Return the picture of a face at this very moment, if it was kept."""
        wanted = (face_number, time_ms)
        return next(
            (one for one in self.pictures if (one.face_number, one.time_ms) == wanted), None
        )


_PICTURES = TypeAdapter(FacePictures)
_MAP = TypeAdapter(EvidenceMap)


def read_pictures(document: JsonObject) -> FacePictures | None:
    """Return the pictures of a stored document; None for one of another version."""
    try:
        return _PICTURES.validate_python(document)
    except ValidationError:
        return None


def read_evidence(document: JsonObject | None) -> EvidenceMap | None:
    """Return the map that a region holds; None if it holds none, or one of another version."""
    try:
        return _MAP.validate_python(document) if document else None
    except ValidationError:
        return None


def pictures_key(step_key: str) -> str:
    """Return the key of the pictures of an analysis, from that of its findings."""
    return compose_key(step_key, [], {NAME: VERSION})
