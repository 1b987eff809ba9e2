"""An installation of an earlier version starts with this one, and continues where it stopped.

Each folder in ``fixtures`` was written by ``write_fixture.py`` on the version in its name: an
installation that was killed with jobs that had ended, that were waiting and that were half done.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import httpx
import psycopg
import pytest
import redis
from tests.instance_settings import UNSPACED
from tests.integration.upgrade.restore import (
    OldInstallation,
    StepRow,
    libpq_url,
    read_steps,
    restore_installation,
)
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.config import apply_running_instance, load
from cinemill.core.job import DEFAULT_OWNER
from cinemill.local.servers.health import find_free_port
from cinemill.storage import migrations
from cinemill.worker.app_factory import build_app
from cinemill.worker.result_backend import JobFailed

FIXTURES = sorted(Path(__file__).with_name("fixtures").iterdir())
UP = (sys.executable, "-c", "from cinemill.cli.main import run; run()", "up")
SERVERS = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "CINEMILL_URL")
SECOND_NAMES = frozenset({"job_id", "state", "failure"})
"""Members of version 0.1 that repeated ``id``, ``status`` and ``error``."""
RENAMED = {"way_on": "hint"}
"""Members that were renamed since."""
WAITING = (
    "queued_transcode",
    "queued_preview",
    "queued_render",
    "queued_batch",
    "queued_ladder",
    "queued_count",
)
BARE = {
    "bare_prefixed": "transcode",
    "bare_stock": "generate_preview",
    "bare_stock_queue": "get_queue_stats",
}
REPEATED = ("ingest", "upload_transcode", "by_path", "ladder", "preview", "render")
HALF_DONE = {"running_transcode": "encode_chunk", "running_render": "render_pieces"}


@dataclass(frozen=True)
class Upgraded:
    """The old installation, run by the present version."""

    home: Path
    environ: Mapping[str, str]
    old: OldInstallation
    http: httpx.Client
    database_url: str
    redis_url: str

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def wait_for(self, job: str) -> dict[str, Any]:
        """Return the document of a job once it has completed."""
        wait_until(lambda: self.status_of(job) in ("completed", "failed", "cancelled"))
        document: dict[str, Any] = self.get(f"/jobs/{job}/status")
        assert document["status"] == "completed", document
        return document

    def status_of(self, job: str) -> str | None:
        answer = self.http.get(f"/jobs/{job}")
        return answer.json()["status"] if answer.is_success else None

    def has_completed(self, job: str) -> bool:
        return self.status_of(job) == "completed"

    def submit(self, path: str, body: Mapping[str, Any], **headers: str) -> str:
        answer = self.http.post(path, json=body, headers=headers)
        return str(answer.raise_for_status().json()["id"])

    def asset_of(self, role: str) -> str:
        return str(self.old.documents[f"/jobs/{self.old.jobs[role]}"]["asset_id"])

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(libpq_url(self.database_url)) as connection:
            return connection.execute(query, values).fetchall()


@pytest.fixture(scope="module", params=FIXTURES, ids=lambda folder: folder.name)
def upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    """Start the fixture's installation with this version's ``cinemill up``."""
    home = tmp_path_factory.mktemp("upgrade") / "home"
    old = restore_installation(request.param, home)
    environ = {
        **{name: value for name, value in os.environ.items() if name not in SERVERS},
        **UNSPACED,
        "CINEMILL_HOME": str(home),
        "CINEMILL_PORT": str(find_free_port()),
        "CINEMILL_INPUT_ROOTS": str(home / "films"),
        "CELERY_WORKER_CONCURRENCY": "2",
        # A dead worker's work is resumed after seconds.
        "CINEMILL_LEASE_SECONDS": "9",
        "CINEMILL_HEARTBEAT_SECONDS": "3",
    }
    log = (home.with_name("up.log")).open("wb")
    state_file = home / "run" / "state.json"
    before = state_file.read_text("utf-8")
    with log, subprocess.Popen(UP, env=environ, stdout=log, stderr=log) as process:
        try:
            # The old version was killed, and left its own state file.
            wait_until(lambda: is_ready(process, state_file, before))
            assert process.poll() is None, (home.with_name("up.log")).read_text("utf-8")
            state = json.loads(state_file.read_text("utf-8"))
            token = (home / "token").read_text("ascii").strip()
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=state["api_url"], headers=headers, timeout=60) as http:
                yield Upgraded(home, environ, old, http, state["database_url"], state["redis_url"])
        finally:
            process.send_signal(signal.SIGINT)


def is_ready(process: subprocess.Popen[bytes], state_file: Path, before: str) -> bool:
    with suppress(FileNotFoundError):
        return process.poll() is not None or state_file.read_text("utf-8") != before
    return False


def test_upgraded_schema_is_of_this_version(upgraded: Upgraded) -> None:
    versions = Path(migrations.__path__[0]) / "versions"
    newest = max(path.name.partition("_")[0] for path in versions.glob("[0-9]*.py"))
    assert upgraded.query("SELECT version_num FROM alembic_version") == [(newest,)]


def test_upgraded_documents_of_ended_jobs_keep_their_content(upgraded: Upgraded) -> None:
    for path, before in upgraded.old.documents.items():
        if path.startswith(("/jobs/", "/task/")) and not is_of(upgraded, path, "dead"):
            now = upgraded.get(path)
            if before.get("owner") == "celery":
                # Such jobs are now everybody's who has the installation.
                before = {**before, "owner": DEFAULT_OWNER}
            assert find_difference(before, now) is None, (path, find_difference(before, now))
    listed = {job["id"] for job in upgraded.get("/jobs?limit=100")["jobs"]}
    # Bare messages are adopted in their own time.
    own = upgraded.old.jobs.keys() - {*BARE}
    assert {upgraded.old.jobs[role] for role in own} <= listed


def is_of(upgraded: Upgraded, path: str, role: str) -> bool:
    return upgraded.old.jobs[role] in path


def find_difference(before: Any, now: Any, place: str = "") -> str | None:
    """Return where a document lacks an earlier value; None if it has all of them."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before.keys() - SECOND_NAMES:
            present = name if name in now else RENAMED.get(name, name)
            if present not in now:
                return f"{place}/{name} is gone"
            if found := find_difference(before[name], now[present], f"{place}/{name}"):
                return found
        return None
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (old, new) in enumerate(zip(before, now, strict=True)):
            if found := find_difference(old, new, f"{place}/{index}"):
                return found
        return None
    return None if before == now else f"{place}: {before!r} was said, now {now!r}"


