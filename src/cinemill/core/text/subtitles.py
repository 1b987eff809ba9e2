"""Subtitles to be burned in: SRT or ASS in, cues out, and for one piece an ASS file of ours.

Nothing of a user's file reaches a renderer as it was: it is read into cues, and what is drawn is
written again from them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from cinemill.core.output import OutputFormat
from cinemill.core.text.ass import (
    DEFAULT_STYLE,
    EVENT_HEAD,
    Style,
    make_default_style,
    write_clock,
    write_head,
)

_RESET = re.compile(r"\\r([^\\{}()]+)")
"""The styles that a text changes to."""
_MOVING = re.compile(r"\\(?:move|t\(|fad|fade|k|K)")


@dataclass(frozen=True, slots=True)
class Cue:
    """A text that is seen from ``start_ms`` until before ``end_ms``; the text is ASS' own."""

    start_ms: int
    end_ms: int
    text: str
    style: str = DEFAULT_STYLE
    layer: int = 0

    @property
    def is_moving(self) -> bool:
        """Whether what is drawn depends on how long it has been there."""
        return _MOVING.search(self.text) is not None


@dataclass(frozen=True, slots=True)
class Subtitles:
    cues: tuple[Cue, ...]
    styles: tuple[Style, ...] = ()
    """Empty: the default style of the output."""
    size: tuple[int, int] | None = None
    """Of the picture that an ASS file's lengths are measured on."""

    def to_json(self) -> dict[str, Any]:
        return {
            "cues": [list(asdict(cue).values()) for cue in self.cues],
            "styles": [asdict(style) for style in self.styles],
            "size": self.size,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Subtitles:
        """Return the object of a document that :meth:`to_json` wrote."""
        return cls(
            tuple(Cue(*values) for values in document["cues"]),
            tuple(Style(**style) for style in document["styles"]),
            tuple(document["size"]) if document["size"] else None,
        )


@dataclass(frozen=True, slots=True)
class VisibleCue:
    """A cue within one piece, from frame ``first`` until before ``end``.

    Frames are counted from the piece's own first frame.
    """

    first: int
    end: int
    text: str
    style: str
    layer: int


@dataclass(frozen=True, slots=True)
class PieceSubtitles:
    """All that is written into one piece; the same lettering is the same picture."""

    shown: tuple[VisibleCue, ...] = ()
    styles: tuple[Style, ...] = field(default=())
    size: tuple[int, int] = (0, 0)


NOTHING = PieceSubtitles()


def subtitles_for_piece(
    subtitles: Subtitles | None, first: int, frames: int, output: OutputFormat
) -> PieceSubtitles:
    """Return the part of ``subtitles`` in ``frames`` frames from the video's frame ``first`` on."""
    if subtitles is None:
        return NOTHING
    shown = tuple(_show(subtitles.cues, first, frames, output.fps))
    if not shown:
        return NOTHING
    used = {one.style for one in shown}
    used |= {name for one in shown for name in _RESET.findall(one.text)}
    styles = subtitles.styles or (make_default_style(output.height),)
    kept = tuple(style for style in styles if style.name in used)
    return PieceSubtitles(shown, kept, subtitles.size or (output.width, output.height))


def _show(cues: Sequence[Cue], first: int, frames: int, fps: Fraction) -> Iterator[VisibleCue]:
    for cue in cues:
        start, end = (_frame_at(ms, fps) - first for ms in (cue.start_ms, cue.end_ms))
        if start < frames and end > max(0, start):
            # A still text that began before looks as one that begins here.
            start = start if cue.is_moving else max(0, start)
            end = end if cue.is_moving else min(frames, end)
            yield VisibleCue(start, end, cue.text, cue.style, cue.layer)


def _frame_at(milliseconds: int, fps: Fraction) -> int:
    """Return the first frame that is shown at this time or after it."""
    return -(-milliseconds * fps.numerator // (1000 * fps.denominator))


def lead_frames(lettering: PieceSubtitles) -> int:
    """Return the frames by which the piece's clock is put forward, so that no cue begins before 0.

    It is one more than the earliest cue began before, for it is written half a frame early.
    """
    return max([0, *(1 - one.first for one in lettering.shown)])


def write_ass(lettering: PieceSubtitles, fps: Fraction) -> str:
    """Return the ASS file of one piece, whose clock is put forward by :func:`lead_frames`."""
    lead = lead_frames(lettering)
    lines = [*write_head(lettering.styles, lettering.size), EVENT_HEAD]
    for one in lettering.shown:
        start, end = (write_clock(frame + lead, fps) for frame in (one.first, one.end))
        lines.append(f"Dialogue: {one.layer},{start},{end},{one.style},,0,0,0,,{one.text}")
    return "\n".join([*lines, ""])
