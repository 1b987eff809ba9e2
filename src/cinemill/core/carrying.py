"""The captions of films, carried to where the clips of a timeline show them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from cinemill.core import captions
from cinemill.core.ass import escape_text
from cinemill.core.pieces import Placed, place_clips
from cinemill.core.subtitles import Cue, Subtitles
from cinemill.core.timeline import Clip, Source, Timeline

LEAST_MS = 200
"""What is left of a caption at the edge of its clip, and shorter, is a flash that nobody reads."""


def carry_captions(
    timeline: Timeline, spoken: Mapping[Source, Sequence[captions.Cue]]
) -> Subtitles:
    """What is said in the clips, at the moments at which the timeline shows them.

    A caption that goes on where its clip does not is cut off with it.
    """
    places = zip(timeline.clips, place_clips(timeline), strict=True)
    cues = [
        cue
        for clip, place in places
        for cue in _carry(clip, place, timeline.output.fps, spoken.get(clip.source, ()))
    ]
    return Subtitles(tuple(cues))


def _carry(
    clip: Clip, place: Placed, fps: Fraction, spoken: Sequence[captions.Cue]
) -> Iterator[Cue]:
    first, last = (1000 * place.first / fps, 1000 * (place.first + place.frames) / fps)
    moved = first - 1000 * clip.start
    for cue in spoken:
        start = math.floor(max(first, cue.start_ms + moved))
        end = math.floor(min(last, cue.end_ms + moved))
        if end - start >= min(LEAST_MS, cue.end_ms - cue.start_ms):
            yield Cue(start, end, r"\N".join(escape_text(line) for line in cue.lines))
