"""Raw connections to a server, and a server within this process whose patience a test chooses."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinemill.api.app import create_app
from cinemill.api.http.admission import Places
from cinemill.api.http.timeouts import HttpTimeouts
from cinemill.api.server import UvicornServer, open_listener
from cinemill.config import Settings
from cinemill.storage.database import migrate

WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


class Wire:
    """One connection. Its reads wait for up to a minute."""

    def __init__(self, port: int, *, receive_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_SECONDS)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self._unread = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def try_to_send(self, data: bytes) -> bool:
        """Whether the server took all of it."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def read_answer(self) -> Answer:
        """The next answer on this connection, without what may follow it."""
        while b"\r\n\r\n" not in self._unread:
            self._read_more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        size = int(headers.get("content-length", 0))
        while len(self._unread) < size:
            self._read_more()
        body, self._unread = self._unread[:size], self._unread[size:]
        return Answer(int(status_line.split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Wait until the server has closed; False where it says something instead."""
        try:
            return not self._unread and self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _read_more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"closed after {self._unread!r}")
        self._unread += data


def head(method: str, path: str, *lines: str, token: str = "") -> bytes:
    """A request's line and headers, complete."""
    more = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *more, *lines, "", ""]
    ).encode()


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server in a thread of this process, over real sockets, PostgreSQL and Valkey."""

    port: int
    home: Path
    server: UvicornServer

    @property
    def token(self) -> str:
        return (self.home / "token").read_text("ascii").strip()

    def connect(self, **options: Any) -> Wire:
        return Wire(self.port, **options)

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def has(self, wire: Wire) -> bool:
        """Whether the server keeps this connection."""
        name = wire.socket.getsockname()
        connections = list(self.server.server_state.connections)
        return any(getattr(one, "client", None) == name for one in connections)


@contextmanager
def own_server(
    home: Path,
    database_url: str,
    redis_url: str,
    *,
    patience: HttpTimeouts | None = None,
    places: Places | None = None,
) -> Iterator[OwnServer]:
    migrate(database_url)
    listener = open_listener("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    settings = Settings(home=home, database_url=database_url, redis_url=redis_url, port=port)
    app = create_app(settings)
    server = UvicornServer(app, host="127.0.0.1", port=port, patience=patience, places=places)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield OwnServer(port, home, server)
    finally:
        server.should_exit = True
        thread.join()
