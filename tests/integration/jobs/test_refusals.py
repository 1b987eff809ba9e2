"""Clients of a Redis that answers and refuses: nothing hangs, and all goes on when it is mended."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socketserver
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis
from tests.faults.cluster import replace_port
from tests.faults.cuttable_proxy import CuttableProxy
from tests.faults.refusals import REFUSALS, SEEN_FROM_OUTSIDE, Refusal, read_only
from tests.integration.jobs.engine import CATALOG, Engine
from tests.waiting import wait_until

from cinemill.config import load
from cinemill.core.job import Progress
from cinemill.errors import RedisUnavailable
from cinemill.jobs.catalog import Rate
from cinemill.jobs.dispatch import Dispatcher
from cinemill.jobs.events import EventPublisher, EventReader
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.local.embedded_servers import RunningServer
from cinemill.local.servers.migration import check_redis_access
from cinemill.local.servers.valkey import describe_valkey
from cinemill.storage.inspection import inspect_redis
from cinemill.storage.jobs.dispatch import ReadyRun
from cinemill.storage.jobs.stray_messages import count_stray_messages, find_broker_refusal
from cinemill.storage.secrets import write_private
from cinemill.worker.app_factory import build_app
from cinemill.worker.inspection import workers_by_queue
from cinemill.worker.relay import Broker

RATE = Rate(count=6000, seconds=1)


@pytest.fixture(scope="module")
def two_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """URLs of two of this suite's own: another suite must not be refused anything."""
    password = secrets.token_hex(32)
    running = [_start(tmp_path_factory.mktemp("valkey"), password) for _ in range(2)]
    yield [url for url, _ in running]
    for _, process in running:
        process.kill()


def _start(home: Path, password: str) -> tuple[str, RunningServer]:
    folder = home / "data"
    folder.mkdir(mode=0o700)
    write_private(folder / "password", password)
    server = describe_valkey(folder)
    process = RunningServer("Valkey", server.command, server.is_ready, home / "log", signal.SIGTERM)
    process.start()
    return server.url, process


@pytest.fixture
def own_valkey(two_servers: list[str]) -> str:
    return two_servers[0]


@pytest.fixture
def proxy(two_servers: list[str]) -> Iterator[CuttableProxy]:
    """A name for whichever of the two is the primary; the first, to begin with."""
    proxy = CuttableProxy(_port(two_servers[0]))
    yield proxy
    proxy.destroy()


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def admits(limiter: RateLimiter) -> bool:
    try:
        return limiter.admit("work", RATE) >= 0
    except RedisUnavailable:
        return False


def judge(url: str) -> str:
    async def ask() -> str:
        reader = EventReader(url)
        try:
            return await reader.judge_health()
        finally:
            await reader.close()

    return asyncio.run(ask())


each_refusal = pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())


@each_refusal
def test_events_are_published_again_when_redis_is_repaired(
    own_valkey: str, refusal: Refusal
) -> None:
    sink = EventPublisher(own_valkey, catalog=CATALOG)
    news = Progress(str(uuid4()), "process_video", "running", 1.0, "Working")
    assert sink.publish_now(news)
    with refusal(own_valkey):
        wait_until(lambda: not sink.publish_now(news))
        assert not sink.publish_resources({})
    wait_until(lambda: sink.publish_now(news))
    assert sink.publish_resources({})
    sink.close()


@each_refusal
def test_starts_are_counted_again_when_redis_is_repaired(own_valkey: str, refusal: Refusal) -> None:
    limiter = RateLimiter(own_valkey)
    wait_until(lambda: admits(limiter))
    with refusal(own_valkey):
        wait_until(lambda: not admits(limiter))
        with pytest.raises(RedisUnavailable):
            limiter.admit("work", RATE)
    wait_until(lambda: admits(limiter))
    limiter.close()


