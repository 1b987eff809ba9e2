"""No message's content ends a worker, and no message disappears silently."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psutil
import pytest
import redis
from celery.exceptions import Ignore
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.integration.redis_databases import take_redis_database
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.messages import EMBED, any_items, encode_body, make_message, nest
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import Failure, JobState
from cinemill.storage.jobs.dead_messages import list_dead_messages
from cinemill.storage.jobs.refused_messages import KEY
from cinemill.worker.result_backend import JobFailed
from cinemill.worker.task_registry import adopt_message

ON_A_WORKER: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [*HealthCheck],
    # With a worker that has ended no smaller example can be found.
    "phases": (Phase.explicit, Phase.generate),
    "print_blob": True,
}
LIST = "cinemill:default"
SOLO_REDIS_DATABASE = 10


@contextmanager
def open_broker(stack: Stack) -> Iterator[Any]:
    client: Any = redis.Redis.from_url(str(stack.app.conf.broker_url))
    with client:
        yield client


@pytest.fixture
def broker(stack: Stack) -> Iterator[Any]:
    with open_broker(stack) as client:
        yield client


@pytest.fixture(scope="module")
def solo_stack(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Yield an instance whose worker works in its main process."""
    environment = {
        "CINEMILL_HOME": str(tmp_path_factory.mktemp("solo")),
        "REDIS_URL": take_redis_database(redis_url, SOLO_REDIS_DATABASE),
        "CELERY_WORKER_POOL": "solo",
    }
    with open_stack(database_url, environment) as stack, ExitStack() as undo:
        for module in ("cinemill.worker", "cinemill.worker.beat"):
            undo.callback(stop_service, start_service(module, stack))
        yield stack


def find_worker(stack: Stack) -> psutil.Process:
    """Return the main process of this instance's only worker."""
    stats = stack.app.control.inspect(timeout=60, limit=1).stats() or {}
    assert len(stats) == 1
    return psutil.Process(int(next(iter(stats.values()))["pid"]))


def run_valid_job(stack: Stack) -> None:
    sent = stack.app.send_task("get_queue_stats", queue="default")
    assert "total" in sent.get(timeout=PATIENCE_SECONDS)


def list_dead(stack: Stack) -> list[DeadMessage]:
    with stack.database.begin() as connection:
        return list_dead_messages(connection, limit=10_000)


def wait_for_dead(stack: Stack, fits: Callable[[DeadMessage], bool]) -> DeadMessage:
    wait_until(lambda: any(map(fits, list_dead(stack))))
    return next(filter(fits, list_dead(stack)))


def fail(stack: Stack, task_id: str) -> JobFailed:
    """Return the failure that a client waiting for this job gets."""
    with pytest.raises(JobFailed) as failed:
        stack.app.AsyncResult(task_id).get(timeout=PATIENCE_SECONDS)
    assert stack.service.get_job(task_id).state is JobState.FAILED
    return failed.value


def test_list_of_another_type_stops_no_worker(stack: Stack, broker: Any) -> None:
    key = f"{LIST}\x06\x163"
    broker.delete(key)
    broker.set(key, "of another program")
    wait_until(lambda: not broker.exists(key))
    run_valid_job(stack)


def send(broker: Any, message: Any) -> str:
    broker.lpush(LIST, message if isinstance(message, bytes) else json.dumps(message))
    return str(message["headers"]["id"]) if isinstance(message, dict) else ""


def send_and_survive(stack: Stack, items: list[bytes]) -> None:
    """Send items; check that the worker's main process survives and runs a valid job after them."""
    before = find_worker(stack)
    with open_broker(stack) as broker:
        for item in items:
            broker.lpush(LIST, item)
        run_valid_job(stack)
        wait_until(lambda: not broker.llen(LIST) and not broker.hlen("cinemill:unacked"))
    after = find_worker(stack)
    assert (after.pid, after.create_time()) == (before.pid, before.create_time())


class TestMutations:
    @settings(max_examples=8, **ON_A_WORKER)
    @given(items=st.lists(any_items, min_size=10, max_size=40))
    def test_mutated_messages_do_not_end_a_worker(self, stack: Stack, items: list[bytes]) -> None:
        send_and_survive(stack, items)

    @settings(max_examples=2, **ON_A_WORKER)
    @given(items=st.lists(any_items, min_size=10, max_size=40))
    def test_mutated_messages_do_not_end_a_solo_worker(
        self, solo_stack: Stack, items: list[bytes]
    ) -> None:
        send_and_survive(solo_stack, items)

    @settings(max_examples=2, **ON_A_WORKER)
    @given(items=st.lists(any_items, min_size=10, max_size=40))
    def test_mutated_broadcasts_do_not_end_a_worker(self, stack: Stack, items: list[bytes]) -> None:
        before = find_worker(stack).pid
        with open_broker(stack) as broker:
            database = broker.connection_pool.connection_kwargs["db"]
            for item in items:
                broker.publish(f"cinemill:/{database}.celery.pidbox", item)
                broker.publish(f"cinemill:/{database}.celeryev/worker.heartbeat", item)
        assert find_worker(stack).pid == before
        run_valid_job(stack)

    @settings(max_examples=2, **ON_A_WORKER)
    @given(items=st.lists(any_items, min_size=5, max_size=20))
    def test_mutated_held_messages_do_not_end_a_worker(
        self, stack: Stack, items: list[bytes]
    ) -> None:
        before = find_worker(stack).pid
        with open_broker(stack) as broker:
            for item in items:
                tag = str(uuid4())
                broker.hset("cinemill:unacked", tag, item)
                broker.zadd("cinemill:unacked_index", {tag: 1.0})
            wait_until(lambda: not broker.hlen("cinemill:unacked"))
        assert find_worker(stack).pid == before
        run_valid_job(stack)


