"""A real HTTP server that plays a language model's: it replies what a test scripts.

A plain module for every suite.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerReply:
    """What the server sends back to one request."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    chunks: Iterable[bytes] | None = None
    """The body in pieces, without a length, where it is streamed."""
    is_broken_off: bool = False
    """The connection ends before the body does."""
    hold: threading.Event | None = None
    """Nothing is sent until this is set."""


@dataclass(frozen=True, slots=True)
class ServerRequest:
    path: str
    headers: dict[str, str]
    document: Any


Script = Callable[[ServerRequest], ServerReply]


@dataclass(slots=True)
class ModelServer:
    """A running server: its address, and what it was asked."""

    url: str = ""
    requests: list[ServerRequest] = field(default_factory=list)


@contextmanager
def serve_replies(*replies: ServerReply | Script) -> Iterator[ModelServer]:
    """Serve these replies, one to each request; the last to all that follow."""
    server = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            document = json.loads(self.rfile.read(length))
            request = ServerRequest(self.path, dict(self.headers), document)
            server.requests.append(request)
            chosen = replies[min(len(server.requests), len(replies)) - 1]
            self._send(chosen(request) if callable(chosen) else chosen)

        def _send(self, reply: ServerReply) -> None:
            if reply.hold is not None:
                reply.hold.wait(60)
            self.close_connection = True
            try:
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                if reply.chunks is None:
                    more = 100 if reply.is_broken_off else 0
                    self.send_header("Content-Length", str(len(reply.body) + more))
                self.send_header("Connection", "close")
                self.end_headers()
                for chunk in [reply.body] if reply.chunks is None else reply.chunks:
                    self.wfile.write(chunk)
                    self.wfile.flush()
            except ConnectionError:
                pass  # the client has read enough

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def reply_json(document: object, status: int = 200, **headers: str) -> ServerReply:
    """Return a reply with a document."""
    named = (
        ("Content-Type", "application/json"),
        *((n.replace("_", "-"), v) for n, v in headers.items()),
    )
    return ServerReply(status, json.dumps(document).encode(), named)


def openai_document(text: str | None, end: str = "stop") -> dict[str, Any]:
    """Return a chat completion as OpenAI's reference describes it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "served-model",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": end}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
    }


def openai_stream(*pieces: str, end: str | None = "stop") -> ServerReply:
    """Return a streamed chat completion."""
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        for piece in pieces
    ]
    if end is not None:
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": end}]})
    events.append({"choices": [], "usage": {"total_tokens": 3}})
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    return ServerReply(
        headers=(("Content-Type", "text/event-stream"),),
        chunks=[b": comment\n\n", *lines, b"data: [DONE]\n\n"],
    )


def anthropic_document(text: str, end: str = "end_turn") -> dict[str, Any]:
    """Return a message as Anthropic's reference describes it."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "served-model",
        "content": [{"type": "text", "text": text}],
        "stop_reason": end,
        "usage": {"input_tokens": 9, "output_tokens": 12},
    }


def anthropic_stream(*pieces: str, end: str | None = "end_turn") -> ServerReply:
    """Return a streamed message."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    events += [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": piece},
        }
        for piece in pieces
    ]
    if end is not None:
        events.append({"type": "message_delta", "delta": {"stop_reason": end}, "usage": {}})
        events.append({"type": "message_stop"})
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    return ServerReply(headers=(("Content-Type", "text/event-stream"),), chunks=lines)