@each_refusal
def test_health_says_that_redis_refuses(own_valkey: str, refusal: Refusal) -> None:
    assert judge(own_valkey) == "ok"
    with refusal(own_valkey):
        assert judge(own_valkey) == "refusing"
    wait_until(lambda: judge(own_valkey) == "ok")


def report(url: str) -> str | None:
    """Return why doctor says that Redis fails; None where it does not."""
    try:
        return inspect_redis(url).refusal
    except RedisUnavailable as error:
        return error.message


@pytest.mark.parametrize("name", SEEN_FROM_OUTSIDE)
def test_doctor_and_health_report_that_redis_refuses(own_valkey: str, name: str) -> None:
    assert report(own_valkey) is None
    assert find_broker_refusal(own_valkey) is None
    with SEEN_FROM_OUTSIDE[name](own_valkey):
        said = report(own_valkey)
        assert said
        assert "script:" not in said
        assert judge_or_fail(own_valkey) in ("refusing", "unavailable")
        sink = EventPublisher(own_valkey, catalog=CATALOG)
        assert sink.judge_health() in ("refusing", "unavailable")
        sink.close()
    wait_until(lambda: report(own_valkey) is None)
    wait_until(lambda: judge_or_fail(own_valkey) == "ok")


def judge_or_fail(url: str) -> str:
    try:
        return judge(url)
    except RedisUnavailable:
        return "unavailable"


@pytest.mark.parametrize(
    ("answer", "is_final"),
    [
        ("LOADING Redis is loading the dataset in memory", False),
        ("ERR max number of clients reached", False),
        ("MASTERDOWN Link with MASTER is down", False),
        ("CLUSTERDOWN The cluster is down", False),
        ("TRYAGAIN Multiple keys request", False),
        ("DENIED Redis is running in protected mode because protected mode is enabled", True),
        ("NOAUTH Authentication required.", True),
        ("WRONGPASS invalid username-password pair or user is disabled.", True),
        ("ERR DB index is out of range", True),
        ("\r\n\r\nHTTP/1.1 400 Bad Request", False),
    ],
)
def test_whatever_a_server_answers_is_a_sentence(answer: str, is_final: bool) -> None:
    with constant_server(f"-{answer}\r\n".encode()) as url:
        assert report(url)
        assert judge_or_fail(url) in ("refusing", "unavailable")
        with pytest.raises(RedisUnavailable):
            count_stray_messages(url, ["default"], ["process_video"])
        if is_final:
            with pytest.raises(RedisUnavailable, match="refuses Cinemill"):
                check_redis_access(url)
        else:
            check_redis_access(url)


@pytest.mark.parametrize(
    "rules",
    [
        ["~*", "&*", "-@all", "+ping", "+time"],
        ["~cinemill:*", "&*", "+@all"],
        ["~*", "&*", "+@all", "-xadd"],
        ["~*", "resetchannels", "+@all"],
    ],
)
def test_user_who_may_too_little_is_refused_at_the_start(own_valkey: str, rules: list[str]) -> None:
    with redis.Redis.from_url(own_valkey) as client:
        client.execute_command("ACL", "SETUSER", "poor", "reset", "on", ">pw", *rules)
    try:
        with pytest.raises(RedisUnavailable, match=r"refuses Cinemill: .*permissions") as caught:
            check_redis_access(
                f"redis://poor:pw@127.0.0.1:{_port(own_valkey)}/0", setting="CELERY_BROKER_URL"
            )
        assert "CELERY_BROKER_URL" in caught.value.hint
        check_redis_access(own_valkey)
    finally:
        with redis.Redis.from_url(own_valkey) as client:
            client.execute_command("ACL", "DELUSER", "poor")


