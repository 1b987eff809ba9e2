"""Cursors: what was encoded is read again, and anything else is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.api.models.pages import (
    LONGEST_CURSOR,
    CursorInvalid,
    cut_page,
    decode_cursor,
    decode_index,
    decode_position,
    encode_cursor,
    encode_position,
)
from cinemill.core.page_position import PagePosition

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
TIMES = st.datetimes(timezones=st.just(timezone(timedelta(hours=2)))).filter(
    lambda at: 1 < at.year < 9999
)


@given(st.lists(TEXTS, max_size=4))
def test_cursor_holds_its_parts(parts: list[str]) -> None:
    assert decode_cursor(encode_cursor(*parts), len(parts)) == parts


@given(TIMES, TEXTS)
def test_cursor_holds_a_position(at: datetime, entry_id: str) -> None:
    position = decode_position(encode_position(at, entry_id))
    assert position == PagePosition(at.astimezone(UTC), entry_id)
    assert decode_position(None) is None


@given(st.one_of(st.text(max_size=LONGEST_CURSOR), st.text("ABCabc012-_=", max_size=50)))
def test_any_text_is_a_cursor_or_refused_as_one(text: str) -> None:
    for decode in (
        decode_position,
        partial(decode_index, version="v"),
        partial(decode_cursor, count=1),
    ):
        with suppress(CursorInvalid):  # a cursor by chance
            decode(text)


@pytest.mark.parametrize(
    "cursor",
    [
        encode_cursor("2026-01-02T03:04:05", "no time zone"),
        encode_cursor("0001-01-01T00:00:00+14:00", "before all time"),
        encode_cursor("9999-12-31T23:59:59-14:00", "after all time"),
        encode_cursor("yesterday", "x"),
        encode_cursor("2026-01-02T03:04:05+00:00", "a\x00b"),
        encode_cursor("2026-01-02T03:04:05+00:00"),
        "W" * LONGEST_CURSOR,
        "",
    ],
)
def test_position_that_cannot_be_is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        decode_position(cursor)


def test_index_belongs_to_one_version() -> None:
    assert decode_index(encode_cursor("v1", "7"), "v1") == 7
    assert decode_index(None, "v1") == 0
    for cursor in (encode_cursor("v2", "7"), encode_cursor("v1", "-7"), encode_cursor("v1", "²")):
        with pytest.raises(CursorInvalid):
            decode_index(cursor, "v1")


@given(st.lists(st.integers()), st.integers(1, 10))
def test_page_has_at_most_limit_entries(found: list[int], limit: int) -> None:
    page, has_more = cut_page(found, limit)
    assert page == found[:limit]
    assert has_more == (len(found) > limit)
