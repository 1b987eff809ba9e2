"""The detector of a process: read once, and again after any of its files has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.detectors import BACKBONE, install_detector

from cinemill.capabilities.detection.detector import (
    Detector,
    DetectorOptions,
    InstalledDetector,
    load_detector,
)
from cinemill.capabilities.detection.ensemble.ensemble_files import write_ensemble
from cinemill.capabilities.detection.findings import fits
from cinemill.capabilities.detection.video_faces import VideoFaces, VideoFacts
from cinemill.errors import ToolMissing


@pytest.fixture
def options(tmp_path: Path) -> DetectorOptions:
    return DetectorOptions(tmp_path, tmp_path / "models", "clip-vit-b32")


def load(installed: InstalledDetector, options: DetectorOptions) -> Detector:
    found = installed.load(options)
    assert found is not None
    return found


def test_detector_is_read_again_only_when_it_has_changed(options: DetectorOptions) -> None:
    installed = InstalledDetector()
    assert installed.load(options) is None
    ensemble = install_detector(options.home, 1.0)
    first = load(installed, options)
    assert load(installed, options) is first
    assert load(installed, replace(options, weights={BACKBONE: 2.0})).subject == first.subject

    write_ensemble(options.home / "ensembles", "default", replace(ensemble, calibration=None))
    recalibrated = load(installed, options)
    assert recalibrated.calibration_digest == "" != first.calibration_digest
    assert recalibrated.subject == first.subject

    install_detector(options.home, 2.0)
    assert load(installed, options).head_digests != first.head_digests


def test_damaged_head_is_reported_each_time_until_it_is_mended(options: DetectorOptions) -> None:
    installed = InstalledDetector()
    install_detector(options.home, 1.0)
    first = load(installed, options)
    manifest = options.home / "heads/constant/manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-10])
    for _ in range(2):
        with pytest.raises(ToolMissing) as damaged:
            installed.load(options)
        assert damaged.value.code == "head_damaged"
    manifest.write_bytes(whole)
    assert load(installed, options).subject == first.subject


def test_features_that_no_head_can_score_do_not_fit(options: DetectorOptions) -> None:
    """Such an entry of the cache is a miss, and never a score."""
    install_detector(options.home, 1.0)
    detector = load_detector(options)
    assert detector is not None
    levels = {one.name: one.dimension for one in detector.ensemble.heads[BACKBONE].space.levels}
    whole = {name: np.ones((2, dimension), np.float16) for name, dimension in levels.items()}
    name, rows = next(iter(whole.items()))
    broken = rows.copy()
    broken[1, 3] = np.nan
    facts = VideoFacts((), (), {}, None)
    assert fits(VideoFaces(facts, {BACKBONE: whole}), detector)
    for levels_of_model in ({**whole, name: broken}, {**whole, name: rows[:, 1:]}, {}):
        assert not fits(VideoFaces(facts, {BACKBONE: levels_of_model}), detector)
    assert not fits(VideoFaces(facts, {"another": whole}), detector)
