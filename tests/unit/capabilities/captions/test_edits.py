"""What a person may write as captions, and what comes out of every file of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.captions.edits import (
    LONGEST_LINE,
    MAX_LINES,
    MAX_TIME_MS,
    MOST_CUES,
    check_cues,
    make_cue,
)
from cinemill.core.text.segmentation import Cue
from cinemill.core.text.subtitle_parser import read_subtitles
from cinemill.errors import InputRejected
from cinemill.media.text_tracks import write_srt, write_vtt


def refuse(*cues: Cue) -> str:
    with pytest.raises(InputRejected) as refused:
        check_cues(cues)
    assert refused.value.code == "captions_invalid"
    return refused.value.message


def test_lines_are_kept_as_they_were_broken_and_cleaned_of_the_rest() -> None:
    written = make_cue(0, 1000, "  Good\t morning,\r\n\n\x07 everybody. ")
    assert written.lines == ("Good morning,", "everybody.")


def test_what_cannot_be_shown_is_named() -> None:
    assert "Caption 1 has no text" in refuse(make_cue(0, 1000, " \n "))
    assert "Caption 1 ends before it begins" in refuse(make_cue(1000, 1000, "a"))
    crossed = refuse(make_cue(0, 2000, "a"), make_cue(1999, 3000, "b"))
    assert crossed == "Caption 2 begins before the one above it ends, at 00:00:02.000."


def test_marks_without_end_are_read_at_once() -> None:
    """To put them in order would take hours."""
    line = "a" + "\u0315\u0327" * 1_000_000
    assert "2000001 characters" in refuse(make_cue(0, 5, line))
    assert make_cue(0, 5, "a\u0327" + " " * 10_000 + "e\u0301").lines == ("a\u0327 é",)


def test_what_no_screen_takes_is_refused() -> None:
    assert refuse(make_cue(0, 1, "a\n" * (MAX_LINES + 1))) == (
        f"Caption 1 has {MAX_LINES + 1} lines; {MAX_LINES} are allowed."
    )
    assert "500 characters" not in refuse(make_cue(5, 5, "a" * LONGEST_LINE))
    assert "501 characters" in refuse(make_cue(0, 5, "a" * (LONGEST_LINE + 1)))
    assert "later than 100 hours" in refuse(make_cue(0, MAX_TIME_MS + 1, "a"))
    assert str(MOST_CUES + 1) in refuse(*[make_cue(0, 5, "a")] * (MOST_CUES + 1))


def test_of_many_faults_the_first_are_told_and_the_rest_counted() -> None:
    message = refuse(*(make_cue(at, at, "a") for at in range(5)))
    assert message.count("Caption") == 3
    assert message.endswith("And 2 more.")


def test_one_may_begin_where_the_one_above_ends_and_none_is_fine_too() -> None:
    check_cues([make_cue(0, 2000, "a"), make_cue(2000, 3000, "b")])
    check_cues([])


@st.composite
def corrections(draw: st.DrawFn) -> list[Cue]:
    moments = sorted(draw(st.sets(st.integers(0, 10**7), max_size=20)))
    texts = st.text(max_size=30).filter(lambda text: make_cue(0, 1, text).lines)
    pairs = zip(moments[::2], moments[1::2], strict=False)
    return [make_cue(start, end, draw(texts)) for start, end in pairs]


@given(corrections())
def test_whatever_is_written_keeps_its_times_in_every_file(cues: list[Cue]) -> None:
    check_cues(cues)
    times = [(cue.start_ms, cue.end_ms) for cue in cues]
    if cues:
        burned = read_subtitles(write_srt(cues).encode())
        assert [(cue.start_ms, cue.end_ms) for cue in burned.cues] == times
    assert write_vtt(cues).count(" --> ") == len(cues)
