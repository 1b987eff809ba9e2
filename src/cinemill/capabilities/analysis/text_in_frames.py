"""Text in frames: what is read in each, and one finding for text that stays on screen.

Two readings are one text where they have the same letters, wherever they are (credits scroll), or
similar letters at the same place (a reader takes one for another). A text that is not read in one
frame between two is still there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import groupby

from cinemill.capabilities.analysis.sampled_frames import SampledFrame
from cinemill.capabilities.analysis.tracks import sort_key
from cinemill.core.findings.finding import Finding, FindingModel, PictureBox
from cinemill.inference.models.analysis.text_reading import PP_OCR
from cinemill.inference.ocr.reader import TextReader

_REVISION = hashlib.sha256("".join(file.sha256 for file in PP_OCR.files).encode()).hexdigest()
TEXT_MODEL = FindingModel("local", PP_OCR.name, _REVISION, version=1)
LEAST_LIKENESS = 0.8
"""Share of letters that two readings at one place have in common, in order, if they are one."""
LEAST_OVERLAP = 0.3
"""Intersection over union of two boxes at one place."""
MOST_MISSED_FRAMES = 1
LONGEST_GAP_MS = 20_000
"""Between two frames that were looked at, above which the same text is a new finding."""


def read_text(sampled: SampledFrame, reader: TextReader) -> list[Finding]:
    """Return the lines of text in one frame, from top to bottom.

    A frame without a place that looks like letters is not given to the model.
    """
    return [
        Finding(sampled.start_ms, sampled.end_ms, line.text, line.confidence, line.box)
        for line in reader.read(sampled.frame.pixels)
    ]


@dataclass(slots=True)
class _Run:
    """Readings of one text."""

    number: int
    """Of the last frame in which it was read, among those that were looked at."""
    readings: list[Finding] = field(default_factory=list)

    @property
    def last(self) -> Finding:
        return self.readings[-1]


def group_text(sightings: Iterable[Finding], frame_times_ms: Iterable[int]) -> list[Finding]:
    """Return one finding for each text that stays on screen, in order of time, then of place.

    ``frame_times_ms`` are those of all frames that were looked at, with text or without. A finding
    lasts from the first frame with the text to the last. Its label is the reading that the frames
    agree on most, its confidence the highest of that reading; its details say in how many frames it
    was read.
    """
    ordered = sorted(sightings, key=sort_key)
    times = sorted({*frame_times_ms, *(one.start_ms for one in ordered)})
    numbers = {time_ms: number for number, time_ms in enumerate(times)}
    runs: list[_Run] = []
    open_runs: list[_Run] = []
    for time_ms, lines in groupby(ordered, key=lambda one: one.start_ms):
        number = numbers[time_ms]
        open_runs = [run for run in open_runs if _may_go_on(run, number, time_ms)]
        begun = _continue_runs(open_runs, list(lines), number)
        runs += begun
        open_runs += begun
    return sorted((_summarize(run) for run in runs), key=sort_key)


def _may_go_on(run: _Run, number: int, time_ms: int) -> bool:
    is_near = number - run.number <= MOST_MISSED_FRAMES + 1
    return is_near and time_ms - run.last.start_ms <= LONGEST_GAP_MS


def _continue_runs(runs: Sequence[_Run], lines: Sequence[Finding], number: int) -> list[_Run]:
    """Add each line to the run that it continues best; return new runs of the others."""
    pairs = sorted(
        (cost, at, place)
        for at, run in enumerate(runs)
        for place, line in enumerate(lines)
        if (cost := _compare(run.last, line)) is not None
    )
    taken_runs: set[int] = set()
    taken_lines: set[int] = set()
    for _, at, place in pairs:
        if at not in taken_runs and place not in taken_lines:
            runs[at].readings.append(lines[place])
            runs[at].number = number
            taken_runs.add(at)
            taken_lines.add(place)
    left = (line for place, line in enumerate(lines) if place not in taken_lines)
    return [_Run(number, [line]) for line in left]


def _compare(earlier: Finding, later: Finding) -> float | None:
    """Return how unlike two readings are, 0 and up; None if they are different texts."""
    one, two = fold_text(earlier.label), fold_text(later.label)
    distance = _measure_distance(earlier.box, later.box)
    if one == two:
        return distance
    if _measure_overlap(earlier.box, later.box) < LEAST_OVERLAP:
        return None
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    if matcher.quick_ratio() < LEAST_LIKENESS or (likeness := matcher.ratio()) < LEAST_LIKENESS:
        return None
    # After every pair with the same letters: no two places are farther apart.
    return 2.0 - likeness + distance


def fold_text(text: str) -> str:
    """Return the letters and digits alone, without case; the text itself if it has none."""
    return "".join(letter for letter in text.casefold() if letter.isalnum()) or text


def _measure_distance(one: PictureBox | None, two: PictureBox | None) -> float:
    """Return how far the middles of two boxes are apart, in shares of the picture."""
    if one is None or two is None:
        return 0.0
    return math.dist(_middle(one), _middle(two))


def _middle(box: PictureBox) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


def _measure_overlap(one: PictureBox | None, two: PictureBox | None) -> float:
    """Return the intersection over the union; 1 where a box is unknown."""
    if one is None or two is None:
        return 1.0
    width = min(one.left + one.width, two.left + two.width) - max(one.left, two.left)
    height = min(one.top + one.height, two.top + two.height) - max(one.top, two.top)
    shared = max(0.0, width) * max(0.0, height)
    union = one.width * one.height + two.width * two.height - shared
    return shared / union if union > 0 else 0.0


def _summarize(run: _Run) -> Finding:
    """Return the finding of a run."""
    votes: dict[str, float] = {}
    for one in run.readings:
        votes[one.label] = votes.get(one.label, 0.0) + (one.confidence or 0.0)
    label = max(votes, key=lambda text: votes[text])  # the earliest of equal ones
    best = max(
        (one for one in run.readings if one.label == label), key=lambda one: one.confidence or 0.0
    )
    return Finding(
        run.readings[0].start_ms,
        max(one.end_ms for one in run.readings),
        label,
        best.confidence,
        best.box,
        details={"frames": len(run.readings)},
    )