def test_valid_message_of_a_stock_client_is_processed(stack: Stack, broker: Any) -> None:
    task_id = send(broker, make_message())
    assert "total" in stack.app.AsyncResult(task_id).get(timeout=PATIENCE_SECONDS)


def test_message_with_too_deep_arguments_fails_its_job(stack: Stack, broker: Any) -> None:
    task_id = send(broker, make_message("process_video", [nest(600)]))
    assert fail(stack, task_id).code == "message_too_deep"


@pytest.mark.parametrize(
    ("kwargs", "code"),
    [
        ({"asset_id": {"a": 1}}, "asset_id_invalid"),
        ({"asset_id": ["a"]}, "asset_id_invalid"),
        ({"task": 1}, None),
        ({"self": 1}, None),
        ({"args": 1, "kwargs": 2, "request": 3}, None),
        ({"path": {"a": 1}}, None),
        ({"path": "a\x00b"}, None),
        ({"path": "\ud800"}, None),
        ({"path": float("nan")}, None),
        ({"path": {"__type__": "uuid", "__value__": {"hex": "0" * 32}}}, None),
    ],
)
def test_message_with_invalid_arguments_fails_its_job(
    stack: Stack, broker: Any, kwargs: dict[str, Any], code: str | None
) -> None:
    task_id = send(broker, make_message("process_video", [], kwargs))
    assert fail(stack, task_id).code == code or code is None


def test_message_with_a_link_to_a_task_of_others_fails_its_job(stack: Stack, broker: Any) -> None:
    message = make_message("process_video", embed={**EMBED, "callbacks": [{"task": "next"}]})
    failed = fail(stack, send(broker, message))
    assert "'next' is no kind of job" in failed.message
    assert "result.get()" in failed.hint


def test_message_of_another_serializer_fails_its_job(stack: Stack, broker: Any) -> None:
    message = {**make_message("process_video"), "content-type": "application/x-python-serialize"}
    assert fail(stack, send(broker, message)).code == "message_not_json"


@pytest.mark.parametrize("priority", [11, -3, "high", {"a": 1}, [1], 2.5, float("inf")])
def test_message_with_an_impossible_priority_fails_its_job(
    stack: Stack, broker: Any, priority: Any
) -> None:
    message = make_message()
    message["properties"]["priority"] = priority
    assert fail(stack, send(broker, message)).code == "priority_invalid"


def test_non_message_becomes_a_dead_letter_with_an_excerpt(stack: Stack, broker: Any) -> None:
    nonsense = f"nonsense {uuid4()}"
    broker.lpush(LIST, nonsense)
    dead = wait_for_dead(stack, lambda message: message.excerpt == nonsense)
    assert dead.failure.code == "message_not_json"
    assert (dead.queue, dead.size_bytes) == ("default", len(nonsense))
    assert dead.failure.hint


def test_unstorable_refused_entry_does_not_block_others(stack: Stack, broker: Any) -> None:
    """The list is in Redis, where any client may write."""
    reason = Failure("a\x00b", "\ud800", "", retryable=False)
    broken = DeadMessage.make(queue="\x00", failure=reason, excerpt="", size_bytes=2**70)
    for entry in (b"", b"nonsense", b"[]", b"{}", json.dumps(broken.to_json()).encode()):
        broker.lpush(KEY, entry)
    forged = {"code": "a\x00", "message": "\ud800\x00", "hint": 5, "size_bytes": -1}
    task_id = send(broker, make_message("somebody.elses.task", cinemill_unreadable=forged))
    wait_for_dead(stack, lambda message: message.task_id == task_id)
    wait_until(lambda: not broker.llen(KEY))


def test_message_of_an_unknown_task_becomes_a_dead_letter(stack: Stack, broker: Any) -> None:
    task_id = send(broker, make_message("somebody.elses.task"))
    dead = wait_for_dead(stack, lambda message: message.task_id == task_id)
    assert (dead.task, dead.failure.code) == ("somebody.elses.task", "task_unknown")


