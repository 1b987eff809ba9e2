"""Abstention: when the analysis must not decide.

The order is fixed: usable faces, calibration, the domain of the calibration data (number of faces,
compression, distance from the training data), disagreement of the members. The first that applies
ends it, since what comes later means nothing then. The conformal decision comes last and is in
``verdict``. Each of these only takes decisions away, so the error rates of those that are left stay
at most the nominal ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import LEAST_FACES, Calibration
from cinemill.capabilities.detection.verdict.evidence import FaceCounts, VideoScores
from cinemill.capabilities.detection.verdict.reasons import TOO_MANY_FACES, Reason, find_face_reason


@dataclass(frozen=True, slots=True)
class Abstention:
    """A band without a decision, and why."""

    band: Band
    reasons: tuple[Reason, ...]
    has_score: bool = False
    """Whether the calibrated score is still valid."""


def find_face_abstention(faces: FaceCounts, calibration: Calibration | None) -> Abstention | None:
    """Return the abstention for a video with too few faces that can be examined, or too many."""
    if not faces.frames:
        return Abstention(Band.FAILED, (Reason.FAILED,))
    if not faces.found:
        return Abstention(Band.NO_FACE, (Reason.NO_FACES_FOUND,))
    if faces.excluded.get(TOO_MANY_FACES):
        return Abstention(Band.INCONCLUSIVE, (Reason.TOO_MANY_FACES,))
    if faces.usable >= (calibration.least_faces if calibration else LEAST_FACES):
        return None
    return Abstention(Band.INCONCLUSIVE, (Reason.TOO_FEW_FACES, *_list_flaws(faces)))


def _list_flaws(faces: FaceCounts) -> Iterator[Reason]:
    """Yield each reason once, the most frequent first."""
    counts: dict[Reason, int] = {}
    for flaw, count in faces.excluded.items():
        reason = find_face_reason(flaw)
        counts[reason] = counts.get(reason, 0) + count
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    yield from (reason for reason, count in ranked if count)


def find_calibration_abstention(
    scores: VideoScores, calibration: Calibration | None
) -> Abstention | None:
    """Return the abstention for scores about whose error rates nothing is known."""
    reasons = []
    if not scores.is_finite:
        reasons.append(Reason.SCORES_UNUSABLE)
    if scores.missing:
        reasons.append(Reason.MEMBER_MISSING)
    if calibration is None:
        reasons.append(Reason.NOT_CALIBRATED)
    elif not scores.missing and not _is_about(calibration, scores):
        reasons.append(Reason.CALIBRATED_FOR_OTHERS)
    elif calibration.frames != scores.frames:
        reasons.append(Reason.CALIBRATED_FOR_OTHER_FRAMES)
    return Abstention(Band.INCONCLUSIVE, tuple(reasons)) if reasons else None


def _is_about(calibration: Calibration, scores: VideoScores) -> bool:
    return (calibration.subject, calibration.aggregation) == (scores.subject, scores.aggregation)


def find_domain_abstention(
    scores: VideoScores, calibration: Calibration, bits_per_pixel: float | None
) -> Abstention | None:
    """Return the abstention for a video unlike those that the calibration is about."""
    reasons = []
    if scores.tracks > calibration.most_tracks:
        reasons.append(Reason.MORE_FACES_THAN_CALIBRATED)
    least = calibration.least_bits_per_pixel
    if least is not None and (bits_per_pixel is None or bits_per_pixel < least):
        reasons.append(Reason.TOO_COMPRESSED)
    if calibration.is_far(scores.distances):
        reasons.append(Reason.FAR_FROM_TRAINING_DATA)
    return Abstention(Band.INCONCLUSIVE, tuple(reasons)) if reasons else None


def find_disagreement_abstention(
    scores: VideoScores, calibration: Calibration
) -> Abstention | None:
    """Return the abstention for members that contradict each other."""
    if scores.disagreement is None or not calibration.is_disputed(scores.disagreement):
        return None
    return Abstention(Band.INCONCLUSIVE, (Reason.MEMBERS_DISAGREE,), has_score=True)
