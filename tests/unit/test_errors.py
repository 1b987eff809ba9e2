"""No sentence is longer than it helps, whatever it quotes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill import telemetry
from cinemill.core.job import Failure, Progress
from cinemill.errors import (
    LONGEST_LOG_TAIL,
    LONGEST_MESSAGE,
    CommandFailed,
    InputRejected,
    clip_tail,
    clip_text,
)

HUGE = "x" * (10 << 20)


@given(st.text(st.characters(exclude_categories=())), st.integers(4, 50))
def test_clipped_text_is_short_and_storable(text: str, most: int) -> None:
    for clipped in (clip_text(text, most), clip_tail(text, most)):
        assert len(clipped) <= most
        assert "\x00" not in clipped
        clipped.encode()


def test_short_text_stays_as_it_is_and_long_text_keeps_its_ends() -> None:
    assert clip_text("Der Film fehlt: 映画.mp4") == "Der Film fehlt: 映画.mp4"
    clipped = clip_text(f"begin{HUGE}end")
    assert clipped.startswith("begin")
    assert clipped.endswith("end")


def test_errors_failures_and_events_are_bounded_where_they_are_made() -> None:
    error = InputRejected(HUGE, hint=HUGE)
    assert len(str(error)) == len(error.message) == len(error.hint) == LONGEST_MESSAGE
    assert len(CommandFailed("no", exit_code=1, log_tail=HUGE).log_tail) == LONGEST_LOG_TAIL
    failure = Failure(HUGE, HUGE, HUGE, HUGE)
    assert len(json.dumps(failure.to_json())) < 2 * (LONGEST_LOG_TAIL + LONGEST_MESSAGE)
    assert len(json.dumps(Progress("id", "kind", "running", 1.0, HUGE, HUGE).to_json())) < 5000


def test_event_of_an_undecodable_filename_can_be_written() -> None:
    document = Progress("id", "kind", "running", 1.0, "bad\udcff\x00name").to_json()
    assert json.dumps(document, ensure_ascii=False).encode()


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "test.log"
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    telemetry.configure_logging("test", log_file=path)
    yield path
    for handler in logging.getLogger().handlers:
        handler.close()
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize(
    "value",
    [HUGE, [HUGE], {"a": {HUGE: 1}}, 10**5000, HUGE.encode(), ValueError(HUGE)],
    ids=["text", "list", "object", "number", "bytes", "error"],
)
def test_log_line_is_bounded(log_file: Path, value: object) -> None:
    telemetry.get_logger("test.bounds").warning("event", what=value)
    logging.getLogger("test.bounds").warning("%s", value if value != 10**5000 else HUGE)
    lines = log_file.read_text().splitlines()
    assert len(lines) == 2
    assert all(len(line) < 10_000 and json.loads(line) for line in lines)
