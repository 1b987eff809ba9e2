"""A server that speaks Rekognition's JSON protocol on a local port, as strict as its model.

Every request is checked against the service model that botocore carries, with the patterns, bounds
and choices that botocore itself leaves to the service; so is every reply, unless a test breaks one
on purpose.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session  # type: ignore[import-untyped]
from botocore.validate import ParamValidator  # type: ignore[import-untyped]

from cinemill.inference.providers.rekognition.client import (
    AwsAccess,
    RekognitionClient,
    open_client,
)
from cinemill.inference.providers.rekognition.requests import S3Video

PREFIX = "RekognitionService."
MODEL = botocore.session.Session().get_service_model("rekognition")
RESULTS = {
    "GetLabelDetection": "Labels",
    "GetSegmentDetection": "Segments",
    "GetFaceDetection": "Faces",
    "GetTextDetection": "TextDetections",
    "GetContentModeration": "ModerationLabels",
}
VERSIONS: dict[str, dict[str, Any]] = {
    "GetLabelDetection": {"LabelModelVersion": "3.0"},
    "GetSegmentDetection": {
        "SelectedSegmentTypes": [
            {"Type": "TECHNICAL_CUE", "ModelVersion": "2.0"},
            {"Type": "SHOT", "ModelVersion": "2.0"},
        ]
    },
    "GetFaceDetection": {},
    "GetTextDetection": {"TextModelVersion": "3.1"},
    "GetContentModeration": {"ModerationModelVersion": "7.0"},
}
KEY = "AKIDEXAMPLE"
VIDEO = S3Video("films", "talk.mp4", 5_000_000, 60_000)

Fault = Callable[["Exchange"], None]


def find_problems(document: Any, shape: Any) -> list[str]:
    """What the service would refuse: what botocore checks, and what it does not."""
    report = ParamValidator().validate(document, shape)
    if report.has_errors():
        return [report.generate_report()]
    return list(check_values(document, shape, shape.name))


def check_values(document: Any, shape: Any, place: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            for name, value in document.items():
                yield from check_values(value, shape.members[name], f"{place}.{name}")
        case "list":
            yield from check_size(len(document), shape, place)
            for value in document:
                yield from check_values(value, shape.member, f"{place}[]")
        case "string":
            yield from check_text(document, shape, place)
        case "integer" | "long" | "float":
            yield from check_size(document, shape, place)


def check_text(text: str, shape: Any, place: str) -> Iterator[str]:
    yield from check_size(len(text), shape, place)
    pattern = shape.metadata.get("pattern")
    if pattern and not re.search(f"^(?:{pattern})$", text):
        yield f"{place}: {text!r} does not match {pattern}"
    if shape.metadata.get("enum") and text not in shape.metadata["enum"]:
        yield f"{place}: {text!r} is none of {shape.metadata['enum']}"


def check_size(size: float, shape: Any, place: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        yield f"{place}: {size} is not from {least} to {most}"


@dataclass
class Job:
    """A job that a test's client has started."""

    id: str
    operation: str
    request: dict[str, Any]
    polls: int = 0


@dataclass
class Script:
    """What the service does; a test changes it as it likes."""

    results: dict[tuple[str, str | None], list[dict[str, Any]]] = field(default_factory=dict)
    """By operation and ``AggregateBy``."""
    running_polls: int = 0
    end: str = "SUCCEEDED"
    status_message: str = ""
    page_items: int = 1000
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    """By operation; each is used up by one request."""


