"""One long video on many workers: split, encoded in chunks, concatenated.

A worker is killed in the middle of this and of a render.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text
from tests import films
from tests.integration.redis_databases import take_redis_database
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.core.job import JobState
from cinemill.core.media import ArtifactKind

OWN_REDIS_DATABASE = 11
LEASE_SECONDS = 3
FRAMES = 300


@pytest.fixture(scope="module")
def film(films_folder: Path) -> Path:
    """Return a video of twelve seconds with a key frame in each."""
    return films.make_film(films_folder / "long one.mp4", seconds=12, extra=["-g", "25"])


def transcode(stack: Stack, film: Path, options: dict[str, Any], chunk_seconds: float) -> Any:
    task = stack.app.tasks["transcode"].apply_async(
        args=[str(film), options], kwargs={"chunk_seconds": chunk_seconds}
    )
    return task.get(timeout=PATIENCE_SECONDS)


def hash_frames(path: str | Path) -> list[str]:
    """Return hashes of the decoded frames, each with its time, and of the audio."""
    command = ["-i", f"file:{path}", "-map", "0:v", "-map", "0:a", "-f", "framemd5", "-"]
    return films.read(command).splitlines()


@pytest.fixture(scope="module")
def chunked_result(stack: Stack, film: Path) -> Any:
    return transcode(stack, film, {"height": 90}, chunk_seconds=2)


def test_video_is_encoded_in_chunks_and_concatenated(chunked_result: Any) -> None:
    assert chunked_result["chunks"] == {"total": 6, "reused": 0}
    assert chunked_result["rendition"]["facts"]["frames"] == FRAMES
    assert chunked_result["rendition"]["facts"]["sounds"] == 1
    assert chunked_result["stages"].keys() >= {"probe", "chunk", "tracks", "join"}
    assert Path(chunked_result["output_path"]).name == "long one-90p-h264.mp4"


def test_chunked_rendition_is_ordinary_and_created_once(
    stack: Stack, film: Path, chunked_result: Any
) -> None:
    again = transcode(stack, film, {"height": 90}, chunk_seconds=4)
    assert again["reused"]
    assert again["rendition"]["sha256"] == chunked_result["rendition"]["sha256"]


def test_unavailable_hardware_does_not_prevent_chunking(stack: Stack, film: Path) -> None:
    made = transcode(stack, film, {"height": 80, "use_gpu": True}, chunk_seconds=6)
    assert made["chunks"]["total"] == 2
    facts = made["rendition"]["facts"]
    assert facts["hardware"] is None
    assert facts["changes"] == ["encoded in software: no hardware encoder for h264 is available"]


def test_chunks_are_deleted_after_concatenation(stack: Stack, chunked_result: Any) -> None:
    with stack.database.begin() as connection:
        query = text("SELECT count(*) FROM artifact WHERE asset_id = :id AND kind = :kind")
        values = {"id": chunked_result["asset_id"], "kind": ArtifactKind.PIECE.value}
        assert connection.execute(query, values).scalar_one() == 0


def test_video_without_frame_timestamps_is_encoded_whole(stack: Stack, films_folder: Path) -> None:
    film = films.make_film(
        films_folder / "old.avi", seconds=4, codec=["-c:v", "mpeg4"], extra=["-g", "10"]
    )
    result = transcode(stack, film, {"height": 60}, chunk_seconds=1)
    assert "chunks" not in result
    assert result["rendition"]["facts"]["frames"] == 100


@pytest.fixture(scope="module")
def short_lease_stack(
    database_url: str,
    redis_url: str,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Yield an instance that notices a dead worker soon, with beat and no worker yet."""
    settings = {
        "CINEMILL_HOME": str(tmp_path_factory.mktemp("farm")),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "CINEMILL_LEASE_SECONDS": str(LEASE_SECONDS),
        "CINEMILL_HEARTBEAT_SECONDS": "1",
        "CELERY_WORKER_CONCURRENCY": "1",
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
    }
    with open_stack(database_url, settings) as stack, ExitStack() as undo:
        undo.callback(stop_service, start_service("cinemill.worker.beat", stack))
        yield stack


