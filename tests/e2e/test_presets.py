"""Presets for outputs, and their playback."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect
from tests.detectors import FACE_DETECTOR, install_detector, make_constant_head
from tests.model_files import build_wheels, link_models, without_model
from tests.vision_models import make_resnet, write_zip_pth

from cinemill.capabilities.detection.detector import (
    DEFAULT_ENSEMBLE,
    RESNET50,
    DetectorOptions,
    describe_space,
    find_backbone,
)
from cinemill.capabilities.detection.ensemble.ensemble_files import write_ensemble
from cinemill.capabilities.detection.ensemble.fusion import WeightSource, make_ensemble
from cinemill.capabilities.detection.ensemble.head_files import write_head
from cinemill.capabilities.detection.ensemble.registry_files import (
    ENSEMBLES_FOLDER,
    HEADS_FOLDER,
)
from cinemill.client import Client
from cinemill.inference.export.export import export_model
from cinemill.inference.models.catalog import MODELS

from .conftest import Instance, make_own_film, process
from .test_page import upload, wait_until_done, wait_until_played

CAN_PLAY_HLS = "document.createElement('video').canPlayType('application/vnd.apple.mpegurl')"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_own_film(
        tmp_path_factory.mktemp("making") / "holiday.mp4", seconds=2, size=(320, 180)
    )


@pytest.fixture
def shown_job(page: Page, instance: Instance) -> Callable[[], dict[str, Any]]:
    """Return a function that reads the job shown on the page."""

    def read() -> dict[str, Any]:
        task_id = page.url.partition("#task=")[2]
        job: dict[str, Any] = page.request.get(f"{instance.address}/api/v1/jobs/{task_id}").json()
        return job

    return read


def test_preset_creates_output_and_proxy_and_further_outputs(
    page: Page, instance: Instance, film: Path, shown_job: Callable[[], dict[str, Any]]
) -> None:
    page.get_by_label("Output", exact=True).select_option("Mobile")
    expect(page.locator("#preset-words")).to_contain_text("at most 720p")
    upload(page, film)
    wait_until_done(page, "holiday.mp4")
    job = shown_job()
    assert (job["kind"], job["params"]) == ("transcode", {"options": {"preset": "mobile"}})
    expect(page.locator(".plays option:checked")).to_have_text("the output")
    expect(page.locator("#recent")).to_contain_text("holiday.mp4 · mobile")
    of_film = {"asset_id": job["asset_id"], "kind": "process_video"}
    jobs = page.request.get(f"{instance.address}/api/v1/jobs", params=of_film).json()["jobs"]
    assert len(jobs) == 1

    page.get_by_label("Create another output").select_option("Stream (HLS and DASH)")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator(".downloads summary")).to_contain_text("files for HLS and DASH")
    job = shown_job()
    assert (job["kind"], job["params"]) == ("make_ladder", {"preset": "web"})
    is_native = bool(page.evaluate(CAN_PLAY_HLS))
    expect_playback(page, "stream (HLS)" if is_native else "original")
    assert abs(page.locator("video").evaluate("video => video.duration") - 2) < 0.2
    # If the stream cannot be played, the original is.
    page.route("**/streams/**", lambda route: route.abort())
    page.reload()
    expect_playback(page, "original")


def expect_playback(page: Page, what: str) -> None:
    chosen = page.locator(".plays option:checked, .plays:not(:has(option))")
    expect(chosen).to_have_text(re.compile(rf"^(Playing: )?{re.escape(what)}"))
    page.get_by_role("button", name="Play", exact=True).click()
    wait_until_played(page, 0.3)


@pytest.fixture
def unplayed_task(instance: Instance, tmp_path: Path) -> dict[str, Any]:
    """Return a finished job that made a still of a video and nothing that a browser can play."""
    path = make_own_film(tmp_path / "unseen.avi", seconds=1, size=(160, 90))
    return process(instance, path, kind="generate_preview", params={"num_frames": 1})


def test_player_appears_when_the_preview_copy_is_ready(
    page: Page, instance: Instance, unplayed_task: dict[str, Any]
) -> None:
    page.goto(f"{instance.address}/#task={unplayed_task['id']}")
    expect(page.locator(".plays")).to_contain_text("This browser cannot play any of the files yet")
    expect(page.locator(".downloads")).to_contain_text("Still at 0:00")
    start_preview_copy(page, instance, unplayed_task)
    page.reload()
    # The player appears without another reload.
    expect_playback(page, "preview copy")


def test_player_appears_if_the_job_ends_between_two_requests_of_the_page(
    page: Page, instance: Instance, unplayed_task: dict[str, Any]
) -> None:
    started: list[str] = []

    def end_before_the_list(route: Route) -> None:
        if not started:
            started.append(start_preview_copy(page, instance, unplayed_task))
            with Client(instance.address, instance.token) as client:
                for _event in client.watch(started[0]):
                    pass
        route.continue_()

    # The page has read the asset, which has no preview copy, when it lists the jobs.
    page.route("**/api/v1/jobs?*kind=process_video", end_before_the_list)
    page.goto(f"{instance.address}/#task={unplayed_task['id']}")
    expect_playback(page, "preview copy")
    assert started


def start_preview_copy(page: Page, instance: Instance, job: dict[str, Any]) -> str:
    return start_job(page, instance, job["asset_id"], "process_video")


def start_job(page: Page, instance: Instance, asset_id: str, kind: str) -> str:
    address = f"{instance.address}/api/v1/assets/{asset_id}/jobs"
    response = page.request.post(address, data={"kind": kind})
    assert response.ok
    return str(response.json()["id"])


def test_captions_without_a_model_show_how_to_get_one_and_download_it(
    page: Page, film: Path, packages: Path, shown_job: Callable[[], dict[str, Any]]
) -> None:
    page.get_by_label("Output", exact=True).select_option("Captions")
    upload(page, film)
    error = page.locator("#task .error")
    expect(error.locator(".code")).to_have_text("model_missing")
    expect(error).to_contain_text("cinemill models fetch base")
    assert shown_job()["kind"] == "caption"
    download = error.get_by_role("button", name="Download the model base")
    download.click()
    expect(error).to_contain_text("The model base could not be fetched")
    build_wheels("base", packages)
    download.click()
    expect(page.locator("#task .result")).to_be_visible()


@pytest.fixture
def head_without_models(instance: Instance) -> Iterator[None]:
    """Install a detector whose models are not on this machine."""
    install_detector(instance.home, 3.0)
    link_models(instance.home / "models", FACE_DETECTOR)
    with without_model(instance.home / "models", FACE_DETECTOR):
        yield
    for folder in (HEADS_FOLDER, ENSEMBLES_FOLDER):
        shutil.rmtree(instance.home / folder)


@pytest.mark.usefixtures("head_without_models")
def test_download_offered_for_a_detection_is_of_the_model_that_it_misses(
    page: Page, instance: Instance, unplayed_task: dict[str, Any]
) -> None:
    job_id = start_job(page, instance, unplayed_task["asset_id"], "detect_video")
    page.goto(f"{instance.address}/#task={job_id}")
    error = page.locator("#task .error")
    expect(error.locator(".code")).to_have_text("model_missing")
    expect(error).to_contain_text(f"cinemill models fetch {FACE_DETECTOR}")
    download = error.get_by_role("button", name=f"Download the model {FACE_DETECTOR}")
    expect(download).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    actions, button = error.locator(".actions").bounding_box(), download.bounding_box()
    assert actions is not None
    assert button is not None
    assert button["x"] + button["width"] <= actions["x"] + actions["width"]


@pytest.fixture
def model_file(instance: Instance, tmp_path: Path) -> Iterator[Path]:
    """Install a head for the ResNet50 that a setting names; return that file, put aside."""
    weights = write_zip_pth(
        tmp_path / "resnet.pth", make_resnet((3, 4, 6, 3), width=4, expansion=64)
    )
    graph = tmp_path / "resnet50.onnx"
    export_model(MODELS[RESNET50], weights, graph)
    options = DetectorOptions(tmp_path, tmp_path, "ViT-B/32", resnet50_path=graph)
    space = describe_space(find_backbone(RESNET50, options))
    numbers = np.zeros(space.dimension, np.float32)
    head = replace(make_constant_head(1.0), space=space, weights=numbers)
    ensemble = make_ensemble({RESNET50: head}, {RESNET50: 1.0}, WeightSource.DEFAULT)
    link_models(instance.home / "models", FACE_DETECTOR)
    write_head(instance.home / HEADS_FOLDER, head)
    write_ensemble(instance.home / ENSEMBLES_FOLDER, DEFAULT_ENSEMBLE, ensemble)
    instance.resnet50.unlink()
    yield graph
    for folder in (HEADS_FOLDER, ENSEMBLES_FOLDER):
        shutil.rmtree(instance.home / folder)
    instance.resnet50.write_bytes(b"")


def test_missing_file_of_a_setting_is_named_and_no_download_of_it_is_offered(
    page: Page, instance: Instance, model_file: Path, unplayed_task: dict[str, Any]
) -> None:
    job_id = start_job(page, instance, unplayed_task["asset_id"], "detect_video")
    page.goto(f"{instance.address}/#task={job_id}")
    error = page.locator("#task .error")
    expect(error.locator(".code")).to_have_text("model_file_missing")
    expect(error.locator(".sentence")).to_have_text(
        f"RESNET50_MODEL_PATH names the file {instance.resnet50}, which does not exist."
    )
    retry = error.get_by_role("button", name="Retry", exact=True)
    expect(retry).to_be_visible()
    expect(error.get_by_role("button", name="Download")).to_have_count(0)
    # Once the file is there, the same job goes on.
    shutil.copy(model_file, instance.resnet50)
    retry.click()
    expect(error).to_have_count(0)  # or the end of the first attempt would be what is watched
    with Client(instance.address, instance.token) as client:
        for _event in client.watch(job_id):
            pass
        job = client.job(job_id)
    assert job["status"] == "completed", job
    assert job["result"] is not None
    assert job["result"]["verdict"] == "no_face"
