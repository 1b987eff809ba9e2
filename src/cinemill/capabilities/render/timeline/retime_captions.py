"""The captions of films, carried to where the clips of a timeline show them. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate

from cinemill.capabilities.render.timeline.pieces import PlacedClip, place_clips
from cinemill.capabilities.render.timeline.timeline import Clip, Source, Timeline
from cinemill.core.text import segmentation
from cinemill.core.text.ass import escape_text
from cinemill.core.text.subtitles import Cue, Subtitles

LEAST_MS = 200
"""What is left of a caption at the edge of its clip, and shorter, is a flash that nobody reads."""


def retime_captions(
    timeline: Timeline, spoken: Mapping[Source, Sequence[segmentation.Cue]]
) -> Subtitles:
    """What is said in the clips, at the moments at which the timeline shows them.

    A caption that goes on where its clip does not is cut off with it.
    """
    places = zip(timeline.clips, place_clips(timeline), strict=True)
    said = {source: _CaptionIndex(cues) for source, cues in spoken.items()}
    cues = [
        cue
        for clip, place in places
        if clip.source in said
        for cue in _carry(clip, place, timeline.output.fps, said[clip.source])
    ]
    return Subtitles(tuple(cues))


class _CaptionIndex:
    """A film's captions in order, of which a clip finds its own without a look at all others."""

    def __init__(self, cues: Sequence[segmentation.Cue]) -> None:
        self._cues = sorted(cues, key=lambda cue: cue.start_ms)
        self._starts = [cue.start_ms for cue in self._cues]
        self._ends = list(accumulate((cue.end_ms for cue in self._cues), max))

    def find(self, since_ms: Fraction, until_ms: Fraction) -> Sequence[segmentation.Cue]:
        """All that are seen in this stretch of the film, and perhaps a few that are not."""
        first = bisect_left(self._ends, since_ms)
        return self._cues[first : bisect_right(self._starts, until_ms)]


def _carry(clip: Clip, place: PlacedClip, fps: Fraction, said: _CaptionIndex) -> Iterator[Cue]:
    first, last = (1000 * place.first / fps, 1000 * (place.first + place.frames) / fps)
    moved = first - 1000 * clip.start
    for cue in said.find(first - moved, last - moved):
        start = math.floor(max(first, cue.start_ms + moved))
        end = math.floor(min(last, cue.end_ms + moved))
        if end - start >= min(LEAST_MS, cue.end_ms - cue.start_ms):
            yield Cue(start, end, r"\N".join(escape_text(line) for line in cue.lines))
