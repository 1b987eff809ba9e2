"""Celery's remote control of workers, as far as it needs no worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from billiard.einfo import ExceptionInfo
from celery import Celery
from celery.exceptions import Ignore
from celery.worker import state as worker_state
from celery.worker.control import Panel
from kombu import message as messages

from cinemill.core.job import JobState
from cinemill.errors import NotFound
from cinemill.jobs.adoption.names import list_released
from cinemill.jobs.adoption.revocation import cancel_revoked
from cinemill.worker.messages import consumer
from cinemill.worker.messages.consumer import JobRequest
from cinemill.worker.messages.guard import REVOKED_HEADER
from cinemill.worker.process import commands


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Adapt the commands for this test; return what the thread that cancels is called with."""
    calls: list[Any] = []
    monkeypatch.setattr(Panel, "data", dict(Panel.data))
    monkeypatch.setattr(
        commands,
        "begin_cancelling",
        lambda service, ids, *, terminate: calls.append((ids, terminate)),
    )
    commands.adapt_commands()
    return calls


class Unasked:
    """A service or backend that must not be asked in the worker's own loop."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked")


def make_state() -> Any:
    app = SimpleNamespace(context=SimpleNamespace(service=Unasked()), backend=Unasked())
    return SimpleNamespace(app=app, consumer=None)


def test_revoke_asks_no_backend_and_notes_the_ids(asked: list[Any]) -> None:
    answer = Panel.data["revoke"](make_state(), ["job-1", "job-2"])
    assert answer == {"ok": "tasks ['job-1', 'job-2'] flagged as revoked"}
    assert asked == [(["job-1", "job-2"], False)]
    assert "job-1" in worker_state.revoked


def test_terminate_cancels_running_jobs_too(asked: list[Any]) -> None:
    assert "ok" in Panel.data["terminate"](make_state(), "SIGKILL", ["job-1"])
    assert asked == [(["job-1"], True)]


def test_commands_are_adapted_once(asked: list[Any]) -> None:
    before = dict(Panel.data)
    commands.adapt_commands()
    assert Panel.data == before


COMMON = {"ingestion", "default", "orchestration"}
RENDER = ["render", "ingestion", "default", "orchestration"]


@pytest.mark.parametrize(
    ("names", "consumed", "released"),
    [
        (RENDER, {"render", "transcode", *COMMON}, ["render"]),
        (RENDER, {"render", *COMMON}, RENDER),
        (["orchestration", "default"], {"render", *COMMON}, ["orchestration", "default"]),
        (RENDER, {"transcode", *COMMON}, []),
    ],
)
def test_queues_of_every_job_are_left_with_the_last_that_needs_them(
    names: list[str], consumed: set[str], released: list[str]
) -> None:
    assert list_released(names, consumed) == released


def test_revoked_job_that_runs_is_left_without_terminate() -> None:
    states = {"waiting": JobState.PENDING, "running": JobState.RUNNING}
    cancelled: list[str] = []

    def get_job(job_id: str) -> Any:
        if job_id not in states:
            raise NotFound("no such job")
        return SimpleNamespace(state=states[job_id])

    service: Any = SimpleNamespace(
        get_job=get_job, cancel_job=lambda job_id, reason: cancelled.append(job_id)
    )
    cancel_revoked(service, ["none", "running", "waiting"], terminate=False)
    assert cancelled == ["waiting"]


class TestRequest:
    @pytest.fixture
    def request_of_job(self, monkeypatch: pytest.MonkeyPatch) -> JobRequest:
        app = Celery("test", set_as_current=False)
        app.context = SimpleNamespace(service=None)
        task = app.tasks["celery.accumulate"]
        message = messages.Message(  # type: ignore[no-untyped-call]
            body="[[], {}, {}]",
            headers={"id": f"job-{uuid4()}", "task": task.name},
            content_type="application/json",
            content_encoding="utf-8",
        )
        monkeypatch.setattr(worker_state, "task_ready", lambda *_: None)
        return JobRequest(message, app=app, task=task, on_ack=lambda *_: None)

    @pytest.fixture
    def cancelled(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        found: list[str] = []
        monkeypatch.setattr(
            consumer, "begin_cancelling", lambda service, ids, *, terminate: found.extend(ids)
        )
        return found

    def end(self, request: JobRequest) -> None:
        try:
            raise Ignore
        except Ignore:
            request.on_failure(ExceptionInfo())

    def test_revoked_message_is_adopted_with_a_mark(
        self, request_of_job: JobRequest, cancelled: list[str]
    ) -> None:
        worker_state.revoked.add(request_of_job.id)
        assert request_of_job.revoked() is False
        assert request_of_job.request_dict[REVOKED_HEADER] is True
        self.end(request_of_job)
        assert cancelled == []  # by the process that adopted it

    def test_job_of_a_message_revoked_while_it_is_adopted_is_cancelled(
        self, request_of_job: JobRequest, cancelled: list[str]
    ) -> None:
        assert request_of_job.revoked() is False
        worker_state.revoked.add(request_of_job.id)
        self.end(request_of_job)
        assert cancelled == [request_of_job.id]

    def test_job_of_any_other_message_is_left(
        self, request_of_job: JobRequest, cancelled: list[str]
    ) -> None:
        assert request_of_job.revoked() is False
        self.end(request_of_job)
        assert (REVOKED_HEADER in request_of_job.request_dict, cancelled) == (False, [])
