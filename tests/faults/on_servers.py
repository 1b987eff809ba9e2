"""Faults of servers, relays and the API. Generators, as in ``on_workers``."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import redis
from tests.faults.desk import Order
from tests.faults.stage import Fault, Stage
from tests.faults.waiting import BROKER, await_ended, await_idle, await_ready, await_rows

DOWN_SECONDS = 2.0
UPLOAD_SECONDS = 20.0
SERVERS = ("redis", "postgres", "b1")
"""One fault of a server or relay at a time."""


def redis_killed(stage: Stage) -> Fault:
    """kill -9 of Redis, and its start two seconds later."""
    yield from await_idle(stage, *SERVERS)
    with stage.holding("redis"), stage.outage():
        stage.history.write("kill_redis")
        stage.yard.servers.valkey.kill()
        yield DOWN_SECONDS
        stage.yard.servers.valkey.start()
        back = stage.history.write("start_redis")
        yield from _await_work(stage, "Redis restarted to claim", back)


def redis_flushed(stage: Stage) -> Fault:
    """FLUSHALL: every message and every binding is gone, and nobody is told."""
    yield from await_idle(stage, *SERVERS)
    with stage.holding("redis"), stage.outage():
        jobs = [stage.desk.submit(Order("drill_work_job", {"seconds": 0.3})) for _ in range(8)]
        yield 0.1
        with redis.Redis.from_url(stage.yard.servers.redis_url) as client:
            client.flushall()
        at = stage.history.write("flushall")
        yield from await_ended(stage, jobs)
        stage.measure("FLUSHALL to done", time.time() - at)


def postgres_killed(stage: Stage) -> Fault:
    """kill -9 of PostgreSQL, and its start two seconds later; bare messages come in meanwhile.

    Until these have their rows workers may be killed, but Redis may not be flushed."""
    yield from await_idle(stage, *SERVERS, BROKER)
    with stage.holding("postgres", BROKER):
        ids = yield from _kill_postgres(stage)
        yield from await_rows(stage, ids)


def _kill_postgres(stage: Stage) -> Generator[float, None, list[str]]:
    with stage.blindness():
        stage.history.write("kill_postgres")
        stage.yard.servers.postgres.kill()
        bare = Order("drill_work_job", {"seconds": 0.1}, door="bare")
        ids = [_send_bare(stage, bare) for _ in range(2)]
        time.sleep(DOWN_SECONDS)  # no yield: other faults could ask the books nothing
        stage.yard.servers.postgres.start()
        back = stage.history.write("start_postgres")
        for job_id in ids:
            stage.desk.accept(job_id, bare)
        yield from _await_work(stage, "PostgreSQL restarted to claim", back)
        return ids


def messages_tripled(stage: Stage) -> Fault:
    """A relay that sends every message three times."""
    part = stage.yard.parts["b1"]
    yield from await_idle(stage, *SERVERS)
    with stage.holding("b1"):
        for copies in ("3", "1"):
            with stage.blindness():
                stage.history.write("relay_restarted", copies=copies)
                part.kill()
                part.start(DRILL_COPIES=copies)
                yield from await_ready(stage, part)
            yield 8.0 if copies == "3" else 0.0


def two_beats(stage: Stage) -> Fault:
    """Two beats with their relays and sweepers side by side; one is killed, one frozen."""
    first, second = stage.yard.parts["b1"], stage.yard.parts["b2"]
    yield from await_idle(stage, *SERVERS)
    with stage.holding("b1"):
        second.start()
        yield from await_ready(stage, second)
        stage.history.write("two_beats")
        yield 4.0
        stage.history.write("freeze_beat")
        second.signal(signal.SIGSTOP)
        yield 3.0
        second.signal(signal.SIGCONT)
        stage.watched_anew.append(time.time())
        yield 1.0
        stage.history.write("kill_beat")
        first.kill()
        yield 2.0
        first.start()
        yield from await_ready(stage, first)
        stage.watched_anew.append(time.time())
        second.kill()
        second.process = None


def api_killed(stage: Stage) -> Fault:
    """The API is killed once it has accepted a film and before a relay knew of it; then in the
    middle of an upload; and a process that submits dies in the same instant."""
    api = stage.yard.parts["api"]
    yield from await_idle(stage, *SERVERS)
    with stage.holding("b1", "api"), stage.blindness():
        relay = stage.yard.parts["b1"]
        relay.signal(signal.SIGSTOP)
        try:
            job_id = _upload(stage, stage.random.choice(list(stage.yard.films.glob("*.mp4"))))
            api.kill()
            stage.history.write("kill_api", accepted=job_id)
            stage.desk.accept(job_id, Order("process_video", {}, door="api"))
            _submit_and_die(stage)
        finally:
            relay.signal(signal.SIGCONT)
    api.start()
    yield from _await_api(stage)
    _upload_half(stage)
    api.kill()
    stage.history.write("kill_api", accepted=None)
    api.start()
    yield from _await_api(stage)


def _submit_and_die(stage: Stage) -> None:
    job_id = str(uuid4())
    command = [sys.executable, "-m", "tests.faults.drill", "submit", "drill_work_job", job_id]
    done = subprocess.run(command, env=stage.yard.environment, capture_output=True, check=False)
    was_killed = done.returncode == -signal.SIGKILL
    stage.expect("0 lost", holds=was_killed, otherwise=f"submitter: {done.stderr!r}")
    stage.desk.accept(job_id, Order("drill_work_job", {}, door="killed"))


def _upload(stage: Stage, film: Path) -> str:
    """The id of the job that the API accepted for this film."""
    body, kind = _form(film.name, film.read_bytes())
    connection = _connect(stage)
    connection.request("POST", "/upload", body, {"Content-Type": kind})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["task_id"])


def _upload_half(stage: Stage) -> None:
    body, kind = _form("half.mp4", bytes(4 * 1024 * 1024))
    connection = _connect(stage)
    connection.putrequest("POST", "/upload")
    connection.putheader("Content-Type", kind)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[: len(body) // 2])
    time.sleep(0.3)


def _form(name: str, content: bytes) -> tuple[bytes, str]:
    boundary = uuid4().hex
    disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
    head = f"--{boundary}\r\n{disposition}\r\nContent-Type: video/mp4\r\n\r\n"
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _connect(stage: Stage) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", stage.yard.api_port, timeout=UPLOAD_SECONDS)


def _await_api(stage: Stage) -> Fault:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            connection = _connect(stage)
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        yield 0.2


def _send_bare(stage: Stage, order: Order) -> str:
    """A message by name from somewhere else, past our own doors."""
    job_id = str(uuid4())
    stage.desk.app.send_task(
        order.kind, kwargs=dict(order.params), task_id=job_id, queue="default", priority=0
    )
    return job_id


def _await_work(stage: Stage, name: str, since: float) -> Fault:
    """How long until some worker has done something new."""
    probe = stage.desk.submit(Order("drill_work_job", {"seconds": 0.1}), priority=10)
    yield from await_ended(stage, [probe])
    stage.measure(name, time.time() - since)