def test_upgraded_instance_serves_videos_and_artifacts(upgraded: Upgraded) -> None:
    assets = {asset["id"]: asset for asset in upgraded.get("/assets")["assets"]}
    for before in upgraded.old.documents["/assets"]["assets"]:
        assert find_difference(before, assets[before["id"]]) is None
    for sha256, address in list_files(upgraded.old.documents):
        answer = upgraded.http.get(address)
        assert answer.headers["ETag"] == f'"{sha256}"', address
        assert answer.content


def list_files(documents: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return (sha256, address) of each file with a variant in the assets' documents.

    A file without a variant is the newest of its kind.
    """
    found = {
        (file["sha256"], file["url"])
        for path, document in documents.items()
        if path.startswith("/assets/")
        for member in document.values()
        if isinstance(member, list)
        for file in member
        if "?variant=" in file.get("url", "")
    }
    assert found
    return found


@pytest.mark.parametrize("role", WAITING)
def test_waiting_jobs_complete_after_the_upgrade(upgraded: Upgraded, role: str) -> None:
    upgraded.wait_for(upgraded.old.jobs[role])


def test_output_of_waiting_jobs_can_be_decoded_after_the_upgrade(upgraded: Upgraded) -> None:
    for role, width in (("queued_transcode", 128), ("queued_render", 72)):
        result = upgraded.wait_for(upgraded.old.jobs[role])["result"]
        assert count_frames(result["output_path"]) == (30, width)


def count_frames(path: str) -> tuple[int, int]:
    """Decode a video; return its number of frames and their width."""
    with av.open(path) as film:
        widths = [frame.width for frame in film.decode(video=0)]
    assert len(set(widths)) == 1
    return len(widths), widths[0]


@pytest.mark.parametrize("role", HALF_DONE)
def test_half_done_job_continues_after_the_upgrade_without_repeating_steps(
    upgraded: Upgraded, role: str
) -> None:
    job, kind = upgraded.old.jobs[role], HALF_DONE[role]
    left = {one: row for one, row in upgraded.old.steps.items() if row.job_id == job}
    done = {one for one, row in left.items() if row.state == "succeeded"}
    claimed = {one for one, row in left.items() if row.state == "running"}
    assert {left[one].kind for one in done} >= {kind}
    assert {left[one].kind for one in claimed} >= {kind}

    result = upgraded.wait_for(job)["result"]
    now = {one: row for one, row in read_steps(upgraded.database_url).items() if row.job_id == job}
    assert {one: now[one] for one in done} == {one: left[one] for one in done}
    assert all(has_crashed_once(now[one], left[one]) for one in claimed)
    assert all(row.state == "succeeded" for row in now.values())
    frames, width = count_frames(result["output_path"])
    assert frames == 120
    assert width in (result.get("rendition") or result["render"])["facts"].values()


def has_crashed_once(now: StepRow, before: StepRow) -> bool:
    return (now.crashes, now.attempts) == (before.crashes + 1, before.attempts + 1)


@pytest.mark.parametrize(
    "role", ["ingest", "upload_transcode", "by_path", "ladder", "preview", "render"]
)
def test_work_is_done_again_once_after_the_upgrade(upgraded: Upgraded, role: str) -> None:
    """Outputs of the old version state no colors, and were made by other keys."""
    for waiting in (*WAITING, *HALF_DONE):
        upgraded.wait_for(upgraded.old.jobs[waiting])
    for bare in BARE:
        wait_until(partial(upgraded.has_completed, upgraded.old.jobs[bare]))
    kind, params, asset = upgraded.query(
        "SELECT kind, params, asset_id FROM job WHERE id = %s", upgraded.old.jobs[role]
    )[0]
    path = "/jobs" if role in ("by_path", "render") else f"/assets/{asset}/jobs"
    request = {"kind": kind, "params": params}
    before = upgraded.old.documents[f"/jobs/{upgraded.old.jobs[role]}"]["result"]
    made = upgraded.wait_for(upgraded.submit(path, request))["result"]
    keys = read_keys(upgraded)
    assert keys - {key for key, _ in upgraded.old.artifacts}
    after = upgraded.wait_for(upgraded.submit(path, request))["result"]
    assert read_keys(upgraded) == keys
    assert sorted(find_hashes(after)) == sorted(find_hashes(made))
    assert len(list(find_hashes(after))) == len(list(find_hashes(before)))
    if role == "render":
        assert after["pieces"]["reused"] == after["pieces"]["total"]
    elif "reused" in before:
        assert after["reused"] is True


def read_keys(upgraded: Upgraded) -> set[str]:
    """Return the keys of work; videos of older versions get their content credentials read."""
    query = "SELECT step_key FROM artifact WHERE kind <> 'provenance'"
    return {key for (key,) in upgraded.query(query)}


def find_hashes(value: Any) -> Iterator[str]:
    """Yield every sha256 in a result."""
    if isinstance(value, dict):
        yield from (one for name, one in value.items() if name == "sha256")
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from find_hashes(one)


@pytest.mark.parametrize("role", BARE)
def test_messages_in_redis_become_jobs_after_the_upgrade(upgraded: Upgraded, role: str) -> None:
    job = upgraded.old.jobs[role]
    wait_until(lambda: upgraded.status_of(job) is not None)
    assert upgraded.wait_for(job)["kind"] == BARE[role]


def test_dead_messages_survive_the_upgrade_and_no_run_becomes_one(upgraded: Upgraded) -> None:
    """They come from the database, from the refused messages in Redis, and from a queue.

    Messages of runs that the old relay has sent are processed under the names that it used.
    """
    lists = {one[1] for one in upgraded.old.redis_commands if one[0] == "RPUSH"}
    assert any(name.startswith("cinemill:render") for name in lists)
    for waiting in (*WAITING, *HALF_DONE):
        upgraded.wait_for(upgraded.old.jobs[waiting])
    before = upgraded.old.documents["/dead"]["messages"]
    wanted = {message["task"] for message in before} | {"another_lost_task", "lost_task"}
    wait_until(lambda: wanted <= {one["task"] for one in upgraded.get("/dead")["messages"]})
    now = {message["id"]: message for message in upgraded.get("/dead")["messages"]}
    assert {message["task"] for message in now.values()} == wanted
    for message in before:
        assert find_difference(message, now[message["id"]]) is None


def test_dead_step_keeps_its_reason_and_can_be_redriven_after_the_upgrade(
    upgraded: Upgraded,
) -> None:
    job = upgraded.old.jobs["dead"]
    before = next(one for one in upgraded.old.documents["/dead"]["dead"] if one["job_id"] == job)
    now = next(one for one in upgraded.get("/dead")["dead"] if one["step_id"] == before["step_id"])
    assert before["failure"]["way_on"]
    assert find_difference(before["failure"], now["failure"]) is None
    error = upgraded.get(f"/jobs/{job}")["error"]
    assert find_difference(before["failure"], error) is None

    films = upgraded.home / "films"
    shutil.copyfile(films / "short.mp4", films / "late.mp4")
    upgraded.http.post(f"/dead/{before['step_id']}/redrive").raise_for_status()
    assert len(upgraded.wait_for(job)["result"]["preview_paths"]) == 2


def test_cancelled_job_stays_cancelled_after_the_upgrade_until_retried(upgraded: Upgraded) -> None:
    job = upgraded.old.jobs["cancelled"]
    document = upgraded.get(f"/jobs/{job}")
    assert (document["status"], document["cancel_reason"]) == ("cancelled", "no longer needed")
    upgraded.http.post(f"/jobs/{job}/retry").raise_for_status()
    upgraded.wait_for(job)


def test_celery_clients_read_results_from_before_the_upgrade(upgraded: Upgraded) -> None:
    app = build_app(apply_running_instance(load(dict(upgraded.environ))))
    with closing(app):
        for role in ("adopted", "render"):
            job_id = upgraded.old.jobs[role]
            result = app.AsyncResult(job_id).get(timeout=PATIENCE_SECONDS)
            former = upgraded.old.documents[f"/jobs/{job_id}"]
            ids = {"job_id": job_id, "asset_id": former["asset_id"]}
            assert result == {**ids, **former["result"]}
            assert Path(result["output_path"]).is_file()
        failed = app.AsyncResult(upgraded.old.jobs["dead"])
        wait_until(failed.ready)  # another test may have redriven it
        if failed.failed():
            with pytest.raises(JobFailed):
                failed.get()
        app.context.database.close()


def test_events_and_status_keys_survive_the_upgrade(upgraded: Upgraded) -> None:
    job = upgraded.old.jobs["render"]
    stream = ("XADD", f"task_events:{job}")
    written = [one[2] for one in upgraded.old.redis_commands if one[:2] == stream]
    events = read_events(upgraded, job)
    assert [identity for identity, _ in events if identity] == written
    assert events[-1][1]["status"] == "completed"
    resumed = read_events(upgraded, job, last_event_id=written[0])
    assert resumed == events[1:]
    with redis.Redis.from_url(upgraded.redis_url) as client:
        status = json.loads(client.get(f"task_status:{job}") or b"{}")
    assert status == events[-1][1]


def read_events(
    upgraded: Upgraded, job: str, *, last_event_id: str = "0-0"
) -> list[tuple[str, dict[str, Any]]]:
    """Yield (id, progress) of each event until the end."""
    headers = {"Last-Event-ID": last_event_id}
    text = upgraded.http.get(f"/jobs/{job}/events", headers=headers).raise_for_status().text
    blocks = [dict(read_fields(block)) for block in text.split("\n\n")]
    return [(one.get("id", ""), json.loads(one["data"])) for one in blocks if "data" in one]


def read_fields(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        name, _, value = line.partition(": ")
        yield name, value


def test_idempotent_request_from_before_the_upgrade_returns_the_same_job(
    upgraded: Upgraded,
) -> None:
    params = upgraded.query("SELECT params FROM job WHERE id = %s", upgraded.old.jobs["render"])[0]
    headers = {"Idempotency-Key": "sent-before-the-upgrade"}
    body = {"kind": "render_video", "params": params[0], "priority": 5}
    assert upgraded.submit("/jobs", body, **headers) == upgraded.old.jobs["render"]


def test_upload_interrupted_before_the_upgrade_is_removed(upgraded: Upgraded) -> None:
    incoming = upgraded.home / "objects" / "incoming"
    assert any(path.stat().st_mtime < time.time() - 24 * 3600 for path in incoming.iterdir())
    assert "half.mp4" not in {one["filename"] for one in upgraded.get("/assets")["assets"]}
    sweep = upgraded.submit("/jobs", {"kind": "collect_garbage", "params": {}})
    assert upgraded.wait_for(sweep)["result"]["deleted_uploads"] >= 1
