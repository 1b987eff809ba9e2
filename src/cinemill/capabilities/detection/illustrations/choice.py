"""Which faces are worth a picture: where regions peak, and the extremes of each face."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from cinemill.storage.analyses.records import FrameScore, SuspiciousRegion
from cinemill.storage.analyses.results import Findings

MOST_MAPS = 3
"""An evidence map runs each model about 65 times."""
MOST_FACES = 6


def find_peaks(findings: Findings) -> dict[int, FrameScore]:
    """Return the highest face of each of the regions that score highest, by region's position."""
    order = sorted(range(len(findings.regions)), key=lambda at: -findings.regions[at].score)
    found = {at: _find_peak(findings.regions[at], findings.frames) for at in order[:MOST_MAPS]}
    return {at: peak for at, peak in found.items() if peak is not None}


def has_maps(findings: Findings) -> bool:
    """Return whether there is a map of evidence, or no region of which one could be made."""
    are_mapped = any(region.evidence is not None for region in findings.regions)
    return are_mapped or not find_peaks(findings)


def _find_peak(region: SuspiciousRegion, frames: Sequence[FrameScore]) -> FrameScore | None:
    within = [
        one
        for one in frames
        if one.face_number == region.face_number
        and region.start_ms <= one.time_ms < region.end_ms
        and one.score is not None
    ]
    return max(within, key=_read_score, default=None)


def choose_faces(findings: Findings) -> list[FrameScore]:
    """Return the faces of which pictures are kept, in order of time, none twice."""
    chosen = [*find_peaks(findings).values()]
    for sightings in _rank_faces(findings.frames)[:MOST_FACES]:
        scored = [one for one in sightings if one.score is not None]
        if scored:
            chosen += [max(scored, key=_read_score), min(scored, key=_read_score)]
        else:
            chosen.append(max(sightings, key=_measure_area))
    unique = {(one.time_ms, one.face_number): one for one in chosen}
    return [unique[key] for key in sorted(unique)]


def _rank_faces(frames: Sequence[FrameScore]) -> list[list[FrameScore]]:
    """Return the sightings of each face, the face with the highest score first."""
    faces: Mapping[int, list[FrameScore]] = defaultdict(list)
    for one in frames:
        if one.face_number and one.box is not None:
            faces[one.face_number].append(one)
    return sorted(faces.values(), key=lambda some: (-max(map(_read_score, some)), -len(some)))


def _read_score(frame: FrameScore) -> float:
    return -1.0 if frame.score is None else frame.score


def _measure_area(frame: FrameScore) -> float:
    return frame.box.width * frame.box.height if frame.box else 0.0
