"""Documents of a render's timeline. All times are in seconds of the output."""

from __future__ import annotations

from typing import Literal

from cinemill.api.models.documents import Document


class LayoutTransition(Document):
    """How a clip goes over into the next one."""

    kind: str
    seconds: float


class LayoutClip(Document):
    """A part of a video, or a gap."""

    name: str | None
    asset_id: str | None
    is_gap: bool
    start: float
    seconds: float
    source_start: float
    transition: LayoutTransition | None


class LayoutText(Document):
    """A title or a subtitle."""

    text: str
    start: float
    end: float


class LayoutPiece(Document):
    """A part of the output that is rendered by itself."""

    start: float
    seconds: float
    clip: int
    """Position of its clip in `clips`."""
    transition: str
    """The kind of transition to the next clip that it shows; empty otherwise."""
    status: Literal["waiting", "working", "done", "reused", "failed"]


class RenderLayout(Document):
    """What a render consists of, and how far each piece is."""

    seconds: float
    width: int
    height: int
    fps: str
    clips: list[LayoutClip]
    titles: list[LayoutText]
    subtitles: list[LayoutText]
    pieces: list[LayoutPiece]
