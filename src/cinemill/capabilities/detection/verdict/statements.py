"""Sentences of a report: what a verdict means, how often it errs, and for which data that holds."""

from __future__ import annotations

from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import Calibration
from cinemill.capabilities.detection.verdict.counts import count, count_people
from cinemill.capabilities.detection.verdict.verdict import Verdict


def describe_verdict(verdict: Verdict, calibration: Calibration | None) -> tuple[str, ...]:
    """Return the sentences of a verdict: the band, its reasons, and what its error rate means."""
    reasons = (reason.sentence for reason in verdict.reasons)
    sentences = (verdict.band.sentence, *reasons)
    if calibration is None or not verdict.band.is_decided:
        return sentences
    return (*sentences, describe_error_rate(verdict.band, calibration), LIMIT)


LIMIT = (
    "This holds for videos like the calibration data only: other cameras, other compression or "
    "other kinds of manipulation can have other error rates."
)


def describe_error_rate(band: Band, calibration: Calibration) -> str:
    """Return what the nominal error rate of a decision means.

    Raises ValueError for an abstention.
    """
    if band is Band.LIKELY_MANIPULATED:
        rate, scores, kind = (
            calibration.nominal_false_positive_rate,
            calibration.unmanipulated,
            "unmanipulated",
        )
    elif band is Band.NO_MANIPULATION_FOUND:
        rate, scores, kind = calibration.nominal_miss_rate, calibration.manipulated, "manipulated"
    else:
        raise ValueError(f"{band} is no decision")
    return (
        f"At most {format_percent(rate)} of {kind} videos like those that it was calibrated with "
        f"are expected to get this verdict (used: {count(len(scores.scores), 'such video')} "
        f"of {count_people(scores.groups)})."
    )


def format_percent(rate: float) -> str:
    """Return a rate as people write it: 5%, 0.5%."""
    return f"{rate * 100:.3g}%"
