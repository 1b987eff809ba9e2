"""A head trained, calibrated and evaluated on faces that its user may use: how honest it is.

``CINEMILL_BENCH_FACES`` names a folder of real videos, ``[PERSON/]VIDEO``, whose licence allows it.
People are parted into training, calibration and test, and fakes are blends of the real faces. Below
40 people, 15 of them in the test, a figure would be noise and its row says *missing*, as it does
where no such folder is named. The packages from which the sample videos come hold fewer.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.detectors import BACKBONE, FACE_DETECTOR
from tests.model_files import link_models

from bench.report import BenchRow, print_table
from cinemill.capabilities.detection.datasets.own_folder import read_reals
from cinemill.capabilities.detection.datasets.records import VideoRecord
from cinemill.capabilities.detection.datasets.splits import Fractions, Split, split_records
from cinemill.capabilities.detection.evaluation.report import EvaluationReport
from cinemill.capabilities.detection.evaluation.robustness import ROBUSTNESS_GRID
from cinemill.capabilities.detection.runs.calibrate import CalibrationRequest, calibrate
from cinemill.capabilities.detection.runs.evaluate import EvaluationRequest, evaluate
from cinemill.capabilities.detection.runs.train import TrainingRequest, train
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.training.starter_bar import (
    LEAST_AUC,
    LEAST_HELD_OUT,
    LEAST_IDENTITIES,
)
from cinemill.config import Settings
from cinemill.inference.faces.mesh import CARD as FACE_MESH
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox

FACES_VARIABLE = "CINEMILL_BENCH_FACES"
PARTS = Fractions(0.34, 0.28, 0.38)
"""Of 68 people, 19 are in the calibration, the fewest that can promise 5 %."""
REENCODINGS = tuple(one for one in ROBUSTNESS_GRID if one.codec is not None)
HEAD, SEED = "bench", 0
AUC = "training: AUC on blends of unseen people"
ECE = "training: calibration error (ECE) at home"
FALSE_ALARMS = "training: false alarms of held-out reals, realised over nominal"
REENCODED = f"training: re-encoded reals flagged, worst of {len(REENCODINGS)}, over nominal"
MOST_ECE, MOST_RATIO = 0.04, 1.5
_TARGETS = {AUC: LEAST_AUC, ECE: MOST_ECE, FALSE_ALARMS: MOST_RATIO, REENCODED: MOST_RATIO}


def measure() -> list[BenchRow]:
    """Measure a head on the faces that are named, or say what is missing."""
    named = os.environ.get(FACES_VARIABLE)
    if not named:
        why = f"{FACES_VARIABLE} names no folder with {LEAST_IDENTITIES} people of known licence"
        return [_make_row(name, None, why) for name in _TARGETS]
    records = read_reals(Path(named)).records
    people = len({record.identity for record in records})
    split = split_records(records, seed=SEED, fractions=PARTS)
    held_out = len({record.identity for record in split.test})
    how = f"{people} people, {held_out} of them held out; blends of their own faces"
    if people < LEAST_IDENTITIES or held_out < LEAST_HELD_OUT:
        why = f"{how}: {LEAST_IDENTITIES} and {LEAST_HELD_OUT} are the least"
        return [_make_row(name, None, why) for name in _TARGETS]
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as folder:
        return make_rows(measure_head(Path(folder), split), how)


def measure_head(home: Path, split: Split) -> EvaluationReport:
    """Train, calibrate and evaluate a head in this home folder, each on its part of the people."""
    link_models(home / "models", FACE_DETECTOR, BACKBONE, FACE_MESH)
    bench = Workbench(home, home / "models", Settings().clip_model_name, Limits(), detect_sandbox())
    train(bench, TrainingRequest(HEAD, split.train, seed=SEED))
    calibrate(bench, CalibrationRequest(HEAD, split.val, makes_blends=True, seed=SEED))
    return evaluate(bench, _describe_evaluation(split.test))


def make_rows(report: EvaluationReport, how: str) -> list[BenchRow]:
    """Return the rows of an evaluation; two are missing if no threshold promises a rate."""
    measurement = report.measurement
    rows = [
        _make_row(AUC, measurement.videos.figures.auc, how),
        _make_row(ECE, measurement.reliability.expected_error, f"{how}; classes weigh the same"),
    ]
    if not measurement.thresholds:
        why = f"{how}: too few people in the calibration to promise a rate"
        return [*rows, *(_make_row(name, None, why) for name in (FALSE_ALARMS, REENCODED))]
    (threshold,) = measurement.thresholds
    rates = {one.condition: one.false_alarm_rate or 0.0 for one in report.robustness}
    worst = max(rates, key=lambda name: rates[name])
    return [
        *rows,
        _make_row(FALSE_ALARMS, threshold.realised_fpr / threshold.nominal_fpr, how),
        _make_row(REENCODED, rates[worst] / threshold.nominal_fpr, f"{how}; worst is {worst}"),
    ]


def _describe_evaluation(records: Sequence[VideoRecord]) -> EvaluationRequest:
    return EvaluationRequest(
        HEAD,
        records,
        makes_blends=True,
        grid_videos=len(records),
        conditions=REENCODINGS,
        seed=SEED,
    )


def _make_row(name: str, value: float | None, how: str) -> BenchRow:
    return BenchRow(name, value, _TARGETS[name], detail=how, more_is_better=name == AUC)


if __name__ == "__main__":
    print_table(measure())
