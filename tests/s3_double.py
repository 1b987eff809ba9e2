"""A server that holds objects as S3 does, on a local port: HEAD, PUT in one or many parts, DELETE.

Only what boto3's own transfer sends, read as S3 reads it: also bodies in ``aws-chunked`` pieces.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "AKIDEXAMPLE"


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Double

    def _begin(self) -> tuple[str, dict[str, list[str]], bytes]:
        parts = urlsplit(self.path)
        body = self._read_body()
        assert f"Credential={KEY}/" in self.headers["Authorization"]
        name = unquote(parts.path).lstrip("/")
        with self.server.lock:
            self.server.seen.append((self.command, name))
        return name, parse_qs(parts.query, keep_blank_values=True), body

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            return _read_pieces(body)
        return body

    def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("Content_Length", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        name, _, _ = self._begin()
        content = self.server.objects.get(name)
        if content is None:
            self._send(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()

    def do_PUT(self) -> None:
        name, query, body = self._begin()
        if self.server.refusal is not None:
            self._fail(*self.server.refusal)
            return
        if "partNumber" in query:
            self.server.parts[int(query["partNumber"][0])] = body
        else:
            self.server.keep(name, body)
        self._send(200, ETag='"0"')

    def do_POST(self) -> None:
        name, query, _ = self._begin()
        if "uploads" in query:
            xml = "<InitiateMultipartUploadResult><UploadId>1</UploadId>"
            self._send(200, f"{xml}</InitiateMultipartUploadResult>".encode())
            return
        parts = self.server.parts
        self.server.keep(name, b"".join(parts[number] for number in sorted(parts)))
        parts.clear()
        self._send(200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")

    def do_DELETE(self) -> None:
        name, query, _ = self._begin()
        if "uploadId" in query:
            self.server.parts.clear()
        else:
            self.server.objects.pop(name, None)
        self._send(204)

    def _fail(self, status: int, code: str) -> None:
        xml = f"<Error><Code>{code}</Code><Message>for a reason</Message></Error>"
        self._send(status, xml.encode(), Content_Type="application/xml")

    def log_message(self, format: str, *args: object) -> None:
        pass


def _read_pieces(body: bytes) -> bytes:
    """Return what ``aws-chunked`` carries: sizes in hex, each before its piece."""
    content = b""
    while True:
        line, _, body = body.partition(b"\r\n")
        size = int(re.split(rb";", line)[0], 16)
        if not size:
            return content
        content, body = content + body[:size], body[size + 2 :]


class S3Double(ThreadingHTTPServer):
    """The service: objects by ``bucket/key``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.lock = threading.Lock()
        self.objects: dict[str, bytes] = {}
        self.parts: dict[int, bytes] = {}
        self.sizes: list[int] = []
        """Of everything that was uploaded, in bytes."""
        self.seen: list[tuple[str, str]] = []
        self.refusal: tuple[int, str] | None = None
        """Status and code with which every upload is refused."""

    @property
    def uploads(self) -> int:
        return len(self.sizes)

    def keep(self, name: str, content: bytes) -> None:
        self.objects[name] = content
        self.sizes.append(len(content))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def run_s3() -> Iterator[S3Double]:
    """Run the service."""
    with S3Double() as double:
        thread = threading.Thread(target=double.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield double
        finally:
            double.shutdown()
            thread.join()
