"""Qdrant for tests: the real client's local mode, and an HTTP server that misbehaves."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient

from cinemill.storage.database import Database
from cinemill.storage.projection.filling import apply_changes, fill_projection, prepare_projection
from cinemill.storage.projection.rows import Projection, begin_projection, switch_projection
from cinemill.storage.projection.server import QdrantServer, open_server
from cinemill.storage.retrieval.models import EmbeddingModel

NO_INDEXES = "ignore:Payload indexes have no effect:UserWarning"
"""Local mode compares every vector, and says so."""


def open_local(folder: Path | None = None) -> QdrantServer:
    """Qdrant in this process: in memory, or in a folder that one process has at a time."""
    client = QdrantClient(":memory:") if folder is None else QdrantClient(path=str(folder))
    return QdrantServer(lambda _seconds: client)


def project(database: Database, server: QdrantServer, model: EmbeddingModel) -> Projection:
    """Fill a projection of a model, and let searches ask it."""
    with database.begin() as connection:
        begun = begin_projection(connection, model)
    begun = prepare_projection(database, server, begun, model)
    fill_projection(database, server, begun, model)
    apply_changes(database, server, model)
    with database.begin() as connection:
        switch_projection(connection, begun)
    return begun


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    key: str | None
    body: Any


@dataclass
class QdrantDouble:
    """A server on a local port whose replies a test chooses."""

    reply: Callable[[Request], tuple[int, bytes]]
    requests: list[Request] = field(default_factory=list)
    url: str = ""


@contextmanager
def run_double(reply: Callable[[Request], tuple[int, bytes]]) -> Iterator[QdrantDouble]:
    double = QdrantDouble(reply)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            request = Request(self.command, self.path, self.headers.get("api-key"), body)
            double.requests.append(request)
            status, content = double.reply(request)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - so the library calls them

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def run_silent() -> Iterator[tuple[str, socket.socket]]:
    """A port that takes connections and never answers: its address, and its socket."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", listening


@contextmanager
def open_closed() -> Iterator[QdrantServer]:
    """A Qdrant whose port refuses connections, and is kept so that nobody else listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        opened = open_server(f"http://127.0.0.1:{taken.getsockname()[1]}", None)
        assert opened is not None
        yield opened
