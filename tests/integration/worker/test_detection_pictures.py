"""What an examination keeps for its report: pictures, evidence maps, and traces of encoding."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.detection import OPTIONS, make_calibration_videos
from tests.detectors import BACKBONE, link_models, make_constant_head
from tests.integration.worker.conftest import Stack
from tests.integration.worker.test_detection import detect, put_sample

from cinemill.capabilities.detection.analysis_report.gather import gather_report
from cinemill.capabilities.detection.analysis_report.page import write_page
from cinemill.capabilities.detection.detector import DEFAULT_ENSEMBLE
from cinemill.capabilities.detection.ensemble.ensemble_files import write_ensemble
from cinemill.capabilities.detection.ensemble.fusion import WeightSource, make_ensemble
from cinemill.capabilities.detection.ensemble.head_files import write_head
from cinemill.capabilities.detection.ensemble.registry_files import (
    ENSEMBLES_FOLDER,
    HEADS_FOLDER,
)
from cinemill.capabilities.detection.illustrations.records import read_evidence
from cinemill.capabilities.detection.verdict.calibration import fit_calibration
from cinemill.core.origin.forensics import ForensicsState


@pytest.fixture
def detector(stack: Stack) -> Iterator[None]:
    """Install a head that calls every face manipulated, for made-up reasons in its features."""
    link_models(stack.home / "models")
    plain = make_constant_head(4.0, name="made-up")
    numbers = np.random.default_rng(3).normal(size=plain.space.dimension)
    head = replace(plain, weights=numbers.astype(np.float32))
    write_head(stack.home / HEADS_FOLDER, head)
    ensemble = make_ensemble({BACKBONE: head}, {BACKBONE: 1.0}, WeightSource.DEFAULT)
    videos = [replace(one, distances={}, tracks=9) for one in make_calibration_videos()]
    options = replace(OPTIONS, subject=ensemble.subject)
    ensemble = replace(ensemble, calibration=fit_calibration(videos, options))
    write_ensemble(stack.home / ENSEMBLES_FOLDER, DEFAULT_ENSEMBLE, ensemble)
    yield
    for folder in (HEADS_FOLDER, ENSEMBLES_FOLDER):
        shutil.rmtree(stack.home / folder, ignore_errors=True)


def put_new_film(films_folder: Path) -> Path:
    """Return a video whose bytes nobody has examined yet: pictures are taken only then."""
    film = put_sample(films_folder, "expressive_face")
    own = film.with_name("own-face.mp4")
    own.write_bytes(film.read_bytes() + bytes.fromhex("00000010") + b"free" + b"pictures")
    return own


def test_examination_keeps_what_its_report_shows(
    stack: Stack, films_folder: Path, detector: None
) -> None:
    film = str(put_new_film(films_folder))
    result = detect(stack, film)
    report = gather_report(stack.database, stack.files, result["analysis_id"])
    assert report.band == "likely_manipulated"
    assert report.metrics is not None
    assert report.metrics.stage_seconds["illustrate"] > 0
    assert report.pictures is not None
    maps = [read_evidence(one.evidence) for one in report.regions]
    assert maps
    assert maps[0] is not None
    assert np.shape(maps[0].cells) == (7, 7)
    assert np.ptp(maps[0].cells) > 0
    picture = report.pictures.find(report.regions[0].face_number, maps[0].time_ms)
    assert picture is not None
    assert decode(picture.jpeg).std() > 20
    assert report.encoding is not None
    assert report.encoding.state is ForensicsState.EXAMINED
    assert report.provenance is not None
    page = write_page(report)
    assert page.count('class="edge"') == len([one for one in maps if one is not None])
    # An answer from the cache shows the same.
    again = detect(stack, film)
    assert again["cache_hit"]
    cached = gather_report(stack.database, stack.files, again["analysis_id"])
    assert cached.pictures == report.pictures
    assert cached.regions == report.regions


def decode(jpeg: str) -> NDArray[Any]:
    context = av.CodecContext.create("mjpeg", "r")
    return context.decode(av.Packet(base64.b64decode(jpeg)))[0].to_ndarray(format="rgb24")
