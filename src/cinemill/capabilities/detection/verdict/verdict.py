"""The verdict about a video: a band, its reasons, and numbers where they mean something."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.capabilities.detection.verdict.abstention import (
    Abstention,
    find_calibration_abstention,
    find_disagreement_abstention,
    find_domain_abstention,
    find_face_abstention,
)
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import Calibration
from cinemill.capabilities.detection.verdict.evidence import FaceCounts, VideoScores
from cinemill.capabilities.detection.verdict.reasons import Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a video."""

    band: Band
    reasons: tuple[Reason, ...]
    score: float | None = None
    """Calibrated probability of a manipulation, 0 to 1, where as many videos are manipulated as are
    not; None where the calibration says nothing about this video."""
    confidence: float | None = None
    """Probability that a decision is right, in the same sense, and never more than the number of
    calibration videos supports; None for an abstention."""


NO_MODEL = Verdict(Band.NO_MODEL, (Reason.NO_MODEL,))
FAILED = Verdict(Band.FAILED, (Reason.FAILED,))


def decide_verdict(
    faces: FaceCounts,
    scores: VideoScores | None,
    calibration: Calibration | None,
    *,
    bits_per_pixel: float | None = None,
) -> Verdict:
    """Return the verdict about a video. ``scores`` is None only if no face was scored.

    ``bits_per_pixel`` is that of the video's encoding, None if it is unknown.
    """
    if abstention := find_face_abstention(faces, calibration):
        return _abstain(abstention)
    if scores is None:
        raise ValueError(f"{faces.usable} faces are usable and none was scored")
    if abstention := find_calibration_abstention(scores, calibration):
        return _abstain(abstention)
    assert calibration is not None  # noqa: S101 – its absence is an abstention
    abstention = find_domain_abstention(
        scores, calibration, bits_per_pixel
    ) or find_disagreement_abstention(scores, calibration)
    if abstention:
        return _abstain(abstention, calibration.probability(scores.logit))
    return decide_by_score(scores.logit, calibration)


def _abstain(abstention: Abstention, score: float | None = None) -> Verdict:
    return Verdict(
        abstention.band, abstention.reasons, score=score if abstention.has_score else None
    )


def decide_by_score(logit: float, calibration: Calibration) -> Verdict:
    """Return the verdict for a score of a video that the calibration is about.

    A class is decided for if the other one is ruled out, and it is not ruled out itself. With the
    calibration's margin, the other one must be ruled out for a score so much nearer to it as well.
    """
    score = calibration.probability(logit)
    if logit > calibration.flag_logit:
        return _decide(Band.LIKELY_MANIPULATED, Reason.SCORE_HIGH, score, score, calibration)
    if logit < calibration.clear_logit:
        return _decide(Band.NO_MANIPULATION_FOUND, Reason.SCORE_LOW, score, 1 - score, calibration)
    reason = _explain_indecision(logit, calibration)
    # Between the classes a score means what it says. Beyond both, or with too few videos to know
    # either, the curve that was fitted to them says nothing.
    is_known = reason is Reason.BETWEEN_THRESHOLDS
    return Verdict(Band.INCONCLUSIVE, (reason,), score=score if is_known else None)


def find_part_band(logit: float, video: Verdict, calibration: Calibration) -> Band:
    """Return the band of a track or of one face, which never accuses more than the video's does.

    A part is likely manipulated only in a video that is, since many parts are many chances of a
    high score. No part of a video is decided that is not decided itself.
    """
    if not video.band.is_decided:
        return Band.INCONCLUSIVE
    band = decide_by_score(logit, calibration).band
    is_accused_alone = band is Band.LIKELY_MANIPULATED and band is not video.band
    return Band.INCONCLUSIVE if is_accused_alone else band


def _decide(
    band: Band, reason: Reason, score: float, probability: float, calibration: Calibration
) -> Verdict:
    confidence = min(probability, calibration.most_confidence)
    return Verdict(band, (reason,), score=score, confidence=confidence)


def _explain_indecision(logit: float, calibration: Calibration) -> Reason:
    if not calibration.can_decide:
        return Reason.CALIBRATION_TOO_SMALL
    if all(calibration.find_rejections(logit)):
        return Reason.UNLIKE_BOTH_CLASSES
    return Reason.BETWEEN_THRESHOLDS
