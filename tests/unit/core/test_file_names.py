"""A user's file name is shown, never used as a path, and what is named after it fits every disk."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.text.file_names import (
    DEFAULT,
    LONGEST_BYTES,
    PORTABLE_BYTES,
    clean_filename,
    cut,
    derive_name,
    make_portable,
    make_stem,
)

FAMILY = "👩\u200d👩\u200d👧"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
RENDITION = "-2160p-h264.mp4"


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("film.mp4", "film.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\holiday.mov", "holiday.mov"),
        ("/absolute/film.mkv", "film.mkv"),
        ("two\nlines\r\n.mp4", "two lines .mp4"),
        ("bell\x07 and \x00nul.mp4", "bell and nul.mp4"),
        (f"🎬 Ferien {FAMILY} 2026.mp4", f"🎬 Ferien {FAMILY} 2026.mp4"),
        ("фильм 映画 ملف.mp4", "фильм 映画 ملف.mp4"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("\u2066isolated\u2069.mp4", "isolated.mp4"),
        ("zero\u200bwidth\ufeff.mp4", "zerowidth.mp4"),
        (f"{SCOTLAND}{SCOTLAND}.mp4", f"{SCOTLAND}{SCOTLAND}.mp4"),
        # Tags elsewhere hide what nobody sees.
        (f"a{SCOTLAND[1:]}.mp4", "a.mp4"),
        (f"{SCOTLAND[:-1]}.mp4", f"{SCOTLAND[0]}.mp4"),
        ("lone \ud800 surrogate.mp4", "lone surrogate.mp4"),
        ("  padded  .mp4  ", "padded .mp4"),
        ("dots at its end.mp4...", "dots at its end.mp4"),
        ("", DEFAULT),
        (".", DEFAULT),
        ("..", DEFAULT),
        ("films/", DEFAULT),
        ("\n\t", DEFAULT),
    ],
)
def test_names_are_made_fit_to_show(given_name: str, shown: str) -> None:
    assert clean_filename(given_name) == shown


@pytest.mark.parametrize("letter", ["x", "é", "映", "🎬"])
def test_long_name_keeps_its_extension_and_fits_in_bytes(letter: str) -> None:
    shown = clean_filename(letter * 400 + ".webm")
    assert LONGEST_BYTES - len(letter.encode()) < len(shown.encode()) <= LONGEST_BYTES
    assert shown.endswith(f"{letter}.webm")


@pytest.mark.parametrize("extension", ["b" * 400, "0" * 400 + "a", "0" * 400])
def test_what_only_looks_like_an_extension_is_cut(extension: str) -> None:
    assert clean_filename(f"a.{extension}") == f"a.{extension}"[:LONGEST_BYTES]


LONG_ENDS = st.from_regex(r"[a-z. ]{0,9}\.[0-9]{0,400}[0-9A-Za-z]{0,9}", fullmatch=True)


@given(st.text(max_size=600) | LONG_ENDS)
def test_any_text_becomes_one_short_line_that_is_no_path(name: str) -> None:
    shown = clean_filename(name)
    assert 0 < len(shown.encode()) <= LONGEST_BYTES
    assert not set(shown) & {"/", "\\", "\n", "\r", "\x00"}
    assert shown.strip(". ")
    assert shown[-1] not in ". "
    assert all(unicodedata.category(character) not in {"Cc", "Cs"} for character in shown)


@given(st.text(max_size=600))
def test_clean_name_stays_as_it_is(name: str) -> None:
    assert clean_filename(clean_filename(name)) == clean_filename(name)


@pytest.mark.parametrize(
    ("text", "most_bytes", "begun"),
    [
        ("abc", 2, "ab"),
        ("映画", 5, "映"),
        # A letter keeps its accents, an emoji its skin and its family.
        ("xe\u0301y", 3, "x"),
        ("हिन्दी", 8, "हि"),
        ("a👋🏽", 6, "a"),
        (f"a{FAMILY}", 12, "a"),
        ("a🇩🇪🇫🇷", 5, "a"),
        ("a🇩🇪🇫🇷", 9, "a🇩🇪"),
        ("a🇩🇪🇫🇷", 13, "a🇩🇪"),
        (f"a{SCOTLAND}b", 28, "a"),
        # Nothing but accents: some are better than none.
        ("\u0301" * 9, 6, "\u0301" * 3),
    ],
)
def test_text_is_cut_between_what_people_see(text: str, most_bytes: int, begun: str) -> None:
    assert cut(text, most_bytes) == begun


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("film.mp4", "film.mp4"),
        ("a:b*c?.mp4", "a_b_c_.mp4"),
        ('say "hi" <now>|.mp4', "say _hi_ _now_.mp4"),
        ("CON.mp4", "_CON.mp4"),
        ("nul", "_nul"),
        ("com1.tar.mp4", "_com1.tar.mp4"),
        ("lpt² .mp4", "_lpt² .mp4"),
        ("console.mp4", "console.mp4"),
        (".hidden.mp4", "hidden.mp4"),
        ("-rf.mp4", "_-rf.mp4"),
        ("~root", "_~root"),
        ("हिन्दी फ़िल्म.mp4", unicodedata.normalize("NFC", "हिन्दी फ़िल्म.mp4")),
        ("...", DEFAULT),
    ],
)
def test_name_is_one_that_every_disk_takes(name: str, portable: str) -> None:
    assert make_portable(name) == portable


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("film.mp4", "film"),
        ("a/b.mov", "b"),
        ("...", DEFAULT),
        ("", DEFAULT),
        ("x\ny.mp4", "x y"),
        ("clip.3gp", "clip"),
        ("season 1.episode 2.m2ts", "season 1.episode 2"),
        # These have no extension.
        ("Vol. 2", "Vol. 2"),
        ("Mr. Bean", "Mr. Bean"),
        ("26.11.30", "26.11.30"),
    ],
)
def test_stem_is_what_is_before_the_extension(name: str, stem: str) -> None:
    assert make_stem(name) == stem


@pytest.mark.parametrize("letter", ["x", "é", "映", "🎬"])
def test_what_is_made_of_a_long_name_fits_encrypted_disks_too(letter: str) -> None:
    made = derive_name(letter * 60 + ".mov", RENDITION)
    assert made == f"{letter * 60}{RENDITION}" or letter in "映🎬"
    longest = derive_name(letter * 400 + ".mov", RENDITION)
    assert PORTABLE_BYTES - len(letter.encode()) < len(longest.encode()) <= PORTABLE_BYTES
    assert longest.endswith(f"{letter}{RENDITION}")


def test_captions_of_a_reserved_name_are_not_a_device() -> None:
    assert derive_name("aux.mp4", ".en.srt") == "_aux.en.srt"


@given(st.text(max_size=600), st.text(max_size=300))
def test_whatever_is_named_after_whatever_can_be_stored(name: str, rest: str) -> None:
    made = derive_name(name, rest)
    assert 0 < len(made.encode()) <= PORTABLE_BYTES
    assert not set(made) & set('<>:"/\\|?*\x00\n')
    assert made[0] not in ".- ~"
    assert made[-1] not in ". "
