"""What a report says in sentences: the verdict, what it does not mean, and its limits."""

from __future__ import annotations

from collections.abc import Iterator

from cinemill.capabilities.detection.analysis_report.records import AnalysisReport, Part
from cinemill.capabilities.detection.ensemble.training_statement import Grade
from cinemill.capabilities.detection.verdict.bands import Band

HEADINGS = {
    Band.LIKELY_MANIPULATED: "A face is likely manipulated",
    Band.NO_MANIPULATION_FOUND: "No manipulation was found",
    Band.INCONCLUSIVE: "Inconclusive",
    Band.NO_FACE: "No face to examine",
    Band.NO_MODEL: "Not examined: no detector is installed",
    Band.FAILED: "The analysis failed",
}
"""The verdict in words, for a person who reads nothing else."""

_NO_PROOF = (
    "This is a statistical finding about faces, not proof. It does not say who changed the video, "
    "how, when or why."
)
_NOT_AUTHENTIC = "It does not show that the video is authentic, or that what it shows happened."
_NOTHING_EITHER_WAY = "It is neither a sign that the video is genuine nor a sign that it is not."
_NOT_MEANT = {
    Band.LIKELY_MANIPULATED: (
        _NO_PROOF,
        "The score is not the probability that this video is fake: that depends also on how common "
        "manipulated videos are where it comes from.",
    ),
    Band.NO_MANIPULATION_FOUND: (
        _NOT_AUTHENTIC,
        "It does not rule out a manipulation of another kind, or in frames that were not examined.",
    ),
    Band.INCONCLUSIVE: (
        _NOTHING_EITHER_WAY,
        "High or low scores of single frames, faces or regions are no finding either.",
    ),
    Band.NO_FACE: (_NOTHING_EITHER_WAY, "Only faces are examined, and none could be."),
    Band.NO_MODEL: (_NOTHING_EITHER_WAY, "Nothing in the video was examined."),
    Band.FAILED: (_NOTHING_EITHER_WAY,),
}

SEPARATE = (
    "What follows was observed in the file, and no part of it enters the score or the verdict."
)
NO_PROVENANCE = "Whether the file has content credentials (C2PA) was not recorded."
NO_ENCODING = (
    "The encoding was not examined. This is done when a video's frames are examined, not where a "
    "verdict is decided from what an earlier analysis stored."
)
NO_PICTURES = (
    "No pictures were kept. They are taken when a video's frames are examined, not where a verdict "
    "is decided from what an earlier analysis stored."
)
OTHER_VERSION = (
    "Another version of the software stored this result; what this version cannot read is left out."
)


def list_meanings(report: AnalysisReport) -> list[str]:
    """Return what the verdict means: its reasons, and what its error rate means."""
    if report.band is Band.FAILED:
        return [Band.FAILED.sentence]
    if report.details is not None:
        return list(report.details.sentences)
    return [report.band.sentence, OTHER_VERSION]


def list_misreadings(report: AnalysisReport) -> list[str]:
    """Return what the verdict does not mean."""
    sentences = list(_NOT_MEANT[report.band])
    if report.band.is_decided:
        sentences.append("Sound, text and everything but faces were not examined.")
    return sentences


def list_limits(report: AnalysisReport) -> list[str]:
    """Return what a reader must know before relying on the report."""
    return [
        *_list_examination_limits(report),
        *_list_detector_limits(report),
        *_list_omissions(report),
    ]


def _list_examination_limits(report: AnalysisReport) -> Iterator[str]:
    if report.metrics is not None and report.metrics.frame_count:
        yield (
            f"{report.metrics.frame_count} frames of the video were examined. What lies between "
            "them was not."
        )
    if report.analysis.is_fast:
        yield "This was a fast analysis, of 8 frames instead of 32."
    if report.band not in {Band.FAILED, Band.NO_MODEL}:
        yield "Only faces were examined: not the sound, the scene, or any text in the picture."


def _list_detector_limits(report: AnalysisReport) -> Iterator[str]:
    details = report.details
    if details is None:
        return
    missing = [one.name for one in details.members if one.is_missing]
    if missing:
        yield f"Members of the ensemble were missing: {', '.join(missing)}."
    if any(one.grade == Grade.STARTER for one in details.members):
        yield (
            "The detector is a starter, trained on little. It decides only where a score is far "
            "beyond its thresholds."
        )
    if details.members and details.calibration is None:
        yield "The detector was not calibrated, so nobody knows how often it errs."
    if details.calibration is not None:
        yield (
            "Its error rates hold for videos like its calibration data, not for every video, and "
            "only for the video as a whole: scores of single faces and frames have none."
        )
    if report.regions:
        yield (
            "A region is a range of time between two examined frames that score high; its limits "
            "are those of the frames that were examined."
        )


def _list_omissions(report: AnalysisReport) -> Iterator[str]:
    if Part.FRAMES in report.shortened:
        yield f"There are more than {len(report.frames)} scores of frames; the others are left out."
    if Part.REVIEWS in report.shortened:
        yield f"Only the last {len(report.reviews)} entries of the audit trail are shown."
    if report.result is not None and report.details is None:
        yield OTHER_VERSION


def name_verdict(verdict: str) -> str:
    """Return a stored verdict in words; one that this version does not know as it is."""
    return HEADINGS[Band(verdict)] if verdict in {*Band} else verdict


def describe_mode(report: AnalysisReport) -> str:
    return "fast (8 frames)" if report.analysis.is_fast else "full (32 frames)"
