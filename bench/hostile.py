"""The impact of hostile and careless clients on all others.

First 20 hostile clients run at once for some seconds, each kind of them twice, without a token,
while one client after the other requests ``/health``: the response time is measured from connecting
to the last byte. Then 1,000 oversized requests are sent, most of them with the token, and the
memory of the API, the relay (with beat) and Valkey is compared with that before. Each kind was sent
a hundred times before, because a process that serves its first request grows anyway.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import resource
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil

from bench.instance import Instance, running_instance
from bench.report import BenchRow, print_table
from bench.upload import Server, running_server

SECONDS = float(os.environ.get("CINEMILL_BENCH_HOSTILE_SECONDS", "15"))
CLIENTS = 20
IDLE_CONNECTIONS = 300
"""Number for each of the two clients that only connect."""
REQUESTS = 1000
WARM_UP = 100
LONGEST_P99_MILLISECONDS = 100
MAX_GROWTH = 1.2
_MEGABYTE = b"a" * 1_000_000
_Build = Callable[[Server], bytes]
_Attack = Callable[["_Connector", Event], None]


def measure() -> list[BenchRow]:
    """Measure the latency of ``/health`` under attack, and memory after oversized requests."""
    with running_instance() as instance:
        settings = instance.settings
        addresses = {
            "DATABASE_URL": str(settings.database_url),
            "REDIS_URL": str(settings.redis_url),
        }
        with running_server(instance.home / "api", addresses) as server:
            quiet = _request_health(server, SECONDS / 3)
            with hostile_clients(server.port):
                besieged = _request_health(server, SECONDS)
            return [*_latency_rows(quiet, besieged), *_measure_memory(instance, server)]


def _latency_rows(quiet: list[float], besieged: list[float]) -> list[BenchRow]:
    detail = (
        f"{len(besieged)} answers; quiet: p50 {_percentile(quiet, 50):.1f}, "
        f"p99 {_percentile(quiet, 99):.1f} ms"
    )
    name = f"/health while {CLIENTS} hostile clients work"
    return [
        BenchRow(f"{name}, p50", _percentile(besieged, 50), None, "ms", detail),
        BenchRow(f"{name}, p99", _percentile(besieged, 99), LONGEST_P99_MILLISECONDS, "ms", detail),
    ]


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _request_health(server: Server, seconds: float) -> list[float]:
    """Return milliseconds of each response, every one over a connection of its own."""
    took = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"/health answered {answer.status}")
        time.sleep(0.02)
    return took


# Hostile clients, each in a loop until it is stopped. None of them knows the token. They are
# threads of one process, at the lowest priority, so that their own cost on this machine, which they
# would not have over a network, is not measured.


@contextmanager
def hostile_clients(port: int) -> Iterator[None]:
    """Run ``CLIENTS`` of them against this port of 127.0.0.1."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    clients = context.Process(target=_attack, args=(port, stop))
    clients.start()
    time.sleep(3)
    try:
        yield
    finally:
        stop.set()
        clients.join(15)
        clients.kill()


def _attack(port: int, stop: Event) -> None:
    os.nice(19)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for at in range(CLIENTS):
        attack = HOSTILE[at % len(HOSTILE)]
        threading.Thread(target=_repeat, args=(attack, port, stop), daemon=True).start()
    stop.wait()


def _repeat(attack: _Attack, port: int, stop: Event) -> None:
    while not stop.is_set():
        with suppress(OSError), ExitStack() as instance:
            attack(_Connector(port, instance), stop)


class _Connector:
    def __init__(self, port: int, instance: ExitStack) -> None:
        self._port = port
        self._stack = instance

    def connect(self, start: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=10)
        self._stack.callback(connection.close)
        connection.sendall(start)
        return connection


