"""A vision model's server on a local port: its models, and the answers that a test scripts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "vision-1"
REQUEST_ID = "b3b1f1de-0000-4000-8000-000000000001"
Answer = Callable[["VisionExchange"], None]


class VisionExchange(BaseHTTPRequestHandler):
    """One request; an answer writes to it what it likes."""

    protocol_version = "HTTP/1.1"
    server: VisionDouble

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif self.path == f"/v2/nvcf/pexec/status/{REQUEST_ID}":
            with self.server.lock:
                self.server.polls += 1
                answer = self.server.answers.pop(0)
            answer(self)
        else:
            self.send(404, {"error": "unknown"})

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(document)
            answer = self.server.answers.pop(0) if self.server.answers else describe()
        answer(self)

    def send(self, status: int, document: Any, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # the client was killed

    def log_message(self, format: str, *args: object) -> None:
        pass


class VisionDouble(ThreadingHTTPServer):
    """The server; ``answers`` are used up one by one, then it describes what it sees."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), VisionExchange)
        self.lock = threading.Lock()
        self.answers: list[Answer] = []
        self.asked: list[dict[str, Any]] = []
        self.polls = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def describe(text: str = "A test pattern.", *, model: str = MODEL, finish: str = "stop") -> Answer:
    """Answer with a description and one label."""
    content = json.dumps({"description": text, "labels": ["pattern"]})
    completion = {
        "model": model,
        "choices": [{"message": {"content": content}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 500, "completion_tokens": 20},
    }
    return lambda exchange: exchange.send(200, completion)


def refuse(status: int, **headers: str) -> Answer:
    """Answer with an error."""
    return lambda exchange: exchange.send(status, {"error": "for a reason"}, **headers)


def answer_later(exchange: VisionExchange) -> None:
    """Answer that the request is accepted, and is to be asked for."""
    exchange.send(202, b"", NVCF_REQID=REQUEST_ID)


def answer_half(exchange: VisionExchange) -> None:
    """Answer with half of a JSON document."""
    exchange.send(200, b'{"choices": [{"message": {"cont')


@contextmanager
def run_vision() -> Iterator[VisionDouble]:
    """Run the server."""
    with VisionDouble() as double:
        thread = threading.Thread(target=double.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield double
        finally:
            double.shutdown()
            thread.join()
