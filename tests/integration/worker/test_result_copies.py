"""Clients that have only Celery's own result backend: the keys, and ``get()`` of a stock client."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from celery.exceptions import TaskRevokedError
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.config import load
from cinemill.jobs.adoption import results
from cinemill.jobs.adoption.results import ResultWriter
from cinemill.storage.adoption.results import ResultCopies
from cinemill.worker.app_factory import build_app

STATS = "get_queue_stats"


@pytest.fixture
def client(stack: Stack) -> Iterator[Celery]:
    """Return a stock client as scripts have it, with a result backend."""
    url = stack.app.conf.broker_url
    app = Celery("elsewhere", broker=url, backend=url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "cinemill:"}
    app.conf.task_default_queue = "default"
    yield app
    app.close()


@pytest.fixture
def keys(stack: Stack) -> Iterator[Any]:
    with redis.Redis.from_url(str(stack.app.conf.broker_url), decode_responses=True) as opened:
        yield opened


def test_stock_client_gets_the_result(client: Celery) -> None:
    sent = client.send_task(STATS)
    assert "total" in sent.get(timeout=PATIENCE_SECONDS)
    assert (sent.state, sent.ready()) == ("SUCCESS", True)


def test_stock_client_gets_a_list(client: Celery) -> None:
    sent = client.send_task("batch_render_task", args=[[{"scenes": []}, {"scenes": []}]])
    assert len(sent.get(timeout=PATIENCE_SECONDS)) == 2


def test_stock_client_gets_the_failure(client: Celery, films_folder: Path) -> None:
    sent = client.send_task("extract_video_metadata", args=[str(films_folder / "missing.mp4")])
    with pytest.raises(Exception, match="There is no video at"):
        sent.get(timeout=PATIENCE_SECONDS)
    assert sent.state == "FAILURE"


def test_stock_client_learns_of_a_cancel(stack: Stack, client: Celery) -> None:
    sent = client.send_task(STATS, countdown=3600)
    wait_until(lambda: stack.app.AsyncResult(sent.id).result is not None)
    stack.service.cancel_job(sent.id, "not needed")
    with pytest.raises(TaskRevokedError, match="not needed"):
        sent.get(timeout=PATIENCE_SECONDS)


def test_keys_are_those_of_celery(stack: Stack, keys: Any) -> None:
    sent = stack.app.tasks[STATS].delay()
    key = f"celery-task-meta-{sent.id}"
    wait_until(lambda: keys.exists(key))
    document = json.loads(keys.get(key))
    assert document["status"] == "SUCCESS"
    assert "total" in document["result"]
    assert document["task_id"] == sent.id
    assert key in keys.keys("celery-task-meta-*")
    assert 0 < keys.ttl(key) <= 24 * 3600


def test_own_client_reads_rows_whatever_the_backend_is(stack: Stack, tmp_path: Path) -> None:
    """With the backend of another system's settings, get() waited forever."""
    url = str(stack.app.conf.broker_url)
    settings = load({**stack.environment, "CELERY_RESULT_BACKEND": url.rsplit("/", 1)[0] + "/15"})
    app = build_app(settings)
    try:
        assert "total" in app.tasks[STATS].delay().get(timeout=PATIENCE_SECONDS)
    finally:
        app.context.database.close()
        app.close()


class _Copies(ResultCopies):
    """Copies on a server that is away when a test says so."""

    def __init__(self) -> None:
        self.is_away = True
        self.written: list[str] = []

    def put(self, documents: Mapping[str, str]) -> bool:
        self.written += [] if self.is_away else documents
        return not self.is_away


def test_result_is_written_again_once_its_server_is_back(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "WRITTEN_AT_ONCE", 2)
    sent = [stack.app.tasks[STATS].delay() for _ in range(3)]
    for one in sent:
        one.get(timeout=PATIENCE_SECONDS)
    copies = _Copies()
    writer = ResultWriter(copies, stack.app.context.catalog)
    with stack.database.begin() as connection:
        writer.write(connection, [one.id for one in sent])
    assert writer.write_again(stack.database) == 0
    copies.is_away = False
    assert writer.write_again(stack.database) == 3
    assert sorted(copies.written) == sorted(one.id for one in sent)
    assert writer.write_again(stack.database) == 0


def test_results_that_cannot_be_written_are_bounded(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MOST_UNWRITTEN", 1)
    sent = [stack.app.tasks[STATS].delay() for _ in range(2)]
    for one in sent:
        one.get(timeout=PATIENCE_SECONDS)
    copies = _Copies()
    writer = ResultWriter(copies, stack.app.context.catalog)
    for one in sent:
        with stack.database.begin() as connection:
            writer.write(connection, [one.id])
    copies.is_away = False
    assert writer.write_again(stack.database) == 1
    assert copies.written == [sent[1].id]


def test_forgotten_result_is_gone(stack: Stack, keys: Any) -> None:
    copies = ResultCopies(str(stack.app.conf.broker_url))
    copies.put({"forgotten": "{}", "kept": "{}"})
    copies.forget("forgotten")
    copies.close()
    assert keys.exists("celery-task-meta-kept")
    assert not keys.exists("celery-task-meta-forgotten")
