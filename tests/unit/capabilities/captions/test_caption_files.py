"""Caption files as other programs write them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cinemill.capabilities.captions.caption_files import read_caption_file
from cinemill.capabilities.captions.edits import LONGEST_SPEAKER, make_cue
from cinemill.errors import InputRejected
from cinemill.media.text_tracks import write_srt, write_vtt

VTT = """WEBVTT - some words

STYLE
::cue { color: red }

NOTE
Nobody reads
this.

opening
00:01.000 --> 00:02.500 line:0 align:start
<v Ann><i>Salt</i> &amp; pepper,
&lt;please&gt;.

00:00:00.500 --> 00:00:00.900
Before.
"""
SRT = "1\r\n00:00:01,000 --> 00:00:02,500\r\n{\\an8}<i>Salt</i> & <3\r\n\r\n"


def said(content: str) -> list[tuple[int, int, tuple[str, ...]]]:
    return [(cue.start_ms, cue.end_ms, cue.lines) for cue in read_caption_file(content.encode())]


def test_webvtt_reader_ignores_styles_notes_names_and_tags() -> None:
    assert said(VTT) == [
        (500, 900, ("Before.",)),
        (1000, 2500, ("Salt & pepper,", "<please>.")),
    ]


@pytest.mark.parametrize(
    ("written", "speaker"),
    [
        ("<v Ann>Hello.", "Ann"),
        (
            "<v.loud.first Ann &amp; Bob  Lee>Hello.</v> <v Ann &amp; Bob Lee>Good day.",
            "Ann & Bob Lee",
        ),
        ("<v Ann>Hello. <v Bob>Good day.", ""),
        ("<v>Hello.", ""),
        ("<voice Ann>Hello.", ""),
        ("Hello, <i>Ann</i>.", ""),
    ],
)
def test_voice_of_a_webvtt_caption_is_its_speaker(written: str, speaker: str) -> None:
    (cue,) = read_caption_file(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{written}\n".encode())
    assert cue.speaker == speaker
    assert read_caption_file(write_vtt([cue]).encode()) == (cue,)


def test_subrip_reader_removes_markup() -> None:
    assert said(SRT) == [(1000, 2500, ("Salt & <3",))]
    doubled = SRT.replace("\r\n", "\n\n")
    assert said(doubled) == said(SRT)


def test_captions_without_blank_lines_are_separated_by_their_times() -> None:
    close = "1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:02,000 --> 00:00:03,000\nTwo"
    assert said(close) == [(1000, 2000, ("One",)), (2000, 3000, ("Two",))]


def test_caption_text_with_a_blank_line_is_kept_whole() -> None:
    first = "1\n00:00:01,000 --> 00:00:02,000\nfirst\n\nsecond\n\n2\n"
    parted = first + "00:00:03,000 --> 00:00:04,000\nthird\n"
    read = [(1000, 2000, ("first", "second")), (3000, 4000, ("third",))]
    assert said(parted) == read
    assert said(parted.replace("\n", "\r\r\n")) == read
    assert said(VTT.replace("\n", "\r\r\n")) == said(VTT)


def test_webvtt_note_may_contain_arrows() -> None:
    noted = VTT.replace("NOTE\n", "NOTE 00:07.000 --> 00:08.000\na --> b\n")
    assert said(noted) == said(VTT)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"WEBVTT\n", "subtitles_empty"),
        (b"no captions at all", "subtitles_empty"),
        (b"\xff\x00\xff", "subtitles_encoding"),
        (b"00:01.000 --> soon\nText", "subtitles_invalid"),
    ],
)
def test_caption_reader_rejects_unreadable_files(content: bytes, code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        read_caption_file(content)
    assert refused.value.code == code


LINES = st.lists(
    st.text(
        st.characters(categories=["L", "N", "Zs", "Po"], exclude_characters="&\\"), max_size=20
    ),
    min_size=1,
    max_size=3,
)


@given(st.lists(LINES.filter(lambda lines: make_cue(0, 1, "\n".join(lines)).lines), min_size=1))
def test_caption_files_round_trip(texts: list[list[str]]) -> None:
    cues = [make_cue(at * 10, at * 10 + 10, "\n".join(lines)) for at, lines in enumerate(texts)]
    for content in (write_vtt(cues), write_srt(cues)):
        assert list(read_caption_file(content.encode())) == cues


NAMES = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("&<>; "), max_size=120)


@given(NAMES)
@example("&" * 60)
@example("&" * LONGEST_SPEAKER)
def test_names_of_speakers_round_trip(name: str) -> None:
    cue = make_cue(0, 1000, "Hello.", name)
    assert read_caption_file(write_vtt([cue]).encode()) == (cue,)


def test_longest_name_is_read_with_classes() -> None:
    name, classes = "&" * LONGEST_SPEAKER, "c" * 100
    written = write_vtt([make_cue(0, 1000, "Hello.", name)]).replace("<v ", f"<v.{classes} ")
    (cue,) = read_caption_file(written.encode())
    assert (cue.speaker, cue.lines) == (name, ("Hello.",))
