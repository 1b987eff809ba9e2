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
from tests.detectors import BACKBONE, link_detector_models, make_constant_head
from tests.integration.worker.conftest import Stack
from tests.integration.worker.test_detection import count_starts, detect, put_sample
from tests.waiting import wait_until

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
from cinemill.core.media import ArtifactKind
from cinemill.core.origin.forensics import ForensicsState
from cinemill.storage.media import assets
from cinemill.storage.media.assets import ArtifactRecord


@pytest.fixture
def detector(stack: Stack) -> Iterator[None]:
    """Install a head that calls every face manipulated, for made-up reasons in its features."""
    link_detector_models(stack.home / "models")
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


def put_new_film(films_folder: Path, word: bytes = b"pictures") -> Path:
    """Return a video whose bytes nobody has examined yet: pictures are taken only then.

    ``word`` has eight letters; each makes another video.
    """
    film = put_sample(films_folder, "expressive_face")
    own = film.with_name(f"own-face-{word.decode()}.mp4")
    own.write_bytes(film.read_bytes() + bytes.fromhex("00000010") + b"free" + word)
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


def detect_as(stack: Stack, owner: str, film: str) -> dict[str, Any]:
    job = stack.service.create_job("detect_video", owner=owner, params={"asset": film})
    wait_until(lambda: stack.service.get_job(job.id).state.is_final)
    return dict(stack.service.get_job(job.id).result or {})


def list_kept(stack: Stack, asset_id: str) -> list[ArtifactRecord]:
    found = assets.list_artifacts(stack.database, asset_id)
    return [one for one in found if one.artifact.kind is ArtifactKind.FINDING]


def delete_asset(stack: Stack, asset_id: str) -> None:
    with stack.database.begin() as connection:
        assert assets.delete_asset(connection, asset_id)


def test_known_video_of_another_owner_keeps_the_same_files(
    stack: Stack, films_folder: Path, detector: None
) -> None:
    film = str(put_new_film(films_folder, b"anothers"))
    first = detect(stack, film)
    report = gather_report(stack.database, stack.files, first["analysis_id"])
    examined = count_starts(stack, "analyze_video")
    before = list_kept(stack, first["asset_id"])
    # A hit on what is an asset already writes nothing again.
    assert detect(stack, film)["cache_hit"]
    assert list_kept(stack, first["asset_id"]) == before
    again = detect_as(stack, "another", film)
    assert again["cache_hit"]
    assert again["asset_id"] != first["asset_id"]
    assert count_starts(stack, "analyze_video") == examined
    kept = list_kept(stack, again["asset_id"])
    assert [(one.variant, one.artifact.sha256) for one in kept] == [
        (one.variant, one.artifact.sha256) for one in before
    ]
    # They are its own: the first video may be deleted.
    delete_asset(stack, first["asset_id"])
    found = gather_report(stack.database, stack.files, again["analysis_id"])
    assert found.pictures is not None
    assert found.pictures == report.pictures
    assert found.encoding is not None
    assert found.encoding == report.encoding
    assert found.regions == report.regions


def test_known_video_whose_asset_was_deleted_gets_its_pictures_again(
    stack: Stack, films_folder: Path, detector: None
) -> None:
    film = str(put_new_film(films_folder, b"deleted!"))
    first = detect(stack, film)
    report = gather_report(stack.database, stack.files, first["analysis_id"])
    assert report.pictures is not None
    examined = count_starts(stack, "analyze_video")
    delete_asset(stack, first["asset_id"])
    again = detect(stack, film)
    assert again["cache_hit"]
    assert count_starts(stack, "analyze_video") == examined
    found = gather_report(stack.database, stack.files, again["analysis_id"])
    assert found.pictures is not None
    assert [(one.face_number, one.time_ms) for one in found.pictures.pictures] == [
        (one.face_number, one.time_ms) for one in report.pictures.pictures
    ]
    assert found.encoding is not None
    assert found.encoding == report.encoding
    assert any(read_evidence(one.evidence) for one in found.regions)
    assert {one.asset_id for one in list_kept(stack, again["asset_id"])} == {again["asset_id"]}


def decode(jpeg: str) -> NDArray[Any]:
    context = av.CodecContext.create("mjpeg", "r")
    return context.decode(av.Packet(base64.b64decode(jpeg)))[0].to_ndarray(format="rgb24")