_START = b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def send_huge_header(connector: _Connector, stop: Event) -> None:
    connection = connector.connect(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
    for _ in range(100):
        connection.sendall(_MEGABYTE)


def send_half_a_request(connector: _Connector, stop: Event) -> None:
    for _ in range(50):
        connector.connect(b"GET /health HTTP/1.1\r\nHost: ")
    stop.wait(1)


def drip_a_header(connector: _Connector, stop: Event) -> None:
    connections = [connector.connect(_START + b"X: ") for _ in range(20)]
    while not stop.wait(0.05):
        for connection in connections:
            connection.sendall(b"a")


def drip_a_body(connector: _Connector, stop: Event) -> None:
    start = _START + b"Content-Length: 1000000000\r\n\r\n"
    connections = [connector.connect(start) for _ in range(20)]
    while not stop.wait(0.05):
        for connection in connections:
            connection.sendall(b"a")


def flood_a_body(connector: _Connector, stop: Event) -> None:
    connection = connector.connect(_START + b"Content-Length: 100000000\r\n\r\n")
    for _ in range(100):
        connection.sendall(_MEGABYTE)


def send_endless_trailers(connector: _Connector, stop: Event) -> None:
    connection = connector.connect(_START + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    while not stop.is_set():
        connection.sendall(b"X-Trailer: a\r\n" * 1000)


def send_endless_extensions(connector: _Connector, stop: Event) -> None:
    connection = connector.connect(_START + b"Transfer-Encoding: chunked\r\n\r\n1")
    while not stop.is_set():
        connection.sendall(b";a=b" * 10_000)


def send_tiny_chunks(connector: _Connector, stop: Event) -> None:
    connection = connector.connect(_START + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"1\r\na\r\n" * 20_000)


def hold_idle_connections(connector: _Connector, stop: Event) -> None:
    for _ in range(IDLE_CONNECTIONS):
        connector.connect()
    stop.wait(5)


def never_read_a_response(connector: _Connector, stop: Event) -> None:
    connection = connector.connect()
    connection.settimeout(1)
    while not stop.is_set():
        connection.sendall(b"GET /static/app.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100)


HOSTILE: tuple[_Attack, ...] = (
    send_huge_header,
    send_half_a_request,
    drip_a_header,
    drip_a_body,
    flood_a_body,
    send_endless_trailers,
    send_endless_extensions,
    send_tiny_chunks,
    hold_idle_connections,
    never_read_a_response,
)


# Oversized requests, each of which is rejected.


def _measure_memory(instance: Instance, server: Server) -> list[BenchRow]:
    parts = {
        "API": server.process,
        "relay": psutil.Process(instance.beat.pid),
        "Valkey": _find_valkey(instance.home),
    }
    _send_oversized(server, WARM_UP)
    before = {name: _rss_mb(process) for name, process in parts.items()}
    _send_oversized(server, REQUESTS)
    after = {name: _rss_mb(process) for name, process in parts.items()}
    return [
        BenchRow(
            f"memory of {name} after {REQUESTS} oversized requests, over before",
            after[name] / before[name],
            MAX_GROWTH,
            "×",
            f"RSS {before[name]:.1f} MB, then {after[name]:.1f} MB",
        )
        for name in parts
    ]


def _send_oversized(server: Server, count: int) -> None:
    builders: tuple[_Build, ...] = (
        _large_path,
        _large_header,
        _many_parameters,
        _deep_parameters,
        _many_errors,
    )
    requests = [build(server) for build in builders]
    for at in range(count):
        request = requests[at % len(requests)]
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.settimeout(60)
            connection.sendall(request)
            answer = connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 4"):
                raise RuntimeError(f"an oversized request was answered {answer[:100]!r}")


def _post(server: Server, path: str, body: bytes, *, announced_bytes: int = 0) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {announced_bytes or len(body)}\r\n\r\n"
    ).encode() + body


def _large_path(server: Server) -> bytes:
    """Send the first two megabytes of a hundred."""
    start = b'{"kind": "transcode", "params": {"path": "/films/' + _MEGABYTE * 2
    return _post(server, "/api/v1/jobs", start, announced_bytes=100_000_000)


def _large_header(server: Server) -> bytes:
    return b"GET /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + _MEGABYTE + b"\r\n\r\n"


def _many_parameters(server: Server) -> bytes:
    members = b",".join(b'"a%d": 1' % at for at in range(20_000))
    return _post(server, "/api/v1/jobs", b'{"kind": "no_such_kind", "params": {' + members + b"}}")


def _deep_parameters(server: Server) -> bytes:
    deep = b"[" * 100_000 + b"]" * 100_000
    return _post(
        server, "/api/v1/jobs", b'{"kind": "transcode", "params": {"path": ' + deep + b"}}"
    )


def _many_errors(server: Server) -> bytes:
    return _post(server, "/api/v1/jobs/retry", b"[" + b'{"kind": 1},' * 20_000 + b"1]")


def _find_valkey(home: Path) -> psutil.Process:
    """Find the embedded server of this instance, by its home."""
    for process in psutil.Process().children(recursive=True):
        if "valkey" in process.name() or "redis" in process.name():
            return process
    raise RuntimeError(f"no Valkey runs below {home}")


def _rss_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


if __name__ == "__main__":
    print_table(measure())