def test_access_list_of_the_reference_is_enough(own_valkey: str) -> None:
    """It permits our keys alone, not the lists of other programs."""
    keys = ("cinemill:*", "task_events:*", "task_status:*", "embed:*", "system_resources")
    rules = [*(f"~{key}" for key in keys), "&*", "+@all", "-@admin"]
    with redis.Redis.from_url(own_valkey) as client:
        client.execute_command("ACL", "SETUSER", "ours", "reset", "on", ">pw", *rules)
        url = f"redis://ours:pw@127.0.0.1:{_port(own_valkey)}/0"
        try:
            check_redis_access(url)
            assert judge(url) == "ok"
            assert find_broker_refusal(url) is None
            assert count_stray_messages(url, ["default"], ["process_video"]) == {}
        finally:
            client.execute_command("ACL", "DELUSER", "ours")


@contextmanager
def constant_server(answer: bytes) -> Iterator[str]:
    """Answer every command of every client with the same bytes, and yield the server's URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while self.request.recv(65536):
                    self.request.sendall(answer)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis://:pw@127.0.0.1:{server.server_address[1]}/3"
        server.shutdown()


@each_refusal
def test_inspecting_workers_reports_that_the_broker_refuses(
    own_valkey: str, refusal: Refusal
) -> None:
    """An answer needs a queue, and that a write; under some refusals nobody can even connect."""
    settings = load({"REDIS_URL": own_valkey})
    with refusal(own_valkey), pytest.raises(RedisUnavailable):
        workers_by_queue(settings)


def test_redis_that_is_nearly_full_says_so(own_valkey: str) -> None:
    with redis.Redis.from_url(own_valkey) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", int(used * 1.15))
        try:
            assert judge(own_valkey) == "nearly_full"
            fullness = inspect_redis(own_valkey).fullness
            assert fullness is not None
            assert 0.8 <= fullness <= 1
        finally:
            client.config_set("maxmemory", before)
    assert judge(own_valkey) == "ok"


@pytest.mark.parametrize("which", ["events", "starts", "messages"])
def test_after_a_failover_that_keeps_its_clients_the_new_primary_is_reached(
    two_servers: list[str], proxy: CuttableProxy, which: str
) -> None:
    """Nobody closes a connection: only the address leads elsewhere, as behind a proxy."""
    use = {"events": use_events, "starts": use_starts, "messages": use_messages}[which](
        replace_port(two_servers[0], proxy.port)
    )
    assert next(use)
    with read_only(two_servers[0]):
        proxy.redirect_to(_port(two_servers[1]))
        wait_until(lambda: next(use))
    use.close()


def use_events(url: str) -> Generator[bool]:
    sink = EventPublisher(url, catalog=CATALOG)
    try:
        while True:
            news = Progress(str(uuid4()), "process_video", "running", 1.0, "Working")
            yield sink.publish_now(news)
    finally:
        sink.close()


def use_starts(url: str) -> Generator[bool]:
    limiter = RateLimiter(url)
    try:
        while True:
            yield admits(limiter)
    finally:
        limiter.close()


def use_messages(url: str) -> Generator[bool]:
    app = build_app(load({"REDIS_URL": url}))
    broker = Broker(app)
    kind = next(iter(app.context.catalog.steps.values()))
    run = ReadyRun(str(uuid4()), "ada", kind.name, kind.queue, 5)
    try:
        while True:
            try:
                broker.send(run)
            except RedisUnavailable:
                yield False
            else:
                yield True
    finally:
        app.close()


def test_kinds_without_a_rate_go_on_while_starts_cannot_be_counted(
    engine: Engine, sink: EventPublisher, own_valkey: str
) -> None:
    """Events and rates may be kept by another server than the messages."""
    away = RateLimiter(own_valkey)
    dispatcher = Dispatcher(
        engine.database,
        sink,
        away,
        catalog=CATALOG,
        window=16,
        send=engine.post.send,
        measure_depth=engine.post.measure_depth,
    )
    engine.submit(2, "rare_work")
    engine.submit(3)
    with read_only(own_valkey):
        assert dispatcher.publish_ready() == 3
    assert {run.kind for run in engine.post.sent} == {"work"}
    wait_until(lambda: dispatcher.publish_ready() == 1)
    away.close()
