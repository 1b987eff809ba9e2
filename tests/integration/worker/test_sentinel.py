"""An instance on a highly available Redis: one URL of Sentinels, and the primary is killed."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.integration.worker.sentinels import (
    PASSWORD,
    PRIMARY_NAME,
    SentinelSetup,
    kill,
    start_sentinel_setup,
)
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.jobs.events import EventReader
from cinemill.local.servers.health import accepts_connections, find_free_port
from cinemill.storage.inspection import inspect_redis
from cinemill.worker.inspection import workers_by_queue


@pytest.fixture(scope="module")
def sentinel_setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSetup]:
    folder = tmp_path_factory.mktemp("watched")
    sentinel_setup = start_sentinel_setup(folder, folder / "servers.log")
    yield sentinel_setup
    for process in sentinel_setup.processes:
        kill(process)


@pytest.fixture(scope="module")
def context(
    sentinel_setup: SentinelSetup, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    settings = {
        "CINEMILL_HOME": str(tmp_path_factory.mktemp("instance")),
        "REDIS_URL": sentinel_setup.url,
        "CELERY_WORKER_CONCURRENCY": "1",
    }
    with open_stack(database_url, settings) as stack, ExitStack() as undo:
        for module in ("cinemill.worker", "cinemill.worker.beat"):
            undo.callback(stop_service, start_service(module, stack))
        yield stack


def do_job(context: Stack, task_id: str) -> None:
    task = context.app.tasks["get_queue_stats"]
    assert "total" in task.apply_async(task_id=task_id).get(timeout=PATIENCE_SECONDS)


def read_status(url: str, job_id: str) -> str | None:
    """Follow the events of a job as the API does."""

    async def read() -> dict[str, object] | None:
        reader = EventReader(url)
        try:
            return await reader.read_status(job_id)
        finally:
            await reader.close()

    found = asyncio.run(read())
    return None if found is None else str(found["status"])


def test_job_is_done_and_published_through_sentinel(
    context: Stack, sentinel_setup: SentinelSetup
) -> None:
    do_job(context, "before")
    wait_until(lambda: read_status(sentinel_setup.url, "before") == "completed")
    assert inspect_redis(sentinel_setup.url).keeps_every_write is True
    assert "orchestration" in workers_by_queue(context.context.settings)


def test_worker_inspection_shows_no_sentinel_password(context: Stack) -> None:
    # With a named destination the command ends once it has replied, not after the whole timeout.
    names = [f"celery@{socket.gethostname()}"]
    stats = context.app.control.inspect(names, timeout=PATIENCE_SECONDS).stats() or {}
    (report,) = stats.values()
    assert report["broker"]["transport_options"]["master_name"] == PRIMARY_NAME
    assert "another one" not in json.dumps(report)


def test_flower_counts_messages_of_every_queue_through_sentinel(context: Stack) -> None:
    port = find_free_port()
    flower = subprocess.Popen(
        [sys.executable, "-m", "cinemill.worker.flower", f"--port={port}"],
        env={**context.environment, "FLOWER_BASIC_AUTH": "u:p"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: accepts_connections("127.0.0.1", port))
        wait_until(lambda: "orchestration" in query_flower(port))
    finally:
        kill(flower)


def query_flower(port: int) -> list[str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/queues/length", headers={"Authorization": "Basic dTpw"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return [queue["name"] for queue in json.load(answer)["active_queues"]]


def test_jobs_complete_after_the_primary_host_is_lost(
    context: Stack, sentinel_setup: SentinelSetup
) -> None:
    """The first Sentinel in the URL is killed with it.

    A job is accepted while there is no primary: its row is written, and its message is sent later.
    """
    sentinel_setup.kill_first_sentinel()
    sentinel_setup.kill_primary()
    do_job(context, "meanwhile")
    do_job(context, "after")
    with redis.Redis(port=sentinel_setup.replica.port, password=PASSWORD) as replica:
        assert replica.info("replication")["role"] == "master"
        assert replica.exists("task_status:meanwhile")
    wait_until(lambda: read_status(sentinel_setup.url, "after") == "completed")