def test_message_with_the_id_of_another_job_leaves_it_unchanged(stack: Stack, broker: Any) -> None:
    task_id = send(broker, make_message())
    result = stack.app.AsyncResult(task_id).get(timeout=PATIENCE_SECONDS)
    send(broker, make_message("get_queue_stats", [nest(600)], id=task_id))
    wait_for_dead(stack, lambda message: message.task_id == task_id)
    assert stack.app.AsyncResult(task_id).get(timeout=PATIENCE_SECONDS) == result


@pytest.mark.parametrize("args", [[], ["no such run"], [None], [{"a": 1}], ["a", "b"], ["a\x00"]])
def test_step_message_of_no_run_does_no_harm(stack: Stack, broker: Any, args: list[Any]) -> None:
    before = find_worker(stack).pid
    send(broker, make_message("step.probe_source", args))
    run_valid_job(stack)
    assert find_worker(stack).pid == before


def test_absurd_logical_clock_does_not_stop_events(stack: Stack, broker: Any) -> None:
    """An integer that Python refuses to print would break every later event."""
    before = find_worker(stack).pid
    database = broker.connection_pool.connection_kwargs["db"]
    message = {
        **make_message(clock=10**4299),
        "body": encode_body({"method": "ping", "arguments": {}}),
    }
    for _ in range(10):
        broker.publish(f"cinemill:/{database}.celery.pidbox", json.dumps(message))
    run_valid_job(stack)
    assert find_worker(stack).pid == before


def test_message_that_kills_its_process_three_times_fails_its_job(
    stack: Stack, broker: Any
) -> None:
    """Its row cannot be written while another session locks the table, so there is time to kill."""
    main = find_worker(stack)
    killed: set[int] = set()
    with stack.database.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE job IN EXCLUSIVE MODE")
        task_id = send(broker, make_message())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(killed) < 3 and time.monotonic() < deadline:
            active = stack.app.control.inspect(timeout=0.5).active() or {}
            tasks = [task for found in active.values() for task in found]
            for pid in {task["worker_pid"] for task in tasks if task["id"] == task_id} - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        # The statements of the killed processes still wait in PostgreSQL, and would be executed.
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND query LIKE '%%INSERT INTO job%%'"
        )
    assert len(killed) == 3
    assert fail(stack, task_id).code == "message_interrupted"
    assert find_worker(stack).pid == main.pid
    run_valid_job(stack)


class TestIds:
    TOO_LONG = "影" * 100
    """Its id has fewer characters than the maximum, and more bytes."""

    def test_message_with_an_impossible_id_becomes_a_dead_letter(
        self, stack: Stack, broker: Any
    ) -> None:
        body = encode_body([[], {"mark": str(uuid4())}, EMBED])
        send(broker, {**make_message(id=self.TOO_LONG), "body": body})
        dead = wait_for_dead(stack, lambda dead: dead.size_bytes == len(base64.b64decode(body)))
        assert "255 bytes" in dead.failure.message

    @pytest.mark.parametrize("argument", ["unknown", "\x00"])
    def test_message_without_a_possible_failed_job_becomes_a_dead_letter(
        self, stack: Stack, argument: str
    ) -> None:
        mark = str(uuid4())
        task = stack.app.tasks["get_queue_stats"]
        task.push_request(id=self.TOO_LONG, delivery_info={"routing_key": "default"})
        try:
            task.request.kwargs = {argument: mark}
            with pytest.raises(Ignore):
                adopt_message(task, (), {argument: mark})
        finally:
            task.pop_request()
        dead = wait_for_dead(stack, lambda dead: mark in dead.excerpt)
        assert (dead.task, dead.queue) == ("get_queue_stats", "default")
        assert dead.task_id == self.TOO_LONG


def test_foreign_entries_among_refused_messages_break_no_list(stack: Stack, broker: Any) -> None:
    mark = str(uuid4())
    made = DeadMessage.make(
        queue="default", failure=Failure("message_malformed", "Why."), excerpt=mark, size_bytes=1
    ).to_json()
    strange: list[dict[str, Any]] = [
        {"received_at": "9999-12-31T23:59:59-14:00"},
        {"excerpt": mark + "x" * 50_000},
        {"size_bytes": 2**70},
        {"task": "x" * 50_000, "task_id": "\x00", "queue": "\ud800"},
        {"failure": {"code": "c" * 9999, "message": "m" * 50_000}},
    ]
    broken: list[dict[str, Any]] = [
        {"failure": [5]},
        {"failure": {"code": 5, "message": {}}},
        {"task": 5},
        {"size_bytes": "many"},
        {"id": None},
        {"excerpt": mark + "x" * 5_000_000},  # larger than any that a worker writes
    ]
    for change in [*broken, *strange]:
        broker.lpush(KEY, json.dumps({**made, "id": str(uuid4()), **change}))
    wait_until(lambda: not broker.llen(KEY))
    found = [message for message in list_dead(stack) if mark in message.excerpt]
    assert len(found) == len(strange)
    assert max(len(json.dumps(message.to_json())) for message in found) < 20_000
    assert max(message.received_at for message in found) < datetime.now(UTC) + timedelta(minutes=5)
