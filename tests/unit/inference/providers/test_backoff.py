"""Pauses before a service is asked again, and the text that services write."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.inference.providers.backoff import choose_delay_seconds, read_retry_after
from cinemill.inference.providers.text import clean_text


def choose(attempts: int, key: str) -> float:
    return choose_delay_seconds(attempts, key, first_seconds=2, longest_seconds=60)


@given(attempts=st.integers(0, 10**6), key=st.text())
def test_pause_is_bounded_and_follows_from_its_arguments(attempts: int, key: str) -> None:
    whole = min(2.0 * 2 ** min(attempts, 20), 60)
    assert whole / 2 <= choose(attempts, key) <= whole
    assert choose(attempts, key) == choose(attempts, key)


def test_jobs_that_were_throttled_together_come_back_apart() -> None:
    assert len({choose(3, f"job {number}") for number in range(20)}) > 10


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("nan", None),
        ("inf", None),
        ("7", 7.0),
        ("-3", 0.0),
        ("1e9", 300.0),
    ],
)
def test_retry_after_is_read_within_bounds(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header, longest_seconds=300) == seconds


@given(text=st.text(), most=st.integers(4, 50))
def test_text_is_one_line_of_visible_characters(text: str, most: int) -> None:
    cleaned = clean_text(text, most_characters=most)
    assert len(cleaned) <= most
    assert not any(unicodedata.category(one) in {"Cc", "Cf", "Co", "Cs"} for one in cleaned)
    assert cleaned.split() == cleaned.split(" ") or cleaned == ""
