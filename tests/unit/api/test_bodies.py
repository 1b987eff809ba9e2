"""JSON from strangers: read if it means one thing and is bounded, refused with a code if not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st

from cinemill.api.http.bodies import (
    DEEPEST,
    MOST_VALUES,
    ORDINARY_BYTES,
    TIMELINE_BYTES,
    BoundedRoute,
    read_json,
)
from cinemill.errors import InputRejected

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(documents)
def test_json_is_read_as_it_was_written(document: Any) -> None:
    assert read_json(json.dumps(document).encode()) == document


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:0123456789eE+-. \\u', max_size=60))
def test_whatever_comes_is_read_or_refused(content: bytes | str) -> None:
    with suppress(InputRejected, json.JSONDecodeError):
        read_json(content if isinstance(content, bytes) else content.encode())


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (nested(DEEPEST + 1), "json_too_deep"),
        (nested(900), "json_too_deep"),
        (nested(200_000), "json_too_deep"),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), "json_too_deep"),
        (b"[" * 400_000, "json_too_deep"),
        (b'{"a": 1, "a": 2}', "json_invalid"),
        (b'[{"b": {"a": 1, "a": 1}}]', "json_invalid"),
        (b"NaN", "json_invalid"),
        (b"[-Infinity]", "json_invalid"),
        (b"\xff\xfe{}", "json_invalid"),
        (b"[" + b"1," * MOST_VALUES + b"1]", "json_invalid"),
        (b"1" + b"0" * 5000, "number_out_of_range"),
        (b"1" + b"0" * 30, "number_out_of_range"),
        (b"1e999", "number_out_of_range"),
        (b"-1e999", "number_out_of_range"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_refused_with_a_code(content: bytes, code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        read_json(content)
    assert refused.value.code == code
    assert refused.value.http_status == 422


def test_as_deep_as_allowed() -> None:
    assert read_json(nested(DEEPEST))


def test_every_route_that_reads_a_body_bounds_it() -> None:
    from cinemill.api.app import UNVERSIONED_ROUTERS, V1_ROUTERS

    for router in (*V1_ROUTERS, *UNVERSIONED_ROUTERS):
        # A WebSocket, and what answers other requests to its address, read none.
        others = [route for route in router.routes if not isinstance(route, BoundedRoute)]
        assert {getattr(route, "path", "") for route in others} <= {"/analyses/{analysis_id}/ws"}


def test_route_without_version_allows_bodies_as_large_as_that_of_v1() -> None:
    from cinemill.api.app import UNVERSIONED_ROUTERS, V1_ROUTERS

    versioned, unversioned = (list_limits(routers) for routers in (V1_ROUTERS, UNVERSIONED_ROUTERS))
    assert versioned["/jobs", "POST"] == TIMELINE_BYTES
    common = versioned.keys() & unversioned.keys()
    assert ("/assets/{asset_id}/captions/{language}", "PUT") in common
    assert {key: unversioned[key] for key in common} == {key: versioned[key] for key in common}


def list_limits(routers: Iterable[APIRouter]) -> dict[tuple[str, str], int]:
    return {
        (route.path, method): getattr(route.endpoint, "most_body_bytes", ORDINARY_BYTES)
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
