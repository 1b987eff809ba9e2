"""Requests that schemathesis makes of the OpenAPI document, spoiled or not.

No answer is a 5xx, and none has a status, a media type, a header or a body that the document does
not describe.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, GenerationMode
from schemathesis import Case as AnyCase
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cinemill.api.app import UNVERSIONED_ROUTERS
from cinemill.api.routes import pages
from cinemill.storage.database import Database

from .conftest import FILM_HEAD, RunningApi
from .test_sockets import request_analysis

MOST_EXAMPLES = int(os.environ.get("CINEMILL_TEST_EXAMPLES", "5"))
"""For each operation and mode; ``make fuzz`` asks for many more."""
SPOILERS = ("\x00", "a\x00b", "\ud800", "a\udfffb", "\udfff\ud800")
ODD = (*SPOILERS, "", " ", "..", "-1", "1e400", "nan", "9" * 400, "\U0010ffff", "%", "x" * 600)
PARAMETERS = ("limit", "before", "cursor", "kind", "status", "priority", "reason", "params", "name")
BOUNDARY = "generated-request-boundary"
FORM = "multipart/form-data"
CONFORMANCE = (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Ids = Mapping[str, str]
Operation = APIOperation[Any, Any, Any, Any]
Case = AnyCase[Any]


@pytest.fixture
def ids(api: RunningApi, library: Database) -> Ids:
    """Ids by the names of path parameters: many branches begin behind an id that there is."""
    job_id = api.submit()
    asset_id = api.http.get(f"/api/v1/jobs/{job_id}").json()["asset_id"]
    return {
        "job_id": job_id,
        "task_id": job_id,
        "asset_id": asset_id,
        "analysis_id": request_analysis(api),
        "kind": "source",
        "language": "en",
    }


def list_operations(api: RunningApi) -> Iterator[Operation]:
    schema = schemathesis.openapi.from_dict(api.http.get("/openapi.json").json())
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def make_strategy(operation: Operation) -> st.SearchStrategy[Case]:
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))


def spoil(value: Any, spoiler: str, place: int) -> Any:
    """Return the value with one of its texts or names, chosen by ``place``, spoiled."""
    if isinstance(value, dict) and value:
        name = sorted(value, key=str)[place % len(value)]
        if place % 5 == 4:
            return {**value, f"{name}{spoiler}": value[name]}
        return {**value, name: spoil(value[name], spoiler, place // 2)}
    if isinstance(value, list) and value:
        at = place % len(value)
        return [*value[:at], spoil(value[at], spoiler, place // 2), *value[at + 1 :]]
    return f"{value}{spoiler}" if isinstance(value, str) and place % 2 else spoiler


def write_target(case: Case, ids: Ids, draw: st.DataObject) -> str:
    """Return path and query, in percent encoding also where the text is none."""
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        known = name in ids and draw.draw(st.booleans())
        path = path.replace(f"{{{name}}}", _quote(ids[name] if known else value))
    pairs = [
        f"{_quote(name)}={_quote(one)}"
        for name, value in (case.query or {}).items()
        for one in (value if isinstance(value, list) else [value])
    ]
    return f"{path}?{'&'.join(pairs)}"[:8000]


def _quote(value: object) -> str:
    return quote(str(value), safe="", errors="surrogatepass")


def write_body(case: Case) -> tuple[bytes, dict[str, str]]:
    body, media_type = case.body, case.media_type
    if media_type is None:
        return b"", {}
    if media_type == FORM:
        return _write_form(body), {"Content-Type": f"{FORM}; boundary={BOUNDARY}"}
    if isinstance(body, str | bytes) and media_type != "application/json":
        return _encode(body), {"Content-Type": media_type}
    return json.dumps(body, default=str).encode(), {"Content-Type": media_type}


def _write_form(body: Any) -> bytes:
    fields = body if isinstance(body, dict) else {"file": FILM_HEAD}
    parts = []
    for name, value in fields.items():
        file = f'; filename="{value!r:.200}.mkv"' if name == "file" else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        content = FILM_HEAD + os.urandom(9) if name == "file" else _encode(value)
        parts.append(_encode(head) + content + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def _encode(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def write_headers(case: Case) -> list[tuple[bytes, bytes]]:
    """Return those that HTTP can have; without the token's, which are the client's."""
    found = ((name, _encode(value)) for name, value in (case.headers or {}).items())
    kept = ("accept", "if-match", "idempotency-key", "last-event-id")
    return [
        (name.encode(), value.strip())
        for name, value in found
        if name.lower() in kept and not {0, 10, 13} & set(value)
    ]


def send(api: RunningApi, case: Case, ids: Ids, draw: st.DataObject) -> httpx.Response:
    content, headers = write_body(case)
    lines = [(name.encode(), _encode(value)) for name, value in headers.items()]
    lines += write_headers(case)
    target = write_target(case, ids, draw)
    with api.http.stream(case.method, target, content=content, headers=lines) as answer:
        if "event-stream" not in answer.headers.get("content-type", ""):
            answer.read()
        return answer


def check_described(case: Case, answer: httpx.Response) -> None:
    """Fail where the document does not describe the answer."""
    if not answer.is_stream_consumed:
        return  # a stream of events, whose start is checked as that of every answer
    # Of the request only the operation matters, and a spoiled one can be no case of schemathesis.
    names = re.findall(r"{(\w+)}", case.path)
    bare = case.operation.Case(method=case.method, path_parameters=dict.fromkeys(names, "any"))
    try:
        bare.validate_response(answer, checks=list(CONFORMANCE))
    except (Failure, FailureGroup) as failure:
        found = [one.message for one in getattr(failure, "exceptions", [failure])]
        raise AssertionError(f"{case.method} {answer.url}: {found!s:.1500}") from None


def check_operation(api: RunningApi, operation: Operation, ids: Ids) -> Counter[int]:
    """Return how many answers had which status."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=MOST_EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=make_strategy(operation), draw=st.data())
    def check(case: Case, draw: st.DataObject) -> None:
        if draw.draw(st.booleans()):
            spoiler, place = draw.draw(st.sampled_from(SPOILERS)), draw.draw(st.integers(0, 60))
            if case.media_type is not None:
                case.body = spoil(case.body, spoiler, place)
            elif case.query:
                case.query = spoil(case.query, spoiler, place)
            elif case.path_parameters:
                name = sorted(case.path_parameters)[place % len(case.path_parameters)]
                case.path_parameters[name] = spoiler
        answer = send(api, case, ids, draw)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (
            f"{case.method} {answer.url} {case.body!r:.500}: {answer.status_code}"
        )
        check_described(case, answer)

    check()
    return statuses


