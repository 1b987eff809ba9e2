"""A real little HTTP server whose answers each test writes itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cinemill.client import Client

Answer = Callable[["Exchange"], None]


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Exchange(BaseHTTPRequestHandler):
    """One request; a test's answer writes to it with these methods."""

    protocol_version = "HTTP/1.1"
    server: LittleServer

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError):
            self.close_connection = True

    def _answer(self) -> None:
        body = self._read_body()
        path = self.path.partition("?")[0]
        seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        with self.server.lock:
            self.server.seen.append(seen)
            answers = self.server.answers[f"{self.command} {path}"]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def _read_body(self) -> bytes:
        left = int(self.headers.get("Content-Length", 0))
        if not self.server.discards_bodies:
            return self.rfile.read(left)
        while left > 0:
            left -= len(self.rfile.read(min(left, 65536)))
        return b""

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 – names of the standard library

    def log_message(self, format: str, *args: object) -> None:
        pass

    def begin(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send_json(
        self, document: Any, status: int = 200, media_type: str = "application/json"
    ) -> None:
        body = json.dumps(document).encode()
        self.begin(status, Content_Type=media_type, Content_Length=len(body))
        self.wfile.write(body)

    def send_events(self, *pieces: str, break_off: bool = False) -> None:
        """An event stream of these pieces of text; ``break_off`` ends it in mid-chunk."""
        self.begin(200, Content_Type="text/event-stream", Transfer_Encoding="chunked")
        for piece in pieces:
            data = piece.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        if not break_off:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True


class LittleServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.lock = threading.Lock()
        self.seen: list[Seen] = []
        self.discards_bodies = False
        self.answers: dict[str, list[Answer]] = {}

    def on(self, request: str, *answers: Answer) -> None:
        """``request`` is e.g. ``GET /jobs``; answers are used up in turn, the last one stays."""
        self.answers[request] = list(answers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[LittleServer]:
    with LittleServer() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def client(server: LittleServer) -> Iterator[Client]:
    with Client(server.url, "the-token") as client:
        yield client
