"""The report of an evaluation: what was measured, on what, and what it does not say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from cinemill.capabilities.detection.datasets.leakage import Leak
from cinemill.capabilities.detection.evaluation.measurement import Measurement
from cinemill.capabilities.detection.evaluation.robustness import ConditionOutcome

FORMAT_VERSION = 1
_INFORMATIVE = "placement_only"
"""The control pairs that hold something to be found: a face that was moved, and nothing else."""


@dataclass(frozen=True, slots=True)
class HeadStatement:
    """The head that was evaluated."""

    name: str
    sha256: str
    trained_on: str
    """Data sets and number of people, in a sentence."""
    licences: tuple[str, ...]
    models: tuple[str, ...]
    """Backbones with their revisions."""


@dataclass(frozen=True, slots=True)
class ControlOutcome:
    """How well the head separates pairs in which there is nothing to find."""

    control: str
    auc: float


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """An evaluation, ready to be printed."""

    head: HeadStatement
    datasets: tuple[str, ...]
    created_at: str
    """ISO 8601, UTC."""
    command: str
    seed: int
    measurement: Measurement
    leaks: tuple[Leak, ...] = ()
    unscored: Mapping[str, int] = field(default_factory=dict)
    """Frames or videos without a score, by reason."""
    robustness: tuple[ConditionOutcome, ...] = ()
    controls: tuple[ControlOutcome, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the report as JSON; what is not finite becomes null."""
        document = asdict(self)
        return {"format_version": FORMAT_VERSION, **_clean_fields(document)}


def list_caveats(report: EvaluationReport) -> list[str]:
    """Return what a reader must know before quoting a figure, as sentences."""
    videos = report.measurement.videos
    caveats = []
    if report.leaks:
        kinds = sorted({leak.kind.value for leak in report.leaks})
        caveats.append(
            f"Training and test share {len(report.leaks)} things ({', '.join(kinds)}): "
            "the figures are too good."
        )
    if videos.intervals is None:
        caveats.append(f"{videos.identities} people are too few for intervals.")
    caveats += [
        f"The threshold for {one.nominal_fpr:.0%} false alarms gave {one.realised_fpr:.1%} here: "
        "it must be calibrated on such videos."
        for one in report.measurement.thresholds
        if one.realised_fpr > 1.5 * one.nominal_fpr
    ]
    caveats += [
        f"Re-encoded as {one.condition}, {one.reals_flagged} of {one.reals} real videos are "
        "called manipulated."
        for one in report.robustness
        if report.measurement.thresholds
        and not one.holds(report.measurement.thresholds[0].nominal_fpr)
    ]
    caveats += [
        f"The head separates the control pairs '{one.control}' (AUC {one.auc:.2f}): it has "
        "learnt something other than blending."
        for one in report.controls
        if not one.control.endswith(_INFORMATIVE) and abs(one.auc - 0.5) > 0.1
    ]
    caveats.append("The figures hold for videos like these; on others they are usually worse.")
    return caveats


def _clean_fields(fields: Mapping[str, object]) -> dict[str, object]:
    return {str(name): _clean(value) for name, value in fields.items()}


def _clean(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return _clean_fields(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(one) for one in value]
    return value
