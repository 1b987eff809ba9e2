"""Titles as they are written into one piece: ASS of ours around the words of the user. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cinemill.capabilities.render.timeline.pieces import count_frames, nearest_frame
from cinemill.capabilities.render.timeline.timeline import PLACES, Title
from cinemill.core.output import OutputFormat
from cinemill.core.text.ass import DEFAULT_STYLE, escape_text, make_default_style
from cinemill.core.text.subtitles import NOTHING, PieceSubtitles, VisibleCue


def titles_for_piece(
    titles: Sequence[Title], first: int, frames: int, output: OutputFormat
) -> PieceSubtitles:
    """What of ``titles`` falls into ``frames`` frames from the film's frame ``first`` on."""
    shown = tuple(_show(titles, first, frames, output))
    if not shown:
        return NOTHING
    return PieceSubtitles(
        shown, (make_default_style(output.height),), (output.width, output.height)
    )


def _show(
    titles: Sequence[Title], first: int, frames: int, output: OutputFormat
) -> Iterator[VisibleCue]:
    layer = 0
    for title in titles:
        start, end = (nearest_frame(at, output.fps) - first for at in (title.since, title.until))
        if start < frames and end > max(0, start):
            # On layers of their own: one that has gone would else move what stands where it stood.
            yield _letter(title, start, end, frames, layer, output)
            layer += 1


def _letter(
    title: Title, start: int, end: int, frames: int, layer: int, output: OutputFormat
) -> VisibleCue:
    """Where no fade is seen, a title that began before looks as one that begins here."""
    fade_in = count_frames(title.fade_in_seconds, output.fps)
    fade_out = count_frames(title.fade_out_seconds, output.fps)
    comes, goes = start + fade_in > 0 and fade_in > 0, end - fade_out < frames and fade_out > 0
    fades = ""
    if comes or goes:
        spans = (fade_in if comes else 0, fade_out if goes else 0)
        milliseconds = (math.floor(span * 1000 / output.fps) for span in spans)
        fades = f"\\fad({','.join(map(str, milliseconds))})"
    return VisibleCue(
        start if comes else max(0, start),
        end if goes else min(frames, end),
        f"{{{_write_look(title, output)}{fades}}}{_write_lines(title.text)}",
        DEFAULT_STYLE,
        layer,
    )


def _write_look(title: Title, output: OutputFormat) -> str:
    lines = max(1, round(title.size * output.height))
    red, green, blue = (title.color[at : at + 2].upper() for at in (1, 3, 5))
    return f"\\an{PLACES.index(title.place) + 1}\\fs{lines}\\1c&H{blue}{green}{red}&"


def _write_lines(text: str) -> str:
    return r"\N".join(escape_text(line) for line in text.splitlines())
