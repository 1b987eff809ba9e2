"""Suspicious regions: ranges of time in which a face scores high, with the box around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cinemill.capabilities.detection.verdict.aggregation import aggregate_track
from cinemill.core.faces import FaceBox

MOST_GAP_MS = 10_000
"""Unless the caller knows how far apart frames were sampled: then twice that."""
LEAST_SIGHTINGS = 2
"""A single high frame is noise more often than not."""


@dataclass(frozen=True, slots=True)
class ScoredFace:
    """A usable face at a moment, and its fused logit."""

    time_ms: int
    box: FaceBox
    logit: float
    member_logits: Mapping[str, float] = field(default_factory=dict)
    """By each member of the ensemble alone."""


@dataclass(frozen=True, slots=True)
class ScoredTrack:
    """One face through one shot, in order of time."""

    number: int
    faces: tuple[ScoredFace, ...]

    @property
    def logits(self) -> tuple[float, ...]:
        return tuple(face.logit for face in self.faces)


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open range of time in which every examined sighting of a face scores high.

    What lies between two sightings was not examined.
    """

    track: int
    start_ms: int
    end_ms: int
    left: float
    top: float
    width: float
    height: float
    """The box around all sightings, in pixels of the video as it is displayed."""
    logit: float
    peak_ms: int
    sightings: int


def find_regions(
    tracks: Sequence[ScoredTrack], threshold: float, *, most_gap_ms: int = MOST_GAP_MS
) -> list[Region]:
    """Return the regions whose faces score over the threshold, in order of time.

    Sightings further apart than ``most_gap_ms`` begin another region. Two sightings are the least.
    """
    found = [
        _describe(track.number, run)
        for track in tracks
        for run in _split_runs(track.faces, threshold, most_gap_ms)
        if len(run) >= LEAST_SIGHTINGS
    ]
    return sorted(found, key=lambda region: (region.start_ms, region.track))


def _split_runs(
    faces: Sequence[ScoredFace], threshold: float, most_gap_ms: int
) -> Iterator[list[ScoredFace]]:
    run: list[ScoredFace] = []
    for face in faces:
        is_high = face.logit > threshold
        if run and (not is_high or face.time_ms - run[-1].time_ms > most_gap_ms):
            yield run
            run = []
        if is_high:
            run.append(face)
    if run:
        yield run


def _describe(track: int, run: Sequence[ScoredFace]) -> Region:
    left, top = min(face.box.left for face in run), min(face.box.top for face in run)
    right = max(face.box.left + face.box.width for face in run)
    bottom = max(face.box.top + face.box.height for face in run)
    return Region(
        track=track,
        start_ms=run[0].time_ms,
        end_ms=run[-1].time_ms + 1,
        left=left,
        top=top,
        width=right - left,
        height=bottom - top,
        logit=aggregate_track([face.logit for face in run]),
        peak_ms=max(run, key=lambda face: face.logit).time_ms,
        sightings=len(run),
    )
