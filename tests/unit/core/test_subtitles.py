"""Subtitles as people hand them in: what is drawn of them, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.output import OutputFormat
from cinemill.core.text.ass import FONT
from cinemill.core.text.subtitle_parser import LONGEST_TEXT, MOST_CUES, read_subtitles
from cinemill.core.text.subtitles import (
    NOTHING,
    Cue,
    Subtitles,
    lead_frames,
    subtitles_for_piece,
    write_ass,
)
from cinemill.errors import InputRejected

OUTPUT = OutputFormat(640, 360, Fraction(25))
SRT = """1
00:00:01,000 --> 00:00:02,500
Hello

2
00:00:03,000 --> 00:00:04,000
two
lines
"""
ASS = """[Script Info]
PlayResX: 640
PlayResY: 480

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Alignment
Style: Loud,Comic Sans,30,&H0000FFFF,-1,8
Style: bad;name,Arial,1,1,1,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 1,0:00:01.00,0:00:02.00,Loud,,0,0,0,,{\\fnArial\\b1}Hello, world
Dialogue: 0,0:00:02.00,0:00:03.00,Unknown,,0,0,0,,{\\move(0,0,9,9)}moves
"""


def reject(content: bytes | str) -> InputRejected:
    raw = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(InputRejected) as refused:
        read_subtitles(raw)
    return refused.value


def draw(text: str) -> str:
    """What is handed to the renderer of one line that is there all the time."""
    subtitles = read_subtitles(f"1\n00:00:00,000 --> 00:00:09,000\n{text}\n".encode())
    written = write_ass(subtitles_for_piece(subtitles, 0, 25, OUTPUT), OUTPUT.fps)
    return written.splitlines()[-1].split(",", 9)[9]


def test_srt() -> None:
    assert read_subtitles(SRT.encode()).cues == (
        Cue(1000, 2500, "Hello"),
        Cue(3000, 4000, r"two\Nlines"),
    )


@pytest.mark.parametrize(
    "content",
    [
        SRT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + SRT.encode(),
        SRT.encode("utf-16"),
        SRT.replace(",", ".").encode(),
        SRT.replace("1\n00", "\n\n00", 1).encode(),
        SRT.replace("\n\n2\n", "\n2\n").encode(),
        SRT.replace("\n\n2\n", "\n\n\n").encode(),
        SRT.replace("\n\n2\n", "\n\n\n2\n\n").encode(),
        SRT.replace("500\n", "500\n\n").encode(),
        SRT.replace("2\n00", "2\n00:00:02,700 --> 00:00:02,700\nnever\n\n3\n00").encode(),
        SRT.replace("2\n00", "2\n00:00:02,700 --> 00:00:02,800\n3\n00").encode(),
    ],
)
def test_srt_as_it_is_met(content: bytes) -> None:
    assert read_subtitles(content) == read_subtitles(SRT.encode())


def test_text_runs_on_until_the_next_times() -> None:
    content = SRT.replace("Hello", "Hello\n\n  there  ").replace("lines", "42\n\n43")
    assert [cue.text for cue in read_subtitles(content.encode()).cues] == [
        r"Hello\N\Nthere",
        r"two\N42\N\N43",
    ]


def test_number_may_be_all_the_text_there_is() -> None:
    content = SRT.replace("Hello", "10")
    assert read_subtitles(content.encode()).cues[0].text == "10"
    without_numbers = content.replace("\n\n2\n", "\n\n")
    assert read_subtitles(without_numbers.encode()).cues[0].text == "10"


@given(st.lists(st.sampled_from(["", "a", "b c", "7", "<i>d</i>"]), max_size=9))
def test_no_word_is_lost(lines: list[str]) -> None:
    text = "\n".join([*lines, "end"])
    for between in ("\n2\n", "\n\n2\n", "\n\n\n2\n\n", "\n\n"):
        first, second = read_subtitles(
            f"1\n00:00:01,000 --> 00:00:02,000\n{text}{between}"
            f"00:00:03,000 --> 00:00:04,000\n{text}\n".encode()
        ).cues
        assert first.text == second.text
        drawn = [
            line.replace("{\\i1}", "").replace("{\\i0}", "") for line in first.text.split(r"\N")
        ]
        assert "".join(drawn) == "".join([*lines, "end"]).replace("<i>d</i>", "d")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "subtitles_empty"),
        (b"\n\n", "subtitles_empty"),
        (b"no times at all", "subtitles_empty"),
        ("1\n00:00:01,000 --> 00:00:01,000\nx\n", "subtitles_empty"),
        (b"[Script Info]\n", "subtitles_empty"),
        ("1\n00:00:01,000 --> 00:00:02,000\n\xe4\n".encode("latin-1"), "subtitles_encoding"),
        ("1\n00:00:02,000 --> 00:00:01,000\nx\n", "subtitles_invalid"),
        ("1\nsoon --> later\nx\n", "subtitles_invalid"),
        (ASS.replace("0:00:01.00", "1"), "subtitles_invalid"),
        (ASS.replace("0:00:01.00", "0:00:05.00"), "subtitles_invalid"),
        (b"x" * (4 * 1024 * 1024 + 1), "subtitles_too_long"),
        ("1\n00:00:01,000 --> 00:00:02,000\nx\n\n" * (MOST_CUES + 1), "subtitles_too_long"),
    ],
)
def test_what_is_refused(content: bytes | str, code: str) -> None:
    assert reject(content).code == code


def test_line_in_another_encoding_is_named() -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\nsch\xf6n\n".encode("latin-1")
    assert "line 3" in reject(content).message


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("<i>soft</i> and <B>loud</B>", r"{\i1}soft{\i0} and {\b1}loud{\b0}"),
        ('<font color="#ff0000">red</font>', "red"),
        (r"{\an8}above", r"{\an8}above"),
        (r"{\pos(1,1)}", r"\{" + "\\\u2060" + r"pos(1,1)\}"),
        ("a\\Nb", "a\\\u2060Nb"),
        ("it's 50%: [in],[out];drawtext=x", "it's 50%: [in],[out];drawtext=x"),
        ('<s>gone</s> and <FONT face="a">plain</Font>', "gone and plain"),
        ("a < b > c", "a < b > c"),
        ("if x<y and z>w", "if x<y and z>w"),
        ("a<b and c>d, <br> and <script>", "a<b and c>d, <br> and <script>"),
        ("bell\x07", "bell"),
    ],
)
def test_markup_is_kept_or_shown_as_written(text: str, drawn: str) -> None:
    assert draw(text) == drawn


@pytest.mark.parametrize("start", ["<", "</", "<font ", "<b\t", "{\\an", "{\\fn"])
@pytest.mark.parametrize("rest", ["a", " ", "<b", "<font ", "\\", "{\\fn"])
def test_longest_line_is_read_in_one_walk(start: str, rest: str) -> None:
    """A scan that starts over at each character would take hours."""
    line = start + rest * ((LONGEST_TEXT - len(start)) // len(rest))
    (cue,) = read_subtitles(f"1\n00:00:00,000 --> 00:00:09,000\n{line}\n".encode()).cues
    assert len(cue.text) >= len(line.strip()) - 1
    (cue,) = read_subtitles(ASS.partition("Dialogue")[0].encode() + event(line)).cues
    assert not cue.is_moving


def test_subtitle_has_so_many_characters_at_most() -> None:
    long = "a" * (LONGEST_TEXT + 1)
    for content in (
        SRT.replace("lines", long).encode(),
        ASS.partition("Dialogue")[0].encode() + event(long),
    ):
        refused = reject(content)
        assert refused.code == "subtitles_too_long"
        assert f"{LONGEST_TEXT} are allowed" in refused.message


def event(text: str) -> bytes:
    return f"Dialogue: 0,0:00:01.00,0:00:02.00,Loud,,0,0,0,,{text}".encode()


@given(st.text(min_size=1))
def test_no_text_leaves_its_line(text: str) -> None:
    subtitles = Subtitles((Cue(0, 9000, "x"),))
    with suppress(InputRejected):
        subtitles = read_subtitles(f"1\n00:00:00,000 --> 00:00:09,000\n{text}\n".encode())
    written = write_ass(subtitles_for_piece(subtitles, 0, 25, OUTPUT), OUTPUT.fps)
    events = written.split("[Events]\n")[1].split("\n")
    assert all(line.startswith("Dialogue: 0,0:00:00.02,") for line in events[1:-1])


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(InputRejected):
        read_subtitles(content)


def test_ass_is_written_anew() -> None:
    subtitles = read_subtitles(ASS.encode())
    written = write_ass(subtitles_for_piece(subtitles, 0, 250, OUTPUT), OUTPUT.fps)
    assert "PlayResY: 480" in written
    assert f"Style: Loud,{FONT},30,&H0000FFFF," in written
    assert "Comic" not in written
    assert "Arial" not in written
    assert r",Loud,,0,0,0,,{\b1}Hello, world" in written
    assert r",Default,,0,0,0,,{\move(0,0,9,9)}moves" in written


def test_event_of_no_length_is_left_out() -> None:
    content = ASS.replace("0:00:01.00,0:00:02.00", "0:00:02.00,0:00:02.00")
    assert read_subtitles(content.encode()).cues == read_subtitles(ASS.encode()).cues[1:]


def test_subtitles_as_json() -> None:
    for content in (SRT, ASS):
        subtitles = read_subtitles(content.encode())
        assert Subtitles.from_json(subtitles.to_json()) == subtitles


def test_only_what_falls_into_a_piece_is_of_it() -> None:
    subtitles = read_subtitles(SRT.encode())
    assert subtitles_for_piece(subtitles, 0, 25, OUTPUT) == NOTHING
    assert subtitles_for_piece(None, 0, 25, OUTPUT) == NOTHING
    first = subtitles_for_piece(subtitles, 25, 25, OUTPUT).shown
    assert [(one.first, one.end, one.text) for one in first] == [(0, 25, "Hello")]
    second = subtitles_for_piece(subtitles, 50, 25, OUTPUT).shown
    assert [(one.first, one.end) for one in second] == [(0, 13)]


def test_moving_text_goes_on_where_it_was() -> None:
    lettering = subtitles_for_piece(read_subtitles(ASS.encode()), 60, 25, OUTPUT)
    assert [one.first for one in lettering.shown] == [-10]
    assert lead_frames(lettering) == 11


@given(st.integers(0, 10**7), st.integers(1, 10**5), st.sampled_from([24, 25, 30, 60, 100]))
def test_cue_is_seen_in_whole_frames(start: int, length: int, fps: int) -> None:
    output = OutputFormat(640, 360, Fraction(fps))
    subtitles = Subtitles((Cue(start, start + length, "x"),))
    seen = {
        frame
        for piece in range(start * fps // 1000 // 50 - 1, (start + length) * fps // 1000 // 50 + 2)
        for one in subtitles_for_piece(subtitles, piece * 50, 50, output).shown
        for frame in range(piece * 50 + one.first, piece * 50 + one.end)
    }
    assert seen == {
        frame
        for frame in range(start * fps // 1000 - 1, (start + length) * fps // 1000 + 2)
        if start <= Fraction(frame * 1000, fps) < start + length
    }
