"""Sentences about a detector and its data: how many people, and what that promises."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cinemill.capabilities.detection.detector import Detector
from cinemill.capabilities.detection.ensemble.fusion import Ensemble
from cinemill.capabilities.detection.evaluation.report import ControlOutcome, HeadStatement
from cinemill.capabilities.detection.runs.scored_videos import Task
from cinemill.capabilities.detection.verdict.calibration import Calibration
from cinemill.capabilities.detection.verdict.counts import count, count_people

_CONTROL = "control_"


def describe_training(ensemble: Ensemble) -> str:
    """Return on what the heads were trained, in a sentence."""
    parts = {
        f"{data.videos} videos of {data.identities} people ({data.name}, licence: {data.licence})"
        for head in ensemble.heads.values()
        for data in head.training.datasets
    }
    return "; ".join(sorted(parts)) or "not stated"


def describe_heads(
    name: str, detector: Detector
) -> tuple[HeadStatement, tuple[ControlOutcome, ...]]:
    """Return what the report says about the heads, and the controls of their training."""
    heads = detector.ensemble.heads
    licences = {data.licence for head in heads.values() for data in head.training.datasets}
    statement = HeadStatement(
        name=name,
        sha256=detector.ensemble.subject,
        trained_on=describe_training(detector.ensemble),
        licences=tuple(sorted(licences)),
        models=tuple(f"{card.name} {card.revision[:12]}" for card in detector.models),
    )
    controls = tuple(
        ControlOutcome(_name_control(member, metric, len(heads)), value)
        for member, head in heads.items()
        for metric, value in head.training.metrics.items()
        if metric.startswith(_CONTROL)
    )
    return statement, controls


def _name_control(member: str, metric: str, members: int) -> str:
    control = metric.removeprefix(_CONTROL)
    return control if members == 1 else f"{member}: {control}"


def count_least_groups(rate: float) -> int:
    """Return how many people of a class a calibration needs to promise an error rate."""
    return math.ceil(1 / rate - 1e-9) - 1


def describe_promise(calibration: Calibration | None) -> str:
    """Return what a calibration promises, in a sentence."""
    if calibration is None:
        return (
            "The detector is not calibrated: it decides nothing, and each video stays inconclusive."
        )
    rate = max(calibration.nominal_false_positive_rate, calibration.nominal_miss_rate)
    groups = (
        f"{count_people(calibration.unmanipulated.groups)} of unmanipulated videos and "
        f"{calibration.manipulated.groups} of manipulated ones"
    )
    if not calibration.can_decide:
        least = count_least_groups(
            min(calibration.nominal_false_positive_rate, calibration.nominal_miss_rate)
        )
        return (
            f"The calibration rests on {groups}. Below {least} of each class it promises nothing: "
            "each video stays inconclusive."
        )
    return (
        f"The calibration rests on {groups}, and promises at most {rate:.3g} of errors of each "
        "kind on videos like these only."
    )


def list_notes(
    detector: Detector,
    tasks: Sequence[Task],
    *,
    are_training_videos_known: bool,
    makes_blends: bool,
) -> list[str]:
    """Return what a reader of an evaluation must know about its data, in sentences."""
    people = {one.identity for one in tasks}
    notes = [
        f"Evaluated on {count(len(tasks), 'video')} of {count_people(len(people))}.",
        f"Trained on {describe_training(detector.ensemble)}.",
        describe_promise(detector.ensemble.calibration),
    ]
    if makes_blends:
        notes.append(
            "The fakes are blends that were made of the real videos, one of each. The figures say "
            "how well boundaries are seen, not how well the fakes of any program are found. Blends "
            "are not re-encoded as videos, only as JPEG."
        )
    if not are_training_videos_known:
        notes.append(
            "The heads' training videos are not known on this machine: leaks could not be looked "
            "for."
        )
    return notes
