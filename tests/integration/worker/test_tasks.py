"""Celery tasks on a running worker: what users' scripts send, and what they get."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from tests import films
from tests.integration.worker.conftest import Stack
from tests.processes import processes_of, suspend_encoders
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.capabilities.operations.verify import verify_files
from cinemill.core.job import DEFAULT_OWNER, JobState
from cinemill.errors import Conflict, InputRejected
from cinemill.storage.media import assets
from cinemill.storage.media.files import hash_file
from cinemill.worker.result_backend import JobFailed

ARTIFACTS = {"proxy", "poster", "sprite", "sprite_index", "audio"}


@pytest.fixture(scope="module", autouse=True)
def log_start_bytes(stack: Stack) -> int:
    """Return where this module's part of the log begins; other modules may kill the worker."""
    log = stack.home / "log" / "worker.log"
    return log.stat().st_size if log.exists() else 0


def send(stack: Stack, *args: object, **options: object) -> AsyncResult:
    return stack.app.tasks["process_video"].apply_async(args=list(args), **options)


def test_script_sends_a_video_with_a_priority_and_gets_its_result(stack: Stack, film: Path) -> None:
    """The script follows the contract exactly, and runs in its own process."""
    script = f"""
import json
from cinemill.worker.tasks import process_video
result = process_video.apply_async(args=[{str(film)!r}], priority=9)
found = result.get(timeout={PATIENCE_SECONDS})
print(json.dumps([result.id, result.ready(), result.state, found]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=stack.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    task_id, ready, state, result = json.loads(done.stdout)
    assert (ready, state) == (True, "SUCCESS")
    assert result["artifacts"].keys() >= ARTIFACTS
    assert result["output_filename"].endswith(".mp4")
    job = stack.service.get_job(task_id)
    assert (job.priority, job.state) == (9, JobState.COMPLETED)
    assert job.celery_task_id == task_id


def test_every_file_of_a_result_is_stored_intact(stack: Stack, film: Path) -> None:
    result = send(stack, str(film)).get(timeout=PATIENCE_SECONDS)
    for artifact in result["artifacts"].values():
        found = hash_file(stack.files.path(artifact["sha256"]))
        assert found == (artifact["sha256"], artifact["size_bytes"])


def test_proxy_is_small(stack: Stack, film: Path) -> None:
    facts = send(stack, str(film)).get(timeout=PATIENCE_SECONDS)["artifacts"]["proxy"]["facts"]
    assert facts["height"] <= 480
    assert facts["duration_seconds"] == pytest.approx(2, abs=0.2)


def test_same_video_twice_is_one_asset_without_repeated_work(
    stack: Stack, film: Path, films_folder: Path
) -> None:
    first = send(stack, str(film)).get(timeout=PATIENCE_SECONDS)
    copy = films_folder / "the same under another name.mp4"
    copy.write_bytes(film.read_bytes())
    again = send(stack, str(copy)).get(timeout=PATIENCE_SECONDS)
    assert again["reused"] is True
    assert again["asset_id"] == first["asset_id"]
    files = again["artifacts"]
    assert {kind: one["sha256"] for kind, one in files.items()} == {
        kind: one["sha256"] for kind, one in first["artifacts"].items()
    }
    assert all(one["filename"].startswith(copy.stem) for one in files.values())


def test_thumbnail_at_another_timestamp_is_new_work(stack: Stack, film: Path) -> None:
    task = stack.app.tasks["process_video"]
    result = task.apply_async(args=[str(film)], kwargs={"thumbnail_seconds": 1.0}).get(
        timeout=PATIENCE_SECONDS
    )
    assert result["reused"] is False
    assert "thumbnail" in result["artifacts"]


def test_bare_message_is_adopted_under_its_own_id(stack: Stack, film: Path) -> None:
    sender = Celery("elsewhere", broker=stack.app.conf.broker_url, set_as_current=False)
    sender.conf.broker_transport_options = stack.app.conf.broker_transport_options
    sent = sender.send_task("process_video", args=[str(film)], queue="default")
    sender.close()
    result = stack.app.AsyncResult(sent.id).get(timeout=PATIENCE_SECONDS)
    assert result["artifacts"].keys() >= ARTIFACTS
    job = stack.service.get_job(sent.id)
    assert job.owner == DEFAULT_OWNER
    # What the API shows and searches.
    assert assets.get_asset(stack.database, result["asset_id"]).owner == DEFAULT_OWNER


@pytest.mark.parametrize(("requested", "expected"), [(9, 9), (10, 10), (1, 1), (None, 8), (0, 8)])
def test_priority_of_a_bare_message_becomes_its_jobs(
    stack: Stack, requested: int | None, expected: int
) -> None:
    """The number is used as written, 10 first, although Redis takes its list 0 first.

    kombu writes 0 for none. The queue of this kind has 8.
    """
    sender = Celery("elsewhere", broker=stack.app.conf.broker_url, set_as_current=False)
    sender.conf.broker_transport_options = stack.app.conf.broker_transport_options
    for client in (sender, stack.app):
        sent = client.send_task("get_queue_stats", queue="default", priority=requested)
        assert "total" in stack.app.AsyncResult(sent.id).get(timeout=PATIENCE_SECONDS)
        assert stack.service.get_job(sent.id).priority == expected
    sender.close()


def test_bare_message_with_an_impossible_priority_fails_with_a_reason(stack: Stack) -> None:
    sent = stack.app.send_task("get_queue_stats", queue="default", priority=11)
    with pytest.raises(JobFailed) as refused:
        sent.get(timeout=PATIENCE_SECONDS)
    assert refused.value.code == "priority_invalid"


def test_thumbnails_at_several_timestamps_are_all_kept(stack: Stack, films_folder: Path) -> None:
    film = films.make_film(films_folder / "moments.mp4", seconds=2, size=(352, 198))
    moments = (0.5, None, 1.5, 0.5)
    results = [
        stack.app.tasks["process_video"]
        .apply_async(args=[str(film)], kwargs={"thumbnail_seconds": moment})
        .get(timeout=PATIENCE_SECONDS)
        for moment in moments
    ]
    assert [result["reused"] for result in results] == [False, True, False, True]
    assert results[0]["artifacts"]["thumbnail"] == results[3]["artifacts"]["thumbnail"]
    records = assets.list_artifacts(stack.app.context.database, results[0]["asset_id"])
    stills = {record.variant for record in records if record.artifact.kind == "thumbnail"}
    assert stills == {"0.5", "1.5"}


def test_invalid_bare_message_fails_for_a_waiting_client(stack: Stack) -> None:
    sent = stack.app.send_task("process_video", args=["film.mp4", "and", "more"])
    with pytest.raises(JobFailed) as refused:
        sent.get(timeout=PATIENCE_SECONDS)
    assert refused.value.code == "arguments_invalid"
    with pytest.raises(Conflict):
        stack.app.context.service.retry_job(sent.id)


def test_queue_that_nobody_knows_is_refused(stack: Stack) -> None:
    with pytest.raises(InputRejected, match="no queue called") as refused:
        stack.app.tasks["process_video"].apply_async(args=["film.mp4"], queue="porxy")
    assert refused.value.code == "queue_unknown"


def test_own_send_task_returns_a_result(stack: Stack, film: Path) -> None:
    sent = stack.app.send_task("process_video", args=[str(film)], queue="default")
    assert sent.get(timeout=PATIENCE_SECONDS)["reused"] is True


def test_message_delivered_three_times_creates_one_job(stack: Stack, film: Path) -> None:
    ids = {"task_id": "delivered-thrice", "queue": "default"}
    for _ in range(3):
        stack.app.send_task("process_video", args=[str(film)], **ids)
    stack.app.AsyncResult("delivered-thrice").get(timeout=PATIENCE_SECONDS)
    listed = [job.id for job in stack.service.list_jobs(limit=500)]
    assert listed.count("delivered-thrice") == 1


def test_task_that_was_never_sent_is_pending(stack: Stack) -> None:
    assert stack.app.AsyncResult("no such task").state == "PENDING"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "media_empty"),
        (b"these are words and no film\n" * 50, "media_unrecognized"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "media_playlist"),
    ],
)
def test_invalid_video_raises_its_error_code(
    stack: Stack, films_folder: Path, content: bytes, code: str
) -> None:
    path = films_folder / f"{code}.mp4"
    path.write_bytes(content)
    result = send(stack, str(path))
    with pytest.raises(JobFailed) as failed:
        result.get(timeout=PATIENCE_SECONDS)
    assert failed.value.code == code
    assert failed.value.hint
    assert result.state == "FAILURE"
    assert stack.service.get_job(result.id).failure is not None


def test_video_outside_the_input_roots_is_refused(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"film")
    with pytest.raises(JobFailed) as failed:
        send(stack, str(tmp_path / "film.mp4")).get(timeout=PATIENCE_SECONDS)
    assert failed.value.code == "path_forbidden"


def test_wrong_task_arguments_are_refused_before_sending(stack: Stack) -> None:
    before = stack.service.get_queue_stats()["total"]
    for arguments in ([], ["film.mp4", "too", "many"]):
        with pytest.raises(Exception, match="process_video"):
            send(stack, *arguments)
    assert stack.service.get_queue_stats()["total"] == before


@pytest.mark.sandbox  # where a command's folder shows
def test_cancel_during_ffmpeg_leaves_no_process_and_no_file(stack: Stack, long_film: Path) -> None:
    result = send(stack, str(long_film))
    work = stack.home / "work"
    wait_until(lambda: stack.service.get_job(result.id).stage == "prepare")
    suspend_encoders(work)
    assert result.state == "PROGRESS"
    stored = {sha256 for sha256, _ in stack.files.walk()}
    stack.service.cancel_job(result.id, "wrong film")
    wait_until(lambda: result.state == "REVOKED")
    wait_until(lambda: processes_of(work) == [])
    wait_until(lambda: list(work.iterdir()) == [])
    assert {sha256 for sha256, _ in stack.files.walk()} == stored
    assert stack.service.get_job(result.id).cancel_reason == "wrong film"
    with pytest.raises(TaskRevokedError, match="wrong film"):
        result.get(timeout=PATIENCE_SECONDS)


def test_watchers_of_a_job_receive_its_progress_and_end(stack: Stack, films_folder: Path) -> None:
    path = films.make_film(films_folder / "watched.mp4", seconds=3, size=(640, 360))
    task_id = "watched"
    events: list[dict[str, object]] = []
    with redis.Redis.from_url(stack.context.redis_url, decode_responses=True) as client:
        pubsub = client.pubsub()
        pubsub.subscribe(f"task_progress:{task_id}")
        send(stack, str(path), task_id=task_id)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            message = pubsub.get_message(ignore_subscribe_messages=True, timeout=0.5)
            if message is not None:
                events.append(json.loads(message["data"]))
                if events[-1]["status"] == "completed":
                    break
        key = json.loads(str(client.get(f"task_status:{task_id}")))
        pubsub.close()
    assert events[-1] == key
    assert (key["status"], key["progress"]) == ("completed", 100.0)
    assert {event["status"] for event in events} - {"pending"} == {"running", "completed"}
    progress = [float(str(event["progress"])) for event in events]
    assert progress == sorted(progress)
    assert {"intake", "prepare"} <= {str(event["stage"]) for event in events}


def test_damaged_artifact_is_found_removed_and_recreated(stack: Stack, films_folder: Path) -> None:
    path = films.make_film(films_folder / "to be damaged.mp4", picture="smptebars")
    first = send(stack, str(path)).get(timeout=PATIENCE_SECONDS)
    proxy = stack.files.path(first["artifacts"]["proxy"]["sha256"])
    proxy.chmod(0o600)
    proxy.write_bytes(b"a bad block")
    report = verify_files(stack.database, stack.files, repair=True)
    assert report.damaged == (proxy.name,)
    again = send(stack, str(path)).get(timeout=PATIENCE_SECONDS)
    assert again["reused"] is False
    assert verify_files(stack.database, stack.files).is_clean
    asset = assets.get_asset(stack.database, again["asset_id"])
    assert asset.id == first["asset_id"]


def inspect(stack: Stack, question: str) -> dict[str, Any]:
    """Return each worker's reply to Celery's own command line."""
    command = [sys.executable, "-m", "celery", "-A", "cinemill.worker.app", "inspect", question]
    # With a named destination the command ends once it has replied, not after the whole timeout.
    name = f"celery@{socket.gethostname()}"
    command += ["--json", "--timeout", str(PATIENCE_SECONDS), "--destination", name]
    done = subprocess.run(command, env=stack.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def test_celery_inspect_reaches_the_worker(stack: Stack) -> None:
    (answer,) = inspect(stack, "ping").values()
    assert answer == {"ok": "pong"}


def test_celery_inspect_lists_our_tasks_by_name(stack: Stack) -> None:
    (registered,) = inspect(stack, "registered").values()
    assert {"process_video", "cleanup_old_jobs", "check_stuck_jobs", "get_queue_stats"} <= set(
        registered
    )


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ("cleanup_old_jobs", "deleted_jobs"),
        ("check_stuck_jobs", "stuck_jobs"),
        ("get_queue_stats", "total"),
        ("collect_garbage", "deleted_files"),
    ],
)
def test_upkeep_tasks_may_run_concurrently(stack: Stack, task: str, found: str) -> None:
    sent = [stack.app.tasks[task].apply_async() for _ in range(2)]
    for result in sent:
        assert found in result.get(timeout=PATIENCE_SECONDS)


def test_worker_logged_no_error_during_these_tests(stack: Stack, log_start_bytes: int) -> None:
    """As the last test here, it checks the worker's log of all others."""
    log = (stack.home / "log" / "worker.log").read_bytes()[log_start_bytes:]
    events = [json.loads(line) for line in log.splitlines()]
    assert any(event["event"] == "run succeeded" for event in events)
    assert [event for event in events if event["level"] in ("error", "critical")] == []
