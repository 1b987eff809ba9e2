"""A dead message is read from what anybody may have written, and fits into a row and a page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.dead_messages import (
    LARGEST_SIZE_BYTES,
    LONGEST_EXCERPT,
    LONGEST_NAME,
    DeadMessage,
    read_dead_message,
)
from cinemill.core.job import Failure

MADE = DeadMessage.make(
    queue="default", failure=Failure("code", "Why."), excerpt="nonsense", size_bytes=8
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def read(**changes: Any) -> DeadMessage:
    return read_dead_message(json.dumps({**MADE.to_json(), **changes}))


@given(st.dictionaries(st.sampled_from(sorted(MADE.to_json())), json_values))
def test_dead_message_of_any_document_is_rejected_or_fits(changes: dict[str, Any]) -> None:
    try:
        message = read(**changes)
    except (ValueError, TypeError):
        return
    names = (message.id, message.queue, message.task, message.task_id)
    assert max(map(len, names)) <= LONGEST_NAME
    assert len(message.excerpt) <= LONGEST_EXCERPT
    assert "\x00" not in "".join((*names, message.excerpt))
    assert 0 <= message.size_bytes <= LARGEST_SIZE_BYTES
    assert abs(message.received_at.year - datetime.now(UTC).year) < 100


@pytest.mark.parametrize(
    "moment",
    ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31", "infinity", 5, None],
)
def test_dead_message_with_implausible_time_is_dated_now(moment: object) -> None:
    assert abs(read(received_at=moment).received_at - datetime.now(UTC)) < timedelta(hours=1)


def test_dead_message_time_without_a_zone_is_utc() -> None:
    read_at = read(received_at="2024-02-03T04:05:06").received_at
    assert read_at == datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"failure": [5]},
        {"failure": {"code": 5, "message": ""}},
        {"failure": {}},
        {"id": None},
        {"task": 5},
        {"size_bytes": 1.5},
    ],
)
def test_dead_message_with_a_wrong_type_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        read(**changes)
