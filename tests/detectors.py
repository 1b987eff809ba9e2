"""A detector for tests: real models, and heads whose answers a test decides.

The heads are made up: they prove what is done with an answer, not that an answer is right.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.detection import OPTIONS, STATEMENT, make_calibration_videos
from tests.model_files import link_models

from cinemill.capabilities.detection.detector import (
    DEFAULT_ENSEMBLE,
    describe_space,
)
from cinemill.capabilities.detection.ensemble.ensemble_files import write_ensemble
from cinemill.capabilities.detection.ensemble.fusion import (
    Ensemble,
    WeightSource,
    make_ensemble,
)
from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.head_files import write_head
from cinemill.capabilities.detection.ensemble.registry_files import (
    ENSEMBLES_FOLDER,
    HEADS_FOLDER,
)
from cinemill.capabilities.detection.ensemble.training_statement import Grade
from cinemill.capabilities.detection.verdict.calibration import fit_calibration
from cinemill.inference.models.catalog import get_card

BACKBONE = "efficientnet-lite0"
FACE_DETECTOR = "centerface"


def link_detector_models(models_dir: Path) -> None:
    """Install all models that :func:`install_detector` needs."""
    link_models(models_dir, FACE_DETECTOR, BACKBONE)


def make_constant_head(logit: float, *, name: str = "constant") -> Head:
    """Return a head of the backbone's features that scores every face the same."""
    space = describe_space(get_card(BACKBONE))
    return Head(
        name=name,
        grade=Grade.TRAINED,
        space=space,
        weights=np.zeros(space.dimension, np.float32),
        bias=logit,
        temperature=1.0,
        training=STATEMENT,
    )


def install_detector(home: Path, logit: float, *, is_calibrated: bool = True) -> Ensemble:
    """Install an ensemble of one head that gives this score to every face, in place of any."""
    for folder in (HEADS_FOLDER, ENSEMBLES_FOLDER):
        shutil.rmtree(home / folder, ignore_errors=True)
    head = make_constant_head(logit)
    write_head(home / HEADS_FOLDER, head)
    ensemble = make_ensemble({BACKBONE: head}, {BACKBONE: 1.0}, WeightSource.DEFAULT)
    if is_calibrated:
        # As strongly compressed as the samples are.
        videos = [
            replace(video, distances={}, tracks=9, bits_per_pixel=0.04)
            for video in make_calibration_videos()
        ]
        options = replace(OPTIONS, subject=ensemble.subject, margin=1.0)
        ensemble = replace(ensemble, calibration=fit_calibration(videos, options))
    write_ensemble(home / ENSEMBLES_FOLDER, DEFAULT_ENSEMBLE, ensemble)
    return ensemble
