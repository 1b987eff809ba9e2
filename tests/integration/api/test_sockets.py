"""The WebSocket of an analysis: nothing missed, no stranger let in, nothing that piles up."""

from __future__ import annotations

import base64
import json
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cinemill.api.http.admission import Places
from cinemill.api.http.sockets import MAX_RECEIVED_BYTES
from cinemill.api.http.timeouts import HttpTimeouts
from cinemill.api.middleware.auth import AccessPolicy
from cinemill.api.middleware.visits import Visit

from .conftest import FILM_HEAD, RunningApi, StartApi, wait_for
from .wires import WAIT_SECONDS, OwnServer, Wire, head, own_server

V1 = "/api/v1"


@pytest.fixture
def analysis_id(api: RunningApi) -> str:
    """An analysis that waits in the queue."""
    return request_analysis(api)


def request_analysis(api: RunningApi) -> str:
    uploaded = api.http.post(
        f"{V1}/upload", files={"file": ("film.mkv", FILM_HEAD + os.urandom(64))}
    )
    asset_id = uploaded.json()["asset_id"]
    created = api.http.post(f"{V1}/assets/{asset_id}/analyses")
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


def follow(
    api: RunningApi,
    analysis_id: str,
    last_event_id: str = "",
    *,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> ClientConnection:
    query = f"?last_event_id={last_event_id}" if last_event_id else ""
    sent = {"Authorization": f"Bearer {api.token}"} if headers is None else headers
    opened: ClientConnection = connect(
        f"ws://127.0.0.1:{api.port}{V1}/analyses/{analysis_id}/ws{query}",
        additional_headers=sent,
        open_timeout=WAIT_SECONDS,
        **options,
    )
    return opened


def read(socket: ClientConnection) -> dict[str, Any]:
    message = socket.recv(WAIT_SECONDS)
    document: dict[str, Any] = json.loads(message)
    return document


def read_to_end(socket: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """Return all messages that still come, and the code and reason of the close."""
    messages = []
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            messages.append(read(socket))
    received = closed.value.rcvd
    assert received is not None
    return messages, received.code, received.reason


def finish(api: RunningApi, analysis_id: str) -> None:
    api.settle(analysis_id, "completed", progress="100", message="'Done'", finished_at="now()")
    api.publish(analysis_id, "completed", 100, "Done")


class TestEvents:
    def test_client_gets_the_state_at_once_and_every_event_to_the_end(
        self, api: RunningApi, analysis_id: str
    ) -> None:
        with follow(api, analysis_id) as socket:
            first = read(socket)
            assert (first["job_id"], first["status"]) == (analysis_id, "pending")
            assert first["queue_place"] >= 0
            api.settle(analysis_id, "running", progress="5")
            api.publish(analysis_id, "running", 10)
            finish(api, analysis_id)
            messages, code, reason = read_to_end(socket)
        with_id = [(one["status"], one["progress"]) for one in messages if one["event_id"]]
        assert with_id == [("running", 10.0), ("completed", 100.0)]
        assert (code, reason) == (1000, "ended")

    def test_client_that_is_cut_off_again_and_again_misses_no_event(
        self, api: RunningApi, analysis_id: str
    ) -> None:
        api.settle(analysis_id, "running")
        seen: list[float] = []
        last_id, code = "", 0
        for percent in range(1, 40):
            api.publish(analysis_id, "running", percent)
        while code != 1000:
            with follow(api, analysis_id, last_id) as socket:
                for _ in range(7):
                    try:
                        message = read(socket)
                    except ConnectionClosed as closed:
                        code = closed.rcvd.code if closed.rcvd else 0
                        break
                    if message["event_id"]:
                        last_id = message["event_id"]
                        seen.append(message["progress"])
                socket.socket.close()
            if len(seen) >= 39 and seen[-1] == 39:
                api.publish(analysis_id, "running", 99)
                finish(api, analysis_id)
        assert seen == [*map(float, range(1, 40)), 99.0, 100.0]

    def test_messages_are_the_events_of_the_job_s_stream(
        self, api: RunningApi, analysis_id: str
    ) -> None:
        api.publish(analysis_id, "running", 10)
        finish(api, analysis_id)
        with follow(api, analysis_id) as socket:
            messages, _, _ = read_to_end(socket)
        text = api.http.get(f"{V1}/jobs/{analysis_id}/events").text
        blocks = [block.split("\n") for block in text.split("\n\n") if "data: " in block]
        streamed = [
            {"event_id": lines[0].removeprefix("id: "), **json.loads(lines[2][6:])}
            for lines in blocks
        ]
        assert messages == streamed

    @pytest.mark.parametrize("last_id", ["not-an-id", "9-9-9", "%00"])
    def test_id_that_is_none_starts_at_the_beginning(
        self, api: RunningApi, analysis_id: str, last_id: str
    ) -> None:
        if last_id == "%00":
            with pytest.raises(InvalidStatus) as refused:
                read_to_end(follow(api, analysis_id, last_id))
            assert refused.value.response.status_code == 400
            return
        api.publish(analysis_id, "running", 10)
        finish(api, analysis_id)
        with follow(api, analysis_id, last_id) as socket:
            messages, _, _ = read_to_end(socket)
        assert [one["progress"] for one in messages] == [10, 100]

    def test_silence_is_filled_by_the_row(self, api: RunningApi, analysis_id: str) -> None:
        api.settle(analysis_id, "running", progress="33", started_at="now()")
        with follow(api, analysis_id) as socket:
            read(socket)
            message = read(socket)
        assert (message["event_id"], message["progress"]) == ("", 33)

    def test_analysis_that_outlives_its_job_has_an_end(
        self, api: RunningApi, analysis_id: str
    ) -> None:
        finish(api, analysis_id)
        with psycopg.connect(api.database_url.replace("+psycopg", "", 1)) as connection:
            connection.execute("DELETE FROM job WHERE id = %s", [analysis_id])
        with redis.Redis.from_url(api.redis_url) as server:
            server.delete(f"task_events:{analysis_id}")
        with follow(api, analysis_id) as socket:
            messages, code, _ = read_to_end(socket)
        assert ([one["status"] for one in messages], code) == (["completed"], 1000)

    def test_cancelled_analysis_ends_its_socket(self, api: RunningApi, analysis_id: str) -> None:
        with follow(api, analysis_id) as socket:
            read(socket)
            api.http.post(f"{V1}/jobs/{analysis_id}/cancel").raise_for_status()
            messages, code, _ = read_to_end(socket)
        assert (messages[-1]["status"], code) == ("cancelled", 1000)

    def test_stop_of_the_server_closes_sockets_with_a_code_to_come_again(
        self, start_api: StartApi
    ) -> None:
        api = start_api()
        with follow(api, request_analysis(api)) as socket:
            read(socket)
            api.process.terminate()
            _, code, _ = read_to_end(socket)
        assert code == 1012
        assert api.process.wait(WAIT_SECONDS) == 0
        assert "rror" not in (api.home / "console").read_text()


class TestAccess:
    @pytest.mark.parametrize("token", ["", "Bearer wrong"])
    def test_socket_without_the_token_is_closed(
        self, api: RunningApi, analysis_id: str, token: str
    ) -> None:
        headers = {"Authorization": token} if token else {}
        with follow(api, analysis_id, headers=headers) as socket:
            assert read_to_end(socket) == ([], 4401, "unauthorized")

    def test_unknown_analysis_is_closed(self, api: RunningApi) -> None:
        job_id = api.submit()
        for unknown in ("none", job_id):
            with follow(api, unknown) as socket:
                assert read_to_end(socket) == ([], 4404, "analysis_not_found")

    def test_cookie_of_the_page_opens_a_socket_from_its_own_origin_alone(
        self, api: RunningApi, analysis_id: str
    ) -> None:
        policy = AccessPolicy(api.token, "127.0.0.1", api.port)
        cookie = {"Cookie": f"{policy.name_cookie(Visit())}={policy.cookie_value}"}
        own = f"http://127.0.0.1:{api.port}"
        with follow(api, analysis_id, headers=cookie, origin=own) as socket:
            assert read(socket)["job_id"] == analysis_id
        foreign = ["http://evil.example", "null", f"http://127.0.0.1:{api.port + 1}", f"{own}.x"]
        for origin in foreign:
            with pytest.raises(InvalidStatus) as refused:
                follow(api, analysis_id, headers=cookie, origin=origin)
            response = refused.value.response
            assert response.status_code == 403
            assert json.loads(response.body or b"")["code"] == "origin_not_allowed"
            assert response.headers["X-Content-Type-Options"] == "nosniff"

    def test_other_host_name_is_refused(self, api: RunningApi, analysis_id: str) -> None:
        with Wire(api.port) as wire:
            request = handshake(f"{V1}/analyses/{analysis_id}/ws", api.token)
            wire.send(request.replace(b"Host: 127.0.0.1", b"Host: evil.example"))
            answer = wire.read_answer()
        assert (answer.status, answer.code) == (403, "host_not_allowed")


def handshake(path: str, token: str, *lines: str) -> bytes:
    key = base64.b64encode(bytes(16)).decode()
    return head(
        "GET",
        path,
        *("Connection: keep-alive, Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *lines),
        token=token,
    )


class TestHandshakes:
    def test_other_paths_ignore_the_upgrade(self, api: RunningApi, analysis_id: str) -> None:
        with Wire(api.port) as wire:
            for path in ("/health", f"{V1}/analyses/{analysis_id}", f"{V1}/jobs/x/ws", "/ws"):
                wire.send(handshake(path, api.token))
                assert wire.read_answer().status in (200, 404)

    def test_socket_opens_on_a_connection_that_had_requests(
        self, api: RunningApi, analysis_id: str
    ) -> None:
        with Wire(api.port) as wire:
            wire.send(head("GET", "/health") * 3)
            wire.send(handshake(f"{V1}/analyses/{analysis_id}/ws", api.token))
            assert [wire.read_answer().status for _ in range(4)] == [200, 200, 200, 101]

    @pytest.mark.parametrize(
        "change",
        [
            (b"Version: 13", b"Version: 8"),
            (b"Sec-WebSocket-Key", b"X-Key"),
            (b"Key: AAAA", b"Key: A"),
            (b"Upgrade: websocket", b"Upgrade: h2c"),
            (b"keep-alive, Upgrade", b"keep-alive"),
            (b"HTTP/1.1", b"HTTP/1.0"),
        ],
        ids=["version", "no key", "short key", "protocol", "connection", "http/1.0"],
    )
    def test_what_is_no_handshake_is_told_what_is(
        self, api: RunningApi, analysis_id: str, change: tuple[bytes, bytes]
    ) -> None:
        request = handshake(f"{V1}/analyses/{analysis_id}/ws", api.token)
        assert change[0] in request
        with Wire(api.port) as wire:
            wire.send(request.replace(*change))
            answer = wire.read_answer()
        assert (answer.status, answer.code) == (426, "upgrade_required")
        assert answer.headers["sec-websocket-version"] == "13"

    def test_post_with_a_body_opens_nothing(self, api: RunningApi, analysis_id: str) -> None:
        request = handshake(f"{V1}/analyses/{analysis_id}/ws", api.token, "Content-Length: 2")
        with Wire(api.port) as wire:
            wire.send(request + b"{}")
            assert wire.read_answer().status == 426
            wire.send(request.replace(b"GET", b"POST") + b"{}")
            assert wire.read_answer().status == 405

    def test_client_that_speaks_before_the_answer_is_cut_off(
        self, api: RunningApi, analysis_id: str
    ) -> None:
        with Wire(api.port) as wire:
            wire.send(handshake(f"{V1}/analyses/{analysis_id}/ws", api.token) + b"\x81\x80\0\0\0\0")
            assert wire.is_closed()

    def test_large_cookies_do_not_hinder(self, api: RunningApi, analysis_id: str) -> None:
        request = handshake(
            f"{V1}/analyses/{analysis_id}/ws", api.token, *(f"Cookie: a={'b' * 20_000}",) * 2
        )
        with Wire(api.port) as wire:
            wire.send(request)
            assert wire.read_answer().status == 101


@pytest.fixture(scope="module")
def hasty(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str
) -> Iterator[OwnServer]:
    """A server with places for four, which pings often and waits for a second or two."""
    patience = HttpTimeouts(ping=0.3, pong=1.0, linger=0.5, unread=1.0, answer=2.0)
    home = tmp_path_factory.mktemp("hasty")
    places = Places(total=8, reserve=2)
    with own_server(home, database_url, redis_url, patience=patience, places=places) as server:
        yield server


@pytest.fixture
def open_wire(hasty: OwnServer, api: RunningApi) -> Iterator[Wire]:
    """A connection on which a socket has just been opened; it does nothing by itself."""
    state = hasty.server.server_state
    assert wait_for(lambda: not state.connections and not state.tasks, seconds=WAIT_SECONDS)
    with hasty.connect(receive_bytes=4096) as wire:
        wire.send(handshake(f"{V1}/analyses/{request_analysis(api)}/ws", hasty.token))
        assert wire.read_answer().status == 101
        assert hasty.has(wire)
        yield wire


def mask(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it, masked with zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload


class TestBounds:
    def test_client_that_answers_no_ping_is_dropped(
        self, hasty: OwnServer, open_wire: Wire
    ) -> None:
        assert wait_for(lambda: not hasty.has(open_wire), seconds=WAIT_SECONDS)

    def test_client_that_answers_pings_stays(self, hasty: OwnServer, api: RunningApi) -> None:
        policy = f"Bearer {hasty.token}"
        with connect(
            f"ws://127.0.0.1:{hasty.port}{V1}/analyses/{request_analysis(api)}/ws",
            additional_headers={"Authorization": policy},
        ) as socket:
            for _ in range(3):  # The row is sent after each silence of 1.5 s: four pings and more.
                assert read(socket)["status"] == "pending"

    @pytest.mark.parametrize("opcode", [0x0, 0x1, 0x2, 0x9, 0xA])
    def test_client_that_floods_is_cut_off(
        self, hasty: OwnServer, open_wire: Wire, opcode: int
    ) -> None:
        open_wire.try_to_send(mask(opcode, b"") * 20_000)
        assert wait_for(lambda: not hasty.has(open_wire), seconds=WAIT_SECONDS)

    def test_large_frame_is_cut_off(self, hasty: OwnServer, open_wire: Wire) -> None:
        open_wire.try_to_send(mask(0x1, b"x" * (MAX_RECEIVED_BYTES + 1)))
        assert wait_for(lambda: not hasty.has(open_wire), seconds=WAIT_SECONDS)

    @pytest.mark.parametrize(
        "data", [b"\x81\x05hello", b"\xff" * 40, mask(0x8, b"\x00"), mask(0xB, b"")]
    )
    def test_frames_against_the_protocol_are_cut_off(
        self, hasty: OwnServer, open_wire: Wire, data: bytes
    ) -> None:
        open_wire.try_to_send(data)
        assert wait_for(lambda: not hasty.has(open_wire), seconds=WAIT_SECONDS)

    def test_few_messages_of_a_client_are_dropped(self, api: RunningApi, analysis_id: str) -> None:
        with follow(api, analysis_id) as socket:
            read(socket)
            socket.send("hello")
            socket.send(b"hello")
            socket.send(iter(["in ", "parts"]))
            finish(api, analysis_id)
            assert read_to_end(socket)[1] == 1000

    def test_sockets_take_the_places_of_connections(
        self, hasty: OwnServer, api: RunningApi
    ) -> None:
        state = hasty.server.server_state
        assert wait_for(lambda: not state.connections and not state.tasks, seconds=WAIT_SECONDS)
        address = f"ws://127.0.0.1:{hasty.port}{V1}/analyses/{request_analysis(api)}/ws"
        headers = {"Authorization": f"Bearer {hasty.token}"}
        with ExitStack() as sockets:
            for _ in range(4):
                sockets.enter_context(connect(address, additional_headers=headers))
            with (
                pytest.raises(InvalidStatus) as refused,
                connect(address, additional_headers=headers),
            ):
                pass
            assert refused.value.response.status_code == 503
        assert wait_for(lambda: not state.connections, seconds=WAIT_SECONDS)
        with connect(address, additional_headers=headers) as socket:
            assert read(socket)["status"] == "pending"

    def test_client_that_leaves_leaves_no_task(self, hasty: OwnServer, open_wire: Wire) -> None:
        open_wire.close()
        state = hasty.server.server_state
        assert wait_for(lambda: not state.connections and not state.tasks, seconds=WAIT_SECONDS)


def test_log_has_a_line_for_each_socket(api: RunningApi, analysis_id: str) -> None:
    with follow(api, analysis_id, headers={}) as socket:
        read_to_end(socket)
    log = api.home / "log" / "api.log"
    path = f"{V1}/analyses/{analysis_id}/ws"

    def read_lines() -> list[dict[str, Any]]:
        lines = [json.loads(one) for one in log.read_text().splitlines() if "close_code" in one]
        return [one for one in lines if one["path"] == path]

    assert wait_for(lambda: bool(read_lines()), seconds=WAIT_SECONDS)
    (line,) = read_lines()
    assert (line["method"], line["status"], line["close_code"]) == ("WEBSOCKET", 101, 4401)
