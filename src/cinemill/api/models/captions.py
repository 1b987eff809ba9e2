"""Documents of captions, and their edits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import FailFast, Field

from cinemill.api.models.documents import Document, make_link
from cinemill.api.models.pages import Page
from cinemill.capabilities.captions.edits import LONGEST_SPEAKER, make_cue
from cinemill.core.text.segmentation import Cue
from cinemill.core.text.storable_text import Text
from cinemill.storage.media.captions import CaptionSet

Moment = Annotated[int, Field(ge=0, strict=True)]
Speaker = Annotated[Text, Field(max_length=LONGEST_SPEAKER)]


class CaptionCue(Document):
    """Shown from `start_ms` up to, not including, `end_ms`."""

    start_ms: Moment
    end_ms: Moment
    lines: Annotated[list[Text], FailFast()]
    speaker: Speaker = ""
    """Who says it; empty where that is not known."""

    def read(self) -> Cue:
        return make_cue(self.start_ms, self.end_ms, "\n".join(self.lines), self.speaker)


class CaptionsUpdate(Document):
    """All captions in one language."""

    captions: Annotated[list[CaptionCue], FailFast()]
    # Stops at the first wrong one: an error for each of megabytes would take gigabytes.


class CaptionFile(Document):
    """Captions as a file."""

    url: str
    filename: str
    size_bytes: int


class CaptionSetDocument(Document):
    """The captions of a video in one language."""

    language: str
    version: str
    """Names what they say; `If-Match` takes it in quotes, as it takes their ETag."""
    source: Literal["person", "model"]
    """Who wrote them last."""
    model: str
    variant: str
    files: Mapping[str, CaptionFile]
    """By format: srt, vtt, text and json."""

    @classmethod
    def from_set(cls, one: CaptionSet) -> Self:
        return cls(
            language=one.language,
            version=one.version,
            source="person" if one.is_corrected else "model",
            model=one.model,
            variant=one.variant,
            files={
                kind.value.removeprefix("captions_"): CaptionFile(
                    url=make_link(
                        f"/assets/{one.asset_id}/files/{kind.value}"
                        f"?variant={one.variant}&sha256={artifact.sha256}"
                    ),
                    filename=artifact.filename,
                    size_bytes=artifact.size_bytes,
                )
                for kind, artifact in one.files.items()
            },
        )


class CaptionSetPage(Page):
    """The captions of a video, by language."""

    captions: list[CaptionSetDocument]


class ShownCue(Document):
    """One caption, as stored."""

    start_ms: int
    end_ms: int
    lines: list[str]
    speaker: str = ""
    """Who says it, if a person named somebody."""


class CaptionCuePage(Page, CaptionSetDocument):
    """The captions of a video in one language, with their times."""

    captions: list[ShownCue]


class SavedCaptions(CaptionCuePage):
    """Captions that were saved."""

    srt_path: str
    """On the server; a timeline can burn it in."""
    job_id: str | None
    """Of the job after which searches and answers know them; null where the video was not
    ingested."""
