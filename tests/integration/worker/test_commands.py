"""Celery's remote control on a running worker: it stops jobs, and knows other systems' queues."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, group
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from tests.films import make_long_film
from tests.integration.worker.conftest import Stack
from tests.processes import processes_of, suspend_encoders
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.core.job import JobState
from cinemill.jobs.adoption.revocation import REASON

STATS = "get_queue_stats"


@pytest.fixture
def client(stack: Stack) -> Iterator[Celery]:
    """Return a stock client with our prefix, which knows none of our tasks."""
    app = Celery("elsewhere", broker=stack.app.conf.broker_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "cinemill:"}
    app.conf.task_default_queue = "default"
    yield app
    app.close()


@pytest.fixture
def running(stack: Stack, films_folder: Path) -> Iterator[AsyncResult]:
    """Yield a job whose encoders are suspended: it ends only if it is stopped."""
    path = films_folder / "revoked.mp4"
    if not path.exists():
        make_long_film(path, size=(1280, 720), seconds=120)
    sent = stack.app.tasks["process_video"].apply_async(args=[str(path)])
    wait_until(lambda: stack.service.get_job(sent.id).stage == "prepare")
    suspend_encoders(stack.home / "work")
    yield sent
    stack.service.cancel_job(sent.id)
    wait_until(lambda: processes_of(stack.home / "work") == [])


def wait_until_cancelled(stack: Stack, job_id: str) -> None:
    wait_until(lambda: stack.service.get_job(job_id).state is JobState.CANCELLED)


def control(stack: Stack, *arguments: str) -> None:
    command = [sys.executable, "-m", "celery", "-A", "cinemill.worker.app", "control", *arguments]
    done = subprocess.run(command, env=stack.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def send_later(stack: Stack) -> Any:
    return stack.app.tasks[STATS].apply_async(countdown=3600)


class TestRevoke:
    def test_revoked_result_is_that_of_a_cancelled_job(self, stack: Stack) -> None:
        sent = send_later(stack)
        sent.revoke()
        wait_until_cancelled(stack, sent.id)
        with pytest.raises(TaskRevokedError, match=REASON):
            sent.get(timeout=PATIENCE_SECONDS)

    def test_every_job_of_a_revoked_group_is_cancelled(self, stack: Stack) -> None:
        task = stack.app.tasks[STATS]
        sent = group(task.si().set(countdown=3600) for _ in range(3)).apply_async()
        sent.revoke()
        for one in sent:
            wait_until_cancelled(stack, one.id)

    @pytest.mark.sandbox  # where a command's folder shows
    def test_revoke_that_terminates_stops_a_running_job(
        self, stack: Stack, running: AsyncResult
    ) -> None:
        running.revoke(terminate=True)
        wait_until_cancelled(stack, running.id)

    @pytest.mark.sandbox
    def test_revoke_alone_leaves_a_running_job(self, stack: Stack, running: AsyncResult) -> None:
        waiting = send_later(stack)
        stack.app.control.revoke([running.id, waiting.id])
        wait_until_cancelled(stack, waiting.id)  # ids are cancelled in their order
        assert stack.service.get_job(running.id).state is JobState.RUNNING

    @pytest.mark.sandbox
    def test_command_terminate_stops_a_running_job(
        self, stack: Stack, running: AsyncResult
    ) -> None:
        control(stack, "terminate", "SIGKILL", running.id)
        wait_until_cancelled(stack, running.id)

    @pytest.mark.sandbox
    def test_command_revoke_with_terminate_stops_a_running_job(
        self, stack: Stack, running: AsyncResult
    ) -> None:
        control(stack, "revoke", running.id, "--terminate")
        wait_until_cancelled(stack, running.id)

    def test_message_that_was_revoked_before_it_came_is_a_cancelled_job(
        self, stack: Stack, client: Celery
    ) -> None:
        job_id = str(uuid4())
        replies = client.control.revoke(job_id, reply=True, timeout=PATIENCE_SECONDS, limit=1)
        assert "ok" in next(iter(replies[0].values()))
        client.send_task(STATS, task_id=job_id)
        wait_until(lambda: stack.app.AsyncResult(job_id).state == "REVOKED")


class TestQueues:
    def consumed(self, stack: Stack) -> set[str]:
        found = stack.app.control.inspect(timeout=PATIENCE_SECONDS, limit=1).active_queues()
        assert found is not None
        return {queue["name"] for queues in found.values() for queue in queues}

    def test_worker_leaves_and_joins_the_queues_that_another_name_means(self, stack: Stack) -> None:
        before = self.consumed(stack)
        options: dict[str, Any] = {"reply": True, "timeout": PATIENCE_SECONDS, "limit": 1}
        try:
            stack.app.control.cancel_consumer("render_queue", **options)
            wait_until(lambda: self.consumed(stack) == before - {"render"})
        finally:
            stack.app.control.add_consumer("render_queue", **options)
        wait_until(lambda: self.consumed(stack) == before)
