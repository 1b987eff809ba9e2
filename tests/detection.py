"""Small heads, calibrations and scores for tests of detection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.ensemble.features import FeatureLevel, FeatureSpace
from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.projection import fit_projection
from cinemill.capabilities.detection.ensemble.training_statement import (
    DataSet,
    Grade,
    TrainingStatement,
)
from cinemill.capabilities.detection.verdict.aggregation import AGGREGATION_VERSION
from cinemill.capabilities.detection.verdict.calibration import (
    Calibration,
    CalibrationOptions,
    CalibrationVideo,
    fit_calibration,
)
from cinemill.capabilities.detection.verdict.distance import fit_distance
from cinemill.capabilities.detection.verdict.evidence import FaceCounts, VideoScores

SUBJECT = "5" * 64
OPTIONS = CalibrationOptions(subject=SUBJECT, data="100 videos that a test made up")
SPACE = FeatureSpace(
    model="tiny",
    revision="a" * 64,
    preprocessing="crop-1.3-v1",
    levels=(FeatureLevel(name="low", dimension=4), FeatureLevel(name="pooled", dimension=6)),
)
STATEMENT = TrainingStatement(
    method="logistic regression on made-up numbers",
    command="cinemill detect train --real faces",
    seed=3,
    datasets=(DataSet(name="made up", licence="CC0-1.0", identities=50, videos=100),),
    metrics={"auc": 0.8},
)
ENOUGH_FACES = FaceCounts(frames=32, frames_without_face=2, usable=30)


def make_calibration_videos(
    *, count: int = 100, members: Sequence[str] = ("tiny",), seed: int = 1
) -> list[CalibrationVideo]:
    """Half of them manipulated; logits around -2 and 2 with a little overlap."""
    random = np.random.default_rng(seed)
    return [
        CalibrationVideo(
            logit=float(random.normal(2 if at % 2 else -2, 1)),
            is_manipulated=bool(at % 2),
            group=f"person {at}",
            tracks=1 + at % 3,
            distances={name: float(random.normal(1, 0.05)) for name in members},
            disagreement=float(abs(random.normal(0.5, 0.1))) if len(members) > 1 else None,
            bits_per_pixel=0.05 + at / 1000,
        )
        for at in range(count)
    ]


def make_calibration(*, margin: float = 0.0, members: Sequence[str] = ("tiny",)) -> Calibration:
    options = CalibrationOptions(subject=SUBJECT, data=OPTIONS.data, margin=margin)
    return fit_calibration(make_calibration_videos(members=members), options)


def make_scores(
    logit: float,
    *,
    tracks: int = 1,
    distance: float = 1.0,
    disagreement: float | None = None,
    missing: tuple[str, ...] = (),
    subject: str = SUBJECT,
) -> VideoScores:
    return VideoScores(
        logit=logit,
        tracks=tracks,
        subject=subject,
        aggregation=AGGREGATION_VERSION,
        distances={"tiny": distance},
        disagreement=disagreement,
        missing=missing,
    )


def make_features(count: int, *, seed: int = 0, shift: float = 0.0) -> NDArray[np.float32]:
    """Rows of ten numbers."""
    rows = np.random.default_rng(seed).normal(size=(count, SPACE.dimension))
    return (rows + shift).astype(np.float32)


def make_head(name: str = "tiny-head", *, seed: int = 0) -> Head:
    features = make_features(50, seed=seed)
    return Head(
        name=name,
        grade=Grade.TRAINED,
        space=SPACE,
        weights=np.linspace(-1, 1, SPACE.dimension, dtype=np.float32) + np.float32(seed),
        bias=0.25,
        temperature=1.5,
        training=STATEMENT,
        projection=fit_projection(features, 2),
        distance=fit_distance(features, most_directions=3),
        calibration=make_calibration(),
    )
