"""Tasks of an upload backend for a stored video: its proxy, its metadata, a thumbnail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import text
from tests.films import make_film
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.media import ArtifactKind
from cinemill.errors import InputRejected
from cinemill.storage.media import assets
from cinemill.worker.result_backend import JobFailed

pytestmark = pytest.mark.usefixtures("own_videos")


@pytest.fixture(scope="module")
def video_id(stack: Stack, films_folder: Path) -> str:
    """Return the id of a video that was only probed."""
    film = make_film(films_folder / "stored.mp4", seconds=2, size=(320, 180))
    task = stack.app.tasks["extract_video_metadata"].delay(str(film))
    asset_id: str = task.get(timeout=PATIENCE_SECONDS)["asset_id"]
    return asset_id


def run(stack: Stack, task: str, *args: object, **kwargs: object) -> dict[str, Any]:
    found: dict[str, Any] = stack.app.tasks[task].delay(*args, **kwargs).get(PATIENCE_SECONDS)
    return found


def test_metadata_of_a_stored_video(stack: Stack, video_id: str) -> None:
    found = run(stack, "extract_video_metadata", video_id)
    assert found["asset_id"] == video_id
    assert (found["width"], found["height"], found["codec"]) == (320, 180, "h264")
    assert found["duration"] == pytest.approx(2, abs=0.1)
    assert found["fps"] > 0


def test_proxy_of_a_stored_video_is_its_proxy_path(stack: Stack, video_id: str) -> None:
    found = run(stack, "generate_proxy_video", video_id=video_id)
    proxy = found["artifacts"]["proxy"]
    assert found["asset_id"] == video_id
    assert proxy["facts"]["height"] <= 480
    query = text("SELECT status, proxy_path FROM videos WHERE id = :id")
    with stack.database.begin() as connection:
        row = connection.execute(query, {"id": video_id}).one()
    assert row.status == "ready"
    assert (stack.home / row.proxy_path).stat().st_size == proxy["size_bytes"]


@pytest.mark.parametrize(
    ("timestamp", "seconds", "warnings"),
    [(0, 0.0, 0), (0.5, 0.5, 0), (1.9, 1.9, 0), (60, pytest.approx(2, abs=0.1), 1)],
)
def test_thumbnail_at_a_time(
    stack: Stack, video_id: str, timestamp: float, seconds: object, warnings: int
) -> None:
    found = run(stack, "generate_thumbnail", video_id, timestamp)
    assert found["timestamp_seconds"] == seconds
    assert len(found["warnings"]) == warnings
    assert Path(found["thumbnail_path"]).read_bytes()[:3] == b"\xff\xd8\xff"
    listed = assets.list_artifacts(stack.database, video_id)
    assert ArtifactKind.THUMBNAIL in {one.artifact.kind for one in listed}


def test_thumbnail_by_the_names_of_the_arguments(stack: Stack, video_id: str) -> None:
    found = run(stack, "generate_thumbnail", video_id=video_id, timestamp_seconds=1.0)
    assert found["timestamp_seconds"] == 1.0


@pytest.mark.parametrize("timestamp", [-1, "soon", float("inf")])
def test_time_that_is_none_is_refused(stack: Stack, video_id: str, timestamp: object) -> None:
    with pytest.raises(InputRejected):
        stack.app.tasks["generate_thumbnail"].delay(video_id, timestamp)


def test_video_that_is_not_stored_is_named(stack: Stack) -> None:
    unknown = "0196f3a4-4d2e-7c1b-9a52-6f1f6a0c1b2d"
    with pytest.raises(Exception, match=unknown):
        run(stack, "generate_proxy_video", unknown)


@pytest.mark.parametrize(
    ("task", "args"),
    [
        ("generate_proxy_video", []),
        ("extract_video_metadata_task", []),
        ("video_app.tasks.generate_thumbnail", [1.0]),
    ],
)
def test_stock_client_sends_them_by_name(
    stack: Stack, video_id: str, task: str, args: list[object]
) -> None:
    client = Celery("backend", broker=stack.app.conf.broker_url, set_as_current=False)
    client.conf.broker_transport_options = {"global_keyprefix": "cinemill:"}
    sent = client.send_task(task, args=[video_id, *args], queue="video_processing")
    client.close()
    found = stack.app.AsyncResult(sent.id).get(timeout=PATIENCE_SECONDS)
    assert found["asset_id"] == video_id


def test_failure_names_what_is_wrong(stack: Stack, films_folder: Path) -> None:
    empty = films_folder / "empty.mp4"
    empty.touch()
    with pytest.raises(JobFailed) as failed:
        run(stack, "extract_video_metadata", str(empty))
    assert failed.value.code == "media_empty"