def test_no_request_is_answered_as_a_fault_of_ours(api: RunningApi, ids: Ids) -> None:
    failures, statuses, asked = [], Counter[int](), 0
    for operation in list_operations(api):
        asked += 1
        try:
            statuses += check_operation(api, operation, ids)
        except AssertionError as failure:
            failures.append(f"{operation.label}: {failure}")
    assert failures == []
    # Neither are all of them refused at the door.
    assert asked > 60
    assert sum(statuses[one] for one in (200, 201, 202, 204)) > asked, statuses
    assert statuses[422] > asked // 2, statuses


def list_undescribed() -> list[tuple[str, str]]:
    """Return methods and paths of the routes that the OpenAPI document leaves out."""
    found = [
        (method, route.path)
        for router in (*UNVERSIONED_ROUTERS, pages.router)
        for route in router.routes
        if isinstance(route, APIRoute) and not route.include_in_schema
        for method in sorted(route.methods or ())
    ]
    # What is deleted is asked for first.
    return sorted(found, key=lambda one: one[0] == "DELETE")


def fill_path(path: str, odd: str, ids: Ids) -> str:
    """Return the path with ids that there are where it has some, and else with an odd value."""
    return re.sub(r"{(\w+)[^}]*}", lambda name: _quote(ids.get(name[1], odd)), path)


def send_odd(api: RunningApi, method: str, path: str, odd: str) -> httpx.Response:
    query = "&".join(f"{name}={_quote(odd)}" for name in PARAMETERS)
    with api.http.stream(
        method,
        f"{path}?{query}",
        content=json.dumps(dict.fromkeys(PARAMETERS, odd)).encode(),
        headers={"Content-Type": "application/json"},
    ) as answer:
        return answer


def test_no_undescribed_request_is_answered_as_a_fault_of_ours(api: RunningApi, ids: Ids) -> None:
    statuses: Counter[int] = Counter()
    routes = list_undescribed()
    assert len(routes) > 20
    for method, path in routes:
        for odd in ODD:
            for known in (ids, {}):
                answer = send_odd(api, method, fill_path(path, odd, known), odd)
                statuses[answer.status_code] += 1
                assert answer.status_code < 500, f"{method} {answer.url}: {answer.status_code}"
    assert statuses[200] > len(routes), statuses
    assert statuses[404] > len(routes), statuses
    assert statuses[422] > len(routes), statuses


def test_events_are_as_described(api: RunningApi, ids: Ids) -> None:
    asked: dict[str, dict[str, Any]] = {
        "GET /api/v1/jobs/{job_id}/events": {"path_parameters": {"job_id": ids["job_id"]}},
        "POST /api/v1/ask": {
            "body": {"question": "Who lives in Oslo?"},
            "media_type": "application/json",
            "headers": {"Accept": "text/event-stream"},
        },
    }
    api.settle(
        ids["job_id"], "completed", progress="100", message="'Done'", finished_at="now()"
    )  # so that its events end
    found = {one.label: one for one in list_operations(api) if one.label in asked}
    assert found.keys() == asked.keys()
    for label, operation in found.items():
        case = operation.Case(**asked[label])
        answer = api.http.request(
            case.method, case.formatted_path, json=asked[label].get("body"), headers=case.headers
        )
        assert answer.text.count("event: ") > 0
        check_described(case, answer)
