"""Captions that a person may write, and the files created from them."""

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


def test_caption_edit_keeps_line_breaks_and_removes_invisible_characters() -> None:
    written = make_cue(0, 1000, "  Good\t morning,\r\n\n\x07 everybody. ")
    assert written.lines == ("Good morning,", "everybody.")


def test_caption_edit_error_names_the_invalid_caption() -> None:
    assert "Caption 1 has no text" in refuse(make_cue(0, 1000, " \n "))
    assert "Caption 1 ends before it begins" in refuse(make_cue(1000, 1000, "a"))
    crossed = refuse(make_cue(0, 2000, "a"), make_cue(1999, 3000, "b"))
    assert crossed == "Caption 2 begins before the one above it ends, at 00:00:02.000."


def test_caption_edit_with_endless_combining_marks_is_rejected_quickly() -> None:
    """Normalizing them would take hours."""
    line = "a" + "\u0315\u0327" * 1_000_000
    assert "2000001 characters" in refuse(make_cue(0, 5, line))
    assert make_cue(0, 5, "a\u0327" + " " * 10_000 + "e\u0301").lines == ("a\u0327 é",)


def test_caption_edit_that_no_screen_can_show_is_rejected() -> None:
    assert refuse(make_cue(0, 1, "a\n" * (MAX_LINES + 1))) == (
        f"Caption 1 has {MAX_LINES + 1} lines; {MAX_LINES} are allowed."
    )
    assert "500 characters" not in refuse(make_cue(5, 5, "a" * LONGEST_LINE))
    assert "501 characters" in refuse(make_cue(0, 5, "a" * (LONGEST_LINE + 1)))
    assert "later than 100 hours" in refuse(make_cue(0, MAX_TIME_MS + 1, "a"))
    assert str(MOST_CUES + 1) in refuse(*[make_cue(0, 5, "a")] * (MOST_CUES + 1))


def test_caption_edit_errors_list_the_first_and_count_the_rest() -> None:
    message = refuse(*(make_cue(at, at, "a") for at in range(5)))
    assert message.count("Caption") == 3
    assert message.endswith("And 2 more.")


def test_caption_edits_may_touch_and_may_be_empty() -> None:
    check_cues([make_cue(0, 2000, "a"), make_cue(2000, 3000, "b")])
    check_cues([])


@st.composite
def corrections(draw: st.DrawFn) -> list[Cue]:
    moments = sorted(draw(st.sets(st.integers(0, 10**7), max_size=20)))
    texts = st.text(max_size=30).filter(lambda text: make_cue(0, 1, text).lines)
    pairs = zip(moments[::2], moments[1::2], strict=False)
    return [make_cue(start, end, draw(texts)) for start, end in pairs]


@given(corrections())
def test_caption_edits_keep_their_times_in_every_file(cues: list[Cue]) -> None:
    check_cues(cues)
    times = [(cue.start_ms, cue.end_ms) for cue in cues]
    if cues:
        burned = read_subtitles(write_srt(cues).encode())
        assert [(cue.start_ms, cue.end_ms) for cue in burned.cues] == times
    assert write_vtt(cues).count(" --> ") == len(cues)
