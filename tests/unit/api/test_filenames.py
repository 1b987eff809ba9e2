"""A user's filename is shown, never used as a path."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.api.upload.filenames import DEFAULT, MAX_LENGTH, clean_filename


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("film.mp4", "film.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\holiday.mov", "holiday.mov"),
        ("/absolute/film.mkv", "film.mkv"),
        ("two\nlines\r\n.mp4", "two lines .mp4"),
        ("bell\x07 and \x00nul.mp4", "bell and nul.mp4"),
        ("🎬 Ferien 👩‍👩‍👧 2026.mp4", "🎬 Ferien 👩‍👩‍👧 2026.mp4"),
        ("фильм 映画 ملف.mp4", "фильм 映画 ملف.mp4"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("zero\u200bwidth\ufeff.mp4", "zerowidth.mp4"),
        ("lone \ud800 surrogate.mp4", "lone surrogate.mp4"),
        ("  padded  .mp4  ", "padded .mp4"),
        ("", DEFAULT),
        (".", DEFAULT),
        ("..", DEFAULT),
        ("films/", DEFAULT),
        ("\n\t", DEFAULT),
    ],
)
def test_names_are_made_fit_to_show(given_name: str, shown: str) -> None:
    assert clean_filename(given_name) == shown


def test_long_name_keeps_its_extension() -> None:
    shown = clean_filename("x" * 400 + ".webm")
    assert len(shown) == MAX_LENGTH
    assert shown.endswith("x.webm")


def test_what_only_looks_like_an_extension_is_cut() -> None:
    assert len(clean_filename("a." + "b" * 400)) == MAX_LENGTH


@given(st.text(max_size=600))
def test_any_text_becomes_one_short_line_that_is_no_path(name: str) -> None:
    shown = clean_filename(name)
    assert 0 < len(shown) <= MAX_LENGTH
    assert not set(shown) & {"/", "\\", "\n", "\r", "\x00"}
    assert shown.strip(". ")
    assert all(unicodedata.category(character) not in {"Cc", "Cs"} for character in shown)


@given(st.text(max_size=600))
def test_clean_name_stays_as_it_is(name: str) -> None:
    assert clean_filename(clean_filename(name)) == clean_filename(name)