@pytest.fixture(scope="module")
def steady_stack(short_lease_stack: Stack) -> Iterator[Stack]:
    """Yield the same instance with a worker that is not killed."""
    worker = start_service("cinemill.worker", short_lease_stack)
    yield short_lease_stack
    stop_service(worker)


def kill_during_step(stack: Stack, worker: subprocess.Popen[bytes], job_id: str, kind: str) -> None:
    """Kill this worker while it runs a step of this kind, after others have finished."""
    query = text(
        """
        WITH ours AS (SELECT * FROM run WHERE job_id = :job_id AND kind = :kind)
        SELECT id, worker FROM ours WHERE state = 'running'
          AND (SELECT count(*) FROM ours WHERE state = 'succeeded') >= 3
        """
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with stack.database.begin() as connection:
            rows = connection.execute(query, {"job_id": job_id, "kind": kind})
            working = {int(row.worker.rpartition(":")[2]): str(row.id) for row in rows}
        for child in psutil.Process(worker.pid).children():
            if child.pid in working and kill_while_at(stack, worker, child, working[child.pid]):
                return
        time.sleep(0.01)
    pytest.fail(f"that worker never was at {kind}")


def kill_while_at(
    stack: Stack, worker: subprocess.Popen[bytes], child: psutil.Process, run_id: str
) -> bool:
    """Kill the worker if its run, while frozen, has not ended and is not about to end."""
    child.suspend()
    query = text("SELECT id FROM run WHERE id = :id AND state = 'running' FOR UPDATE SKIP LOCKED")
    with stack.database.begin() as connection:
        is_at_it = connection.execute(query, {"id": run_id}).first() is not None
    if is_at_it:
        worker.kill()
        worker.wait()
    with suppress(psutil.NoSuchProcess):
        child.resume()
    return is_at_it


def finish_despite_kill(stack: Stack, kind: str, params: Any, step_kind: str) -> Any:
    """Return the result of a job while one of its two workers is killed during such a step."""
    (stack.home / "cinemill.worker.ready").unlink()
    doomed = start_service("cinemill.worker", stack)
    job = stack.service.create_job(kind, params=params)
    kill_during_step(stack, doomed, job.id, step_kind)
    wait_until(lambda: stack.service.get_job(job.id).state.is_final)
    done = stack.service.get_job(job.id)
    assert done.state is JobState.COMPLETED, done.failure
    with stack.database.begin() as connection:
        query = text("SELECT count(*) FROM run WHERE job_id = :id AND state = 'crashed'")
        assert connection.execute(query, {"id": job.id}).scalar_one() >= 1
    return done.result


@pytest.fixture(scope="module")
def copy(film: Path, films_folder: Path) -> Path:
    """Return the same frames in another file: otherwise the first result would be reused."""
    return films.remux(film, films_folder / "copy.mp4", "-metadata", "title=again")


def test_worker_killed_during_a_chunked_encode_changes_no_frame(
    steady_stack: Stack, film: Path, copy: Path
) -> None:
    options = {"width": 640, "height": 360}
    undisturbed = transcode(steady_stack, film, options, chunk_seconds=1)
    params = {"path": str(copy), "options": options, "chunk_seconds": 1}
    done = finish_despite_kill(steady_stack, "transcode", params, "encode_chunk")
    assert hash_frames(done["output_path"]) == hash_frames(undisturbed["output_path"])


def test_worker_killed_during_a_render_changes_no_frame(
    steady_stack: Stack, film: Path, copy: Path
) -> None:
    edits = [
        {
            "clips": [{"path": str(path), "start": n, "end": n + 1} for n in range(10)],
            "output": {"width": 320, "height": 180, "fps": 25},
        }
        for path in (film, copy)
    ]
    render = steady_stack.app.tasks["render_video"]
    undisturbed = render.apply_async(args=[edits[0]]).get(timeout=PATIENCE_SECONDS)
    done = finish_despite_kill(steady_stack, "render_video", {"job": edits[1]}, "render_pieces")
    assert done["pieces"]["total"] == 10
    assert hash_frames(done["output_path"]) == hash_frames(undisturbed["output_path"])
