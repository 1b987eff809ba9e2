"""The grid of re-encodings under which a detector is measured, and what counts as holding out.

Pure: a condition says what to do, media/encoding does it. Fakes meet compression wherever they
are passed on, and a head that has learnt the traces of one encoder calls others manipulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cinemill.core.encoding.rendition import VideoCodec

MOST_FLAGGED_RATIO = 1.5
"""Realised over nominal rate of re-encoded reals that are called likely manipulated."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One way in which a video reaches a user."""

    name: str
    codec: VideoCodec | None = None
    """None: the frames are saved as JPEG, or left alone."""
    crf: int | None = None
    bitrate_kbps: int | None = None
    height: int | None = None
    """Lines that the video is scaled down to first; None keeps its size."""
    jpeg_quality: int | None = None


ROBUSTNESS_GRID: tuple[Condition, ...] = (
    Condition("original"),
    Condition("h264 crf 23", VideoCodec.H264, crf=23),
    Condition("h264 crf 35", VideoCodec.H264, crf=35),
    Condition("h264 400 kb/s 360p", VideoCodec.H264, bitrate_kbps=400, height=360),
    Condition("h265 crf 30", VideoCodec.H265, crf=30),
    Condition("vp9 crf 36", VideoCodec.VP9, crf=36),
    Condition("av1 crf 40", VideoCodec.AV1, crf=40),
    Condition("jpeg 90", jpeg_quality=90),
    Condition("jpeg 70", jpeg_quality=70),
    Condition("jpeg 50", jpeg_quality=50),
)


@dataclass(frozen=True, slots=True)
class ConditionOutcome:
    """Verdicts on the videos of one condition."""

    condition: str
    reals: int
    reals_flagged: int
    """Called ``likely_manipulated``."""
    fakes: int
    fakes_flagged: int
    abstained: int
    """Of both kinds."""
    auc: float | None = None
    """None where one kind is missing."""

    @property
    def false_alarm_rate(self) -> float | None:
        """Return the share of reals that were flagged; None without reals."""
        return self.reals_flagged / self.reals if self.reals else None

    def holds(self, nominal_fpr: float) -> bool:
        """Check whether reals are flagged no more often than the threshold promises, by half more.

        One false alarm is always allowed: of ten videos, none could be flagged at 5 %.
        """
        return self.reals_flagged <= max(1.0, MOST_FLAGGED_RATIO * nominal_fpr * self.reals)


def list_failures(outcomes: Sequence[ConditionOutcome], nominal_fpr: float) -> list[str]:
    """Return the names of the conditions under which reals are flagged too often."""
    return [one.condition for one in outcomes if not one.holds(nominal_fpr)]
