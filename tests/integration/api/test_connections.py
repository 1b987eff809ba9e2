"""What a stranger can do to the server before anybody asks who it is: every limit, over sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bench.hostile import hostile_clients
from starlette.responses import Response
from starlette.types import Receive, Send
from uvicorn import Config

from cinemill.api.http.admission import Places
from cinemill.api.http.connections import PIECES_PER_TURN, BoundedHttpProtocol
from cinemill.api.http.framing import MAX_CHUNK_LINE_BYTES, MAX_HEAD_BYTES, MAX_HEADERS
from cinemill.api.http.server_state import BoundedServerState
from cinemill.api.http.timeouts import HttpTimeouts

from .conftest import FILM_HEAD, RunningApi, wait_for
from .wires import WAIT_SECONDS, OwnServer, Wire, head, own_server

CHUNKED = "Transfer-Encoding: chunked"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mkv"\r\n\r\n'


@pytest.fixture(scope="module")
def hasty(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str
) -> Iterator[OwnServer]:
    """A server that waits for nothing longer than a second or two."""
    patience = HttpTimeouts(
        head=1.0, body=2.0, trickle=4.0, trickle_bytes=1000, answer=2.0, linger=1.0
    )
    home = tmp_path_factory.mktemp("hasty")
    with own_server(home, database_url, redis_url, patience=patience) as server:
        yield server


@pytest.fixture(scope="module")
def small_server(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str
) -> Iterator[OwnServer]:
    """A server with places for eight from one address, and two more in reserve."""
    home = tmp_path_factory.mktemp("small")
    places = Places(total=16, reserve=2)
    patience = HttpTimeouts(unread=2.0)
    with own_server(home, database_url, redis_url, patience=patience, places=places) as server:
        yield server


@pytest.fixture
def small(small_server: OwnServer) -> OwnServer:
    """Return the small server without connections and requests of the test before."""
    state = small_server.server.server_state
    assert wait_for(lambda: not state.connections and not state.tasks, seconds=WAIT_SECONDS)
    return small_server


def assert_refused(wire: Wire, status: int, code: str) -> None:
    answer = wire.read_answer()
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.code == code


class TestHeads:
    @pytest.mark.parametrize(
        "start",
        [
            b"GET /health HTTP/1.1\r\nHost: x\r\nX: ",
            b"GET /",
            b"GET /health?",
            b"A",
            b"GET /health HTTP/1.1\r\n",
            b"\r\n",
        ],
        ids=["value", "path", "query", "method", "name", "blank"],
    )
    def test_large_head_is_refused_and_the_sender_reads_why(
        self, api: RunningApi, start: bytes
    ) -> None:
        with Wire(api.port) as wire:
            wire.try_to_send(
                start + b"\r\n" * 40_000 if start == b"\r\n" else start + b"a" * 80_000
            )
            assert_refused(wire, 431, "headers_too_large")

    def test_hundred_megabytes_of_header_are_dropped(self, api: RunningApi) -> None:
        with Wire(api.port) as wire:
            wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX: ")
            block = b"a" * 1_000_000
            sent = 0
            while sent < 100 and wire.try_to_send(block):
                sent += 1
            # Whether the answer can still be read after so much depends on the kernel's buffers.
        assert api.stranger.get("/health").status_code == 200

    def test_head_may_be_as_large_as_the_limit(self, api: RunningApi) -> None:
        start, end = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"\r\n\r\n"
        value = b"a" * (MAX_HEAD_BYTES - len(start) - len(end))
        with Wire(api.port) as wire:
            for _ in range(2):
                wire.send(start + value + end)
                assert wire.read_answer().status == 200
            wire.send(start + value + b"a" + end)
            assert_refused(wire, 431, "headers_too_large")

    def test_many_headers_are_refused(self, api: RunningApi) -> None:
        most = [f"X-{at}: a" for at in range(MAX_HEADERS - 1)]
        with Wire(api.port) as wire:
            wire.send(head("GET", "/health", *most))
            assert wire.read_answer().status == 200
            wire.send(head("GET", "/health", *most, "One-More: a"))
            assert_refused(wire, 431, "headers_too_large")

    def test_head_that_comes_byte_by_byte_is_read(self, api: RunningApi) -> None:
        with Wire(api.port) as wire:
            for byte in head("GET", "/health"):
                wire.send(bytes([byte]))
            assert wire.read_answer().status == 200

    def test_half_a_head_has_its_time(self, hasty: OwnServer) -> None:
        with hasty.connect() as wire:
            wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\n")
            assert_refused(wire, 408, "request_timed_out")
            assert wire.is_closed()

    def test_bytes_that_keep_coming_do_not_prolong_it(self, hasty: OwnServer) -> None:
        with hasty.connect() as wire:
            wire.send(b"GET /health HTTP/1.1\r\n")
            deadline = time.monotonic() + WAIT_SECONDS
            while wire.try_to_send(b"X: a\r\n") and time.monotonic() < deadline:
                time.sleep(0.2)
            assert time.monotonic() < deadline

    def test_connection_that_says_nothing_is_closed_without_a_word(self, hasty: OwnServer) -> None:
        with hasty.connect() as wire:
            assert wire.is_closed()

    def test_half_of_a_second_request_has_its_time_too(self, hasty: OwnServer) -> None:
        with hasty.connect() as wire:
            wire.send(head("GET", "/health"))
            assert wire.read_answer().status == 200
            wire.send(b"GET /health HT")
            assert_refused(wire, 408, "request_timed_out")

    def test_blank_lines_between_requests_do_not_keep_a_connection(self, hasty: OwnServer) -> None:
        with hasty.connect() as wire:
            wire.send(head("GET", "/health"))
            assert wire.read_answer().status == 200
            deadline = time.monotonic() + WAIT_SECONDS
            while wire.try_to_send(b"\r\n") and time.monotonic() < deadline:
                time.sleep(0.2)
            assert time.monotonic() < deadline

    def test_blank_line_behind_a_body_begins_no_request(self, hasty: OwnServer) -> None:
        kind = "Content-Type: application/json"
        with hasty.connect() as wire:
            wire.send(
                head("POST", "/api/v1/jobs", kind, "Content-Length: 2", token=hasty.token) + b"{}"
            )
            wire.send(b"\r\n")
            assert wire.read_answer().status == 422
            time.sleep(2.5)  # More than a head may take.
            wire.send(b"\r\n" + head("GET", "/health"))
            assert wire.read_answer().status == 200

    def test_where_only_a_blank_line_came_it_is_closed_without_a_word(
        self, hasty: OwnServer
    ) -> None:
        with hasty.connect() as wire:
            wire.send(b"\r\n")
            assert wire.is_closed()


def test_application_that_asks_for_more_gets_first_what_came_before() -> None:
    """Reading on meanwhile would pile up small chunks until the connection is reset."""

    async def run() -> None:
        has_all = asyncio.Event()

        async def app(scope: Any, receive: Receive, send: Send) -> None:
            while (await receive()).get("more_body"):
                pass
            await Response()(scope, receive, send)
            has_all.set()

        config = Config(app, ws="none", log_config=None, lifespan="off")
        state = BoundedServerState(HttpTimeouts(), Places())
        protocol = BoundedHttpProtocol(config, state, {})
        ours, theirs = socket.socketpair()
        with theirs:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, ours
            )
            chunks = b"1\r\na\r\n" * PIECES_PER_TURN
            protocol.data_received(head("POST", "/", CHUNKED) + chunks)
            assert protocol.flow.read_paused
            protocol.cycle.flow.resume_reading()
            assert protocol.flow.read_paused
            async with asyncio.timeout(WAIT_SECONDS):
                theirs.sendall(b"0\r\n\r\n")
                await has_all.wait()
            transport.abort()
            await asyncio.sleep(0)

    asyncio.run(run())


class TestForms:
    """Requests that two parsers could read in two ways, and what is no HTTP/1.1."""

    @pytest.mark.parametrize(
        ("request_bytes", "status"),
        [
            (head("POST", "/api/v1/jobs", "Content-Length: 5", CHUNKED) + b"0\r\n\r\n", 400),
            (head("POST", "/api/v1/jobs", CHUNKED, "Content-Length: 5") + b"0\r\n\r\n", 400),
            (
                head("POST", "/api/v1/jobs", "Content-Length: 5", "Content-Length: 6") + b"hello",
                400,
            ),
            (head("POST", "/api/v1/jobs", "Content-Length: +5") + b"hello", 400),
            (head("POST", "/api/v1/jobs", "Content-Length: 5, 5") + b"hello", 400),
            (head("POST", "/api/v1/jobs", "Content-Length: " + "9" * 30) + b"hello", 400),
            (head("POST", "/api/v1/jobs", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 400),
            (head("POST", "/api/v1/jobs", "Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n", 400),
            (head("POST", "/api/v1/jobs", "Transfer-Encoding: xchunked") + b"0\r\n\r\n", 400),
            (head("POST", "/api/v1/jobs", CHUNKED, CHUNKED) + b"0\r\n\r\n", 400),
            (head("POST", "/api/v1/jobs", CHUNKED + "\t") + b"0\r\n\r\n", 400),
            (b"POST /api/v1/jobs HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (head("GET", "/health", "Host: other"), 400),
            (head("GET", "/health", "X: a", " folded"), 400),
            (head("GET", "/health", "X : a"), 400),
            (head("GET", "/health", "X: a\x00b"), 400),
            (b"GET /health HTTP/1.1\nHost: x\n\n", 400),
            (b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 505),
            (b"GET /health\r\n\r\n", 505),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
            (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00", 400),
            (head("GET", "/[" + "\x7f"), 400),
        ],
    )
    def test_it_is_refused(self, api: RunningApi, request_bytes: bytes, status: int) -> None:
        with Wire(api.port) as wire:
            wire.send(request_bytes)
            assert_refused(wire, status, "request_malformed")

    def test_upgrade_is_ignored(self, api: RunningApi) -> None:
        upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA")
        with Wire(api.port) as wire:
            body = b'{"kind": "nosuch"}'
            kind = "Content-Type: application/json"
            length = f"Content-Length: {len(body)}"
            wire.send(head("POST", "/api/v1/jobs", *upgrade, kind, length, token=api.token) + body)
            assert wire.read_answer().code == "job_kind_unknown"
            wire.send(head("GET", "/health", *upgrade))
            assert wire.read_answer().status == 200

    def test_http_1_0_is_answered_and_closed(self, api: RunningApi) -> None:
        with Wire(api.port) as wire:
            wire.send(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            assert wire.read_answer().status == 200
            assert wire.is_closed()


class TestBodies:
    def test_trailers_are_bounded(self, api: RunningApi) -> None:
        with Wire(api.port) as wire:
            wire.send(head("POST", "/api/v1/jobs", CHUNKED, token=api.token) + b"0\r\n")
            wire.try_to_send(b"X: a\r\n" * (MAX_HEADERS + 1))
            assert_refused(wire, 431, "headers_too_large")
        with Wire(api.port) as wire:
            wire.send(head("POST", "/api/v1/jobs", CHUNKED, token=api.token) + b"0\r\nX: ")
            wire.try_to_send(b"a" * MAX_HEAD_BYTES)
            assert_refused(wire, 431, "headers_too_large")

    @pytest.mark.parametrize("extension", [b"1;", b"0", b"1;a=b;"])
    def test_line_of_a_chunk_is_bounded(self, api: RunningApi, extension: bytes) -> None:
        with Wire(api.port) as wire:
            wire.send(head("POST", "/api/v1/jobs", CHUNKED, token=api.token))
            wire.try_to_send(extension + extension[-1:] * MAX_CHUNK_LINE_BYTES)
            assert_refused(wire, 400, "request_malformed")

    def test_chunks_with_extensions_and_trailers_are_read(self, api: RunningApi) -> None:
        with Wire(api.port) as wire:
            kind = "Content-Type: application/json"
            wire.send(head("POST", "/api/v1/jobs", CHUNKED, kind, token=api.token))
            for piece in (b"8;a=b\r", b'\n{"kind":', b'\r\n0A;c="d"\r\n "nosuch"}\r', b"\n0\r\n"):
                wire.send(piece)
            wire.send(b"X-Sum: 1\r\n\r\n" + head("GET", "/health"))
            assert wire.read_answer().code == "job_kind_unknown"
            assert wire.read_answer().status == 200

    def test_space_behind_the_transfer_encoding_is_ignored(self, api: RunningApi) -> None:
        kind = "Content-Type: application/json"
        with Wire(api.port) as wire:
            wire.send(head("POST", "/api/v1/jobs", CHUNKED + " ", kind, token=api.token))
            wire.send(b"2\r\n{}\r\n0\r\n\r\n" + head("GET", "/health"))
            assert wire.read_answer().status == 422
            assert wire.read_answer().status == 200

    def test_key_that_cannot_be_recorded_is_refused_before_the_film(self, api: RunningApi) -> None:
        lines = ("Content-Type: multipart/form-data; boundary=x", "Content-Length: 1000000")
        request = head("POST", "/upload", *lines, "Idempotency-Key: KEY", token=api.token)
        with Wire(api.port) as wire:
            wire.send(request.replace(b"KEY", "é".encode("latin-1") * 200))
            answer = wire.read_answer()
            assert (answer.status, answer.code) == (422, "idempotency_key_invalid")

    def test_upload_of_which_nothing_more_comes_leaves_nothing(self, hasty: OwnServer) -> None:
        objects = hasty.home / "objects"
        with hasty.connect() as wire:
            start_upload(wire, hasty.token, 500_000_000)
            wire.send(PART + FILM_HEAD + os.urandom(3_000_000))
            assert wait_for(lambda: bool(files_in(objects)), seconds=WAIT_SECONDS)
            assert_refused(wire, 408, "request_timed_out")
            assert wire.is_closed()
        assert wait_for(lambda: not files_in(objects), seconds=WAIT_SECONDS)

    def test_upload_that_trickles_is_closed(self, hasty: OwnServer) -> None:
        with hasty.connect() as wire:
            start_upload(wire, hasty.token, 500_000_000)
            wire.send(PART + FILM_HEAD)
            deadline = time.monotonic() + WAIT_SECONDS
            while wire.try_to_send(b"a") and time.monotonic() < deadline:
                time.sleep(0.2)
            assert time.monotonic() < deadline

    def test_body_that_nobody_reads_does_not_keep_the_connection(self, hasty: OwnServer) -> None:
        with hasty.connect() as wire:
            wire.send(head("POST", "/api/v1/jobs", "Content-Length: 1000000"))
            assert_refused(wire, 401, "unauthorized")
            deadline = time.monotonic() + WAIT_SECONDS
            while wire.try_to_send(b"a") and time.monotonic() < deadline:
                time.sleep(0.2)
            assert time.monotonic() < deadline

    def test_what_follows_a_request_waits_for_its_answer(self, api: RunningApi) -> None:
        with Wire(api.port) as wire:
            wire.send(head("GET", "/health") * 500)
            assert all(wire.read_answer().status == 200 for _ in range(500))

    def test_requests_that_are_sent_ahead_are_bounded(self, api: RunningApi) -> None:
        job_id = api.submit()
        with Wire(api.port) as wire:
            wire.send(head("GET", f"/api/v1/jobs/{job_id}/events", token=api.token))
            wire.read_answer()
            taken = 0
            wire.socket.settimeout(1)
            while taken < 64 and wire.try_to_send(head("GET", "/health") * 20_000):
                taken += 1
            assert taken < 64
        api.http.post(f"/api/v1/jobs/{job_id}/cancel")


class TestAnswers:
    def test_download_that_nobody_takes_is_closed(self, hasty: OwnServer) -> None:
        asset_id = upload(hasty, 30_000_000)
        with hasty.connect(receive_bytes=4096) as wire:
            wire.send(head("GET", f"/api/v1/assets/{asset_id}/files/source", token=hasty.token))
            assert wait_for(lambda: hasty.has(wire), seconds=WAIT_SECONDS)
            assert wait_for(lambda: not hasty.has(wire), seconds=WAIT_SECONDS)

    def test_download_that_is_taken_slowly_goes_on(self, hasty: OwnServer) -> None:
        asset_id = upload(hasty, 8_000_000)
        with hasty.connect(receive_bytes=65536) as wire:
            wire.send(head("GET", f"/api/v1/assets/{asset_id}/files/source", token=hasty.token))
            got = 0
            while got < 8_000_000:
                block = wire.socket.recv(200_000)
                assert block
                got += len(block)
                time.sleep(0.05)

    def test_reader_who_is_slower_than_the_kernels_buffers_is_not_cut(
        self, hasty: OwnServer
    ) -> None:
        asset_id = upload(hasty, 30_000_000)
        with hasty.connect(receive_bytes=200_000) as wire:
            wire.send(head("GET", f"/api/v1/assets/{asset_id}/files/source", token=hasty.token))
            got = 0
            while got < 12_000_000:  # A player's start: the kernel gives it large buffers.
                got += len(wire.socket.recv(1_000_000))
            for _ in range(160):
                assert wire.socket.recv(15_000)
                time.sleep(0.05)
            assert hasty.has(wire)


class TestPlaces:
    def test_who_waits_longest_makes_room(self, small: OwnServer) -> None:
        with ExitStack() as stack:
            idle = [stack.enter_context(small.connect()) for _ in range(30)]
            wire = stack.enter_context(small.connect())
            wire.send(head("GET", "/health"))
            assert wire.read_answer().status == 200
            assert idle[0].is_closed()
            assert wait_for(lambda: small.connections <= 10, seconds=WAIT_SECONDS)

    def test_who_is_served_stays(self, small: OwnServer) -> None:
        with ExitStack() as stack:
            first = stack.enter_context(small.connect())
            start_upload(first, small.token, len(PART) + 1000 + len(b"\r\n--x--\r\n"))
            first.send(PART + FILM_HEAD)
            served = small.server.server_state.tasks
            assert wait_for(lambda: len(served) == 1, seconds=WAIT_SECONDS)
            for _ in range(30):
                stack.enter_context(small.connect())
            first.send(os.urandom(1000 - len(FILM_HEAD)) + b"\r\n--x--\r\n")
            assert first.read_answer().status == 200

    def test_where_all_are_served_the_next_is_told_and_health_is_answered(
        self, small: OwnServer
    ) -> None:
        with ExitStack() as stack:
            for _ in range(8):
                wire = stack.enter_context(small.connect())
                start_upload(wire, small.token, 1_000_000)
                wire.send(PART + FILM_HEAD)
            served = small.server.server_state.tasks
            assert wait_for(lambda: len(served) == 8, seconds=WAIT_SECONDS)
            for path in ("/api/v1/jobs", "/api/v1/assets/health"):
                newcomer = stack.enter_context(small.connect())
                newcomer.send(head("GET", path, token=small.token))
                assert_refused(newcomer, 503, "server_busy")
            for path in ("/health", "/api/v1/health"):
                prober = stack.enter_context(small.connect())
                prober.send(head("GET", path))
                assert prober.read_answer().status == 200

    def test_who_leaves_the_answer_unread_makes_room(self, small: OwnServer) -> None:
        asset_id = upload(small, 30_000_000)
        with ExitStack() as stack:
            for _ in range(8):
                wire = stack.enter_context(small.connect(receive_bytes=4096))
                wire.send(head("GET", f"/api/v1/assets/{asset_id}/files/source", token=small.token))
            served = small.server.server_state.tasks
            assert wait_for(lambda: len(served) == 8, seconds=WAIT_SECONDS)

            def is_served() -> bool:
                with small.connect() as newcomer:
                    newcomer.send(head("GET", "/api/v1/jobs", token=small.token))
                    return newcomer.read_answer().status == 200

            assert wait_for(is_served, seconds=WAIT_SECONDS)

    def test_hundreds_of_idle_connections_leave_room(self, api: RunningApi) -> None:
        with ExitStack() as stack:
            for _ in range(600):
                stack.enter_context(Wire(api.port))
            assert api.stranger.get("/health").status_code == 200
            assert api.submit()


def test_while_hostile_clients_work_uploads_complete_and_health_answers(api: RunningApi) -> None:
    with hostile_clients(api.port):
        for _ in range(5):
            assert api.stranger.get("/health").status_code == 200
            assert api.submit(os.urandom(2_000_000))


def start_upload(wire: Wire, token: str, size: int) -> None:
    kind = "Content-Type: multipart/form-data; boundary=x"
    wire.send(head("POST", "/upload", kind, f"Content-Length: {size}", token=token))


def upload(server: OwnServer, size: int) -> str:
    """The id of a new film of about this size."""
    body = PART + FILM_HEAD + os.urandom(size) + b"\r\n--x--\r\n"
    with server.connect() as wire:
        start_upload(wire, server.token, len(body))
        wire.send(body)
        assert wire.read_answer().status == 200
        wire.send(head("GET", "/api/v1/assets?limit=1", token=server.token))
        answer = wire.read_answer()
    asset_id = answer.body.partition(b'"id":"')[2].partition(b'"')[0]
    return asset_id.decode()


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
