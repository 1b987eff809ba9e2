"""A stock client that sets no key prefix: its jobs are adopted, or the doctor reports them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from tests.integration.redis_databases import take_redis_database
from tests.integration.worker.conftest import Stack
from tests.messages import make_message
from tests.waiting import wait_until

from cinemill.cli.commands.doctor.check import Level
from cinemill.cli.commands.doctor.checks import check_messages
from cinemill.config import load
from cinemill.storage.jobs.stray_messages import StrayMessages
from cinemill.worker.app_factory import build_app
from cinemill.worker.messages.dead_letters import StrayCollector

PATIENCE_SECONDS = 120
ISOLATED_REDIS_DATABASE = 12


@pytest.fixture
def sender(stack: Stack) -> Iterator[Celery]:
    """Return a Celery application as any script creates one."""
    app = Celery("elsewhere", broker=stack.app.conf.broker_url, set_as_current=False)
    yield app
    app.close()


def test_messages_without_the_key_prefix_are_processed_and_foreign_ones_kept(
    stack: Stack, sender: Celery
) -> None:
    foreign = sender.send_task("somebody.elses.task", queue="celery")
    ours = [
        sender.send_task("get_queue_stats", queue=queue, priority=priority)
        for queue in ("celery", "default", "render_queue", "video_processing")
        for priority in (None, 6)
    ]
    for sent in ours:
        assert "total" in stack.app.AsyncResult(sent.id).get(timeout=PATIENCE_SECONDS)
    client: Any = redis.Redis.from_url(str(stack.app.conf.broker_url))
    with client:
        left = [json.loads(item)["headers"]["id"] for item in client.lrange("celery", 0, -1)]
        client.delete("celery")
    assert left == [foreign.id]


@pytest.fixture
def isolated_url(redis_url: str) -> str:
    """Yield a Redis database that no relay reads."""
    return take_redis_database(redis_url, ISOLATED_REDIS_DATABASE)


@contextmanager
def open_app(redis_url: str, folder: Path, **settings: str) -> Iterator[Celery]:
    app = build_app(load({"CINEMILL_HOME": str(folder), "REDIS_URL": redis_url, **settings}))
    yield app
    app.close()


def send_without_prefix(url: str, *names: str) -> None:
    with redis.Redis.from_url(url) as client:
        for name in names or ("process_video",):
            client.lpush("celery", json.dumps(make_message(name)))


def test_tasks_named_after_a_module_are_adopted_too(isolated_url: str, tmp_path: Path) -> None:
    theirs = ("farm.tasks.render_video_task", "farm.tasks.render_video", "farm.cleanup_task")
    others = ("shop.tasks.cleanup", "shop.tasks.pay_invoice", "step.render_video", "farm.")
    send_without_prefix(isolated_url, *theirs, *others)
    with open_app(isolated_url, tmp_path) as app:
        assert StrayCollector(app, unread_seconds=0).adopt() == len(theirs)
    with redis.Redis.from_url(isolated_url) as client:
        left = [json.loads(item)["headers"]["task"] for item in client.lrange("celery", 0, -1)]
    assert sorted(left) == sorted(others)


@pytest.mark.parametrize(("is_on", "moved"), [("true", 1), ("false", 0)])
def test_adoption_of_stray_messages_can_be_disabled(
    isolated_url: str, tmp_path: Path, is_on: str, moved: int
) -> None:
    send_without_prefix(isolated_url)
    with open_app(isolated_url, tmp_path, CINEMILL_ADOPT_UNPREFIXED=is_on) as app:
        assert StrayCollector(app, unread_seconds=0).adopt() == moved


def test_new_stray_list_is_not_adopted_at_first(isolated_url: str, tmp_path: Path) -> None:
    send_without_prefix(isolated_url)
    with open_app(isolated_url, tmp_path) as app:
        assert StrayCollector(app, unread_seconds=3600).adopt() == 0


@contextmanager
def run_stock_worker(url: str, log: Path) -> Iterator[None]:
    """The foreign workers read another queue, so they cannot take the messages first."""
    script = (
        "from celery import Celery\n"
        f"app = Celery('elsewhere', broker={url!r})\n"
        "app.worker_main(['worker', '--pool=solo', '--queues=farm', '--loglevel=INFO'])\n"
    )
    with log.open("wb") as output:
        worker = subprocess.Popen([sys.executable, "-c", script], stdout=output, stderr=output)
        try:
            yield
        finally:
            worker.terminate()
            worker.wait(PATIENCE_SECONDS)


def test_messages_of_running_foreign_workers_are_not_adopted(
    isolated_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "farm.log"
    messages = StrayMessages(isolated_url, prefix="cinemill:")
    settings = load({"CINEMILL_HOME": str(tmp_path), "REDIS_URL": isolated_url})
    with closing(messages), open_app(isolated_url, tmp_path) as app:
        assert messages.count_workers() == 0
        with run_stock_worker(isolated_url, log):
            wait_until(lambda: messages.count_workers() == 1)
            send_without_prefix(isolated_url)
            assert StrayCollector(app, unread_seconds=0).adopt() == 0
            assert list(check_messages(settings)) == []
            with Celery("elsewhere", broker=isolated_url, set_as_current=False) as farm:
                wait_until(lambda: bool(farm.control.ping(timeout=5)))
        assert "ERROR" not in log.read_text()
        assert "Cannot" not in log.read_text()
        wait_until(lambda: messages.count_workers() == 0)
        assert StrayCollector(app, unread_seconds=0).adopt() == 1


def test_own_workers_and_other_databases_do_not_count_as_foreign_workers(
    stack: Stack, isolated_url: str, redis_url: str
) -> None:
    assert stack.app.control.ping(timeout=PATIENCE_SECONDS, limit=1)
    for url in (isolated_url, str(stack.app.conf.broker_url)):
        with closing(StrayMessages(url, prefix="cinemill:")) as messages:
            assert messages.count_workers() == 0


def test_doctor_names_the_unread_list(isolated_url: str, tmp_path: Path) -> None:
    send_without_prefix(isolated_url)
    settings = load({"CINEMILL_HOME": str(tmp_path), "REDIS_URL": isolated_url})
    findings = list(check_messages(settings))
    assert [finding.level for finding in findings] == [Level.WARN]
    assert "1 in 'celery'" in findings[0].message
    assert "global_keyprefix" in findings[0].hint
