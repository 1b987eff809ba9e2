"""Celery messages as stock clients send them, and broken ones. A plain module for every suite."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

Path = tuple[str | int, ...]

EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
DEEPEST_PATH = 20
"""Recursion stays far from Python's limit, or the drawn values would depend on the stack."""
TYPED = {"__type__": "datetime", "__value__": "no time at all"}


def make_message(
    task: Any = "get_queue_stats",
    args: Any = (),
    kwargs: Any = None,
    *,
    embed: Any = EMBED,
    **headers: Any,
) -> dict[str, Any]:
    """Return an envelope of protocol 2; ``headers`` replace its usual ones."""
    task_id = headers.get("id", str(uuid4()))
    return {
        "body": encode_body([args, kwargs or {}, embed]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": task,
            "id": task_id,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": task_id,
            "parent_id": None,
            "argsrepr": "()",
            "kwargsrepr": "{}",
            "origin": "gen1@somewhere",
            "ignore_result": False,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
            **headers,
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": str(uuid4()),
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "default"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }


def encode_body(body: Any) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


def nest(depth: int) -> Any:
    """Return lists nested to this depth."""
    nested: Any = []
    for _ in range(depth - 1):
        nested = [nested]
    return nested


def list_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths to all elements of a JSON value, down to a maximum depth."""
    yield path
    if len(path) >= DEEPEST_PATH:
        return
    if isinstance(value, dict):
        for name, one in value.items():
            yield from list_paths(one, (*path, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from list_paths(one, (*path, index))


def replace_at(document: Any, path: Path, value: Any) -> Any:
    """Return a copy with another value at that path."""
    if not path:
        return value
    changed = copy.copy(document)
    changed[path[0]] = replace_at(changed[path[0]], path[1:], value)
    return changed


odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 2**31, 2**63, 10**400, -(10**400), 0.5, 1e308]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.sampled_from(["", "\x00", "\ud800", "x" * 70_000, "1e999", "2999-01-01", "0001-01-01"]),
    st.sampled_from(["zlib", "pickle", "application/x-python-serialize", "rot13", "utf-16"]),
    st.sampled_from([[], {}, [[]], {"a": {}}, TYPED, [None] * 1000, nest(40), nest(300)]),
    st.text(max_size=20),
    st.integers(),
)


@st.composite
def broken_items(draw: st.DrawFn) -> bytes:
    """Draw items that may be in a list of Redis: mutations of a real message, and any bytes."""
    task = draw(
        st.sampled_from(["get_queue_stats", "process_video", "step.probe_source", "no_such_task"])
    )
    document: Any = make_message(task, draw(st.sampled_from([[], ["film.mp4"], [{}]])))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(list_paths(document))))
        document = replace_at(document, path, draw(odd_values))
    if draw(st.booleans()) and isinstance(document, dict):
        body: Any = [[], {}, EMBED]
        path = draw(st.sampled_from(list(list_paths(body))))
        # A copy: it may be one of the odd values, which other examples use too.
        document = {**document, "body": encode_body(replace_at(body, path, draw(odd_values)))}
    item = json.dumps(document).encode()
    cut = draw(st.one_of(st.just(len(item)), st.integers(0, len(item))))
    return draw(st.sampled_from([item, item[:cut], item[cut:], b"[" * 100_000]))


any_items = st.one_of(broken_items(), broken_items(), st.binary(max_size=200))