class Exchange(BaseHTTPRequestHandler):
    """One request; a fault writes to it what it likes."""

    protocol_version = "HTTP/1.1"
    server: RekognitionDouble

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/x-amz-json-1.1"
        assert self.headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/")
        operation = self.headers["X-Amz-Target"].removeprefix(PREFIX)
        request = json.loads(body)
        with self.server.lock:
            self.server.seen.append((operation, request))
            faults = self.server.script.faults[operation]
            fault = faults.pop(0) if faults else None
        if fault is not None:
            fault(self)
            return
        shape = MODEL.operation_model(operation).input_shape
        if problems := find_problems(request, shape):
            self.server.problems += problems
            self.fail("InvalidParameterException", "; ".join(problems))
            return
        with self.server.lock:
            self.server.reply(self, operation, request)

    def succeed(self, operation: str, document: dict[str, Any]) -> None:
        shape = MODEL.operation_model(operation).output_shape
        self.server.problems += find_problems(document, shape)
        self.send(200, json.dumps(document).encode())

    def fail(self, code: str, message: str = "for a reason", status: int = 400) -> None:
        self.send(status, json.dumps({"__type": code, "Message": message}).encode())

    def send(self, status: int, body: bytes, *, stated_bytes: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(stated_bytes or len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = stated_bytes is not None

    def log_message(self, format: str, *args: object) -> None:
        pass


class RekognitionDouble(ThreadingHTTPServer):
    """The service: jobs by token, states, pages, and the faults of its script."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.lock = threading.Lock()
        self.script = Script()
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.problems: list[str] = []
        self.jobs: dict[str, Job] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.seen)

    def reply(self, exchange: Exchange, operation: str, request: dict[str, Any]) -> None:
        if operation.startswith("Start"):
            self._start(exchange, operation, request)
        else:
            self._get(exchange, operation, request)

    def _start(self, exchange: Exchange, operation: str, request: dict[str, Any]) -> None:
        token = request["ClientRequestToken"]
        job = self.jobs.get(token)
        if job is None:
            job = self.jobs[token] = Job(f"{len(self.jobs):064d}", operation, request)
        if (job.operation, job.request) != (operation, request):
            exchange.fail("IdempotentParameterMismatchException")
            return
        exchange.succeed(operation, {"JobId": job.id})

    def _get(self, exchange: Exchange, operation: str, request: dict[str, Any]) -> None:
        job = next((one for one in self.jobs.values() if one.id == request["JobId"]), None)
        if job is None or job.operation != operation.replace("Get", "Start"):
            exchange.fail("ResourceNotFoundException")
            return
        job.polls += 1
        if job.polls <= self.script.running_polls:
            exchange.succeed(operation, {"JobStatus": "IN_PROGRESS"})
            return
        if self.script.end == "FAILED":
            message = self.script.status_message
            exchange.succeed(operation, {"JobStatus": "FAILED", "StatusMessage": message})
            return
        exchange.succeed(operation, self._page(operation, request))

    def _page(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        found = self.script.results.get((operation, request.get("AggregateBy")), [])
        first = int(request.get("NextToken", "page-0").removeprefix("page-"))
        last = first + min(request["MaxResults"], self.script.page_items)
        page = {"JobStatus": "SUCCEEDED", RESULTS[operation]: found[first:last]}
        if last < len(found):
            page["NextToken"] = f"page-{last}"
        return page | VERSIONS[operation]


@contextmanager
def run_double() -> Iterator[RekognitionDouble]:
    """Run the service; at its end, no request and no reply may have broken the model."""
    with RekognitionDouble() as double:
        thread = threading.Thread(target=double.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield double
        finally:
            double.shutdown()
            thread.join()
    assert double.problems == []


def connect(double: RekognitionDouble) -> RekognitionClient:
    """Open a client of the double."""
    return open_client(
        AwsAccess(
            region="eu-west-1",
            endpoint_url=double.url,
            access_key_id=KEY,
            secret_access_key="not a secret",
        )
    )


def half(exchange: Exchange) -> None:
    exchange.send(200, b'{"JobId": "abc", "JobStatus": "SUCCEEDED", "Labels": [{"Lab')


def send(document: Any) -> Fault:
    return lambda exchange: exchange.send(200, json.dumps(document).encode())


def fail(code: str, status: int = 400) -> Fault:
    return lambda exchange: exchange.fail(code, status=status)
