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
from tests.faults.context import Fault, FaultContext
from tests.faults.submitter import Submission
from tests.faults.waits import BROKER, await_ended, await_idle, await_ready, await_rows

DOWN_SECONDS = 2.0
UPLOAD_SECONDS = 20.0
SERVERS = ("redis", "postgres", "b1")
"""One fault of a server or relay at a time."""


def redis_killed(context: FaultContext) -> Fault:
    """Kill Redis with SIGKILL, and start it two seconds later."""
    yield from await_idle(context, *SERVERS)
    with context.reserve("redis"), context.outage():
        context.history.write("kill_redis")
        context.cluster.servers.valkey.kill()
        yield DOWN_SECONDS
        context.cluster.servers.valkey.start()
        back = context.history.write("start_redis")
        yield from _await_work(context, "Redis restarted to claim", back)


def redis_flushed(context: FaultContext) -> Fault:
    """Run FLUSHALL: every message and every binding is gone, without any notification."""
    yield from await_idle(context, *SERVERS)
    with context.reserve("redis"), context.outage():
        jobs = [
            context.submitter.submit(Submission("drill_work_job", {"seconds": 0.3}))
            for _ in range(8)
        ]
        yield 0.1
        with redis.Redis.from_url(context.cluster.servers.redis_url) as client:
            client.flushall()
        at = context.history.write("flushall")
        yield from await_ended(context, jobs)
        context.measure("FLUSHALL to done", time.time() - at)


def postgres_killed(context: FaultContext) -> Fault:
    """Kill PostgreSQL with SIGKILL, start it two seconds later, and send bare messages meanwhile.

    Until these have their rows, workers may be killed, but Redis may not be flushed.
    """
    yield from await_idle(context, *SERVERS, BROKER)
    with context.reserve("postgres", BROKER):
        ids = yield from _kill_postgres(context)
        yield from await_rows(context, ids)


def _kill_postgres(context: FaultContext) -> Generator[float, None, list[str]]:
    with context.lease_reset():
        context.history.write("kill_postgres")
        context.cluster.servers.postgres.kill()
        bare = Submission("drill_work_job", {"seconds": 0.1}, entry_point="bare")
        ids = [_send_bare(context, bare) for _ in range(2)]
        time.sleep(DOWN_SECONDS)  # no yield: other faults could not query the database
        context.cluster.servers.postgres.start()
        back = context.history.write("start_postgres")
        for job_id in ids:
            context.submitter.accept(job_id, bare)
        yield from _await_work(context, "PostgreSQL restarted to claim", back)
        return ids


def messages_tripled(context: FaultContext) -> Fault:
    """Run a relay that sends every message three times."""
    part = context.cluster.parts["b1"]
    yield from await_idle(context, *SERVERS)
    with context.reserve("b1"):
        for copies in ("3", "1"):
            with context.lease_reset():
                context.history.write("relay_restarted", copies=copies)
                part.kill()
                part.start(DRILL_COPIES=copies)
                yield from await_ready(context, part)
            yield 8.0 if copies == "3" else 0.0


def two_beats(context: FaultContext) -> Fault:
    """Run two beats with their relays and sweepers at once; kill one and freeze one."""
    first, second = context.cluster.parts["b1"], context.cluster.parts["b2"]
    yield from await_idle(context, *SERVERS)
    with context.reserve("b1"):
        second.start()
        yield from await_ready(context, second)
        context.history.write("two_beats")
        yield 4.0
        context.history.write("freeze_beat")
        second.signal(signal.SIGSTOP)
        yield 3.0
        second.signal(signal.SIGCONT)
        context.leases_reset_at.append(time.time())
        yield 1.0
        context.history.write("kill_beat")
        first.kill()
        yield 2.0
        first.start()
        yield from await_ready(context, first)
        context.leases_reset_at.append(time.time())
        second.kill()
        second.process = None


def api_killed(context: FaultContext) -> Fault:
    """Kill the API after it accepted a video and before a relay saw it, then during an upload.

    A process that submits a job is killed right after it.
    """
    api = context.cluster.parts["api"]
    yield from await_idle(context, *SERVERS)
    with context.reserve("b1", "api"), context.lease_reset():
        relay = context.cluster.parts["b1"]
        relay.signal(signal.SIGSTOP)
        try:
            job_id = _upload(
                context, context.random.choice(list(context.cluster.films.glob("*.mp4")))
            )
            api.kill()
            context.history.write("kill_api", accepted=job_id)
            context.submitter.accept(job_id, Submission("process_video", {}, entry_point="api"))
            _submit_and_die(context)
        finally:
            relay.signal(signal.SIGCONT)
    api.start()
    yield from await_api(context)
    _upload_half(context)
    api.kill()
    context.history.write("kill_api", accepted=None)
    api.start()
    yield from await_api(context)


def _submit_and_die(context: FaultContext) -> None:
    job_id = str(uuid4())
    command = [
        sys.executable,
        "-m",
        "tests.faults.drill_worker",
        "submit",
        "drill_work_job",
        job_id,
    ]
    done = subprocess.run(
        command, env=context.cluster.environment, capture_output=True, check=False
    )
    was_killed = done.returncode == -signal.SIGKILL
    context.expect("0 lost", holds=was_killed, otherwise=f"submitter: {done.stderr!r}")
    context.submitter.accept(job_id, Submission("drill_work_job", {}, entry_point="killed"))


def _upload(context: FaultContext, film: Path) -> str:
    """Return the id of the job that the API accepted for this video."""
    body, kind = _form(film.name, film.read_bytes())
    connection = connect_api(context)
    connection.request("POST", "/upload", body, {"Content-Type": kind})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["task_id"])


def _upload_half(context: FaultContext) -> None:
    body, kind = _form("half.mp4", bytes(4 * 1024 * 1024))
    connection = connect_api(context)
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


def connect_api(context: FaultContext) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", context.cluster.api_port, timeout=UPLOAD_SECONDS)


def await_api(context: FaultContext) -> Fault:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            connection = connect_api(context)
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        yield 0.2


def _send_bare(context: FaultContext, submission: Submission) -> str:
    """Send a message by name, as a foreign Celery client does."""
    job_id = str(uuid4())
    context.submitter.app.send_task(
        submission.kind, kwargs=dict(submission.params), task_id=job_id, queue="default", priority=0
    )
    return job_id


def _await_work(context: FaultContext, name: str, since: float) -> Fault:
    """Measure how long it takes until a worker has claimed something new."""
    probe = context.submitter.submit(Submission("drill_work_job", {"seconds": 0.1}), priority=10)
    yield from await_ended(context, [probe])
    context.measure(name, time.time() - since)
