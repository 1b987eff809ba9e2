"""Subtitles that ask for more than can be drawn, and tags that must not reach a renderer."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.text.ass_tags import read_spans, write_spans
from cinemill.core.text.subtitle_parser import LONGEST_TEXT, TOO_COMPLEX, read_subtitles
from cinemill.core.text.subtitles import Subtitles
from cinemill.errors import InputRejected

LETTERS = string.ascii_letters
HEAD = """[Script Info]
PlayResX: 1920
PlayResY: {height}
[V4+ Styles]
Format: Name, Fontsize, Outline, Shadow, ScaleX, ScaleY
Style: Default,{size},2,0,100,100
Style: Huge,9999,999,99,9999,9999
[Events]
Format: Layer, Start, End, Style, Text
"""
EVENT = "Dialogue: 0,0:00:{:02d}.00,0:00:{:02d}.00,Default,{}\n"


def write(*texts: str, size: int = 60, height: int = 1080) -> bytes:
    """An ASS file whose events are all there at once."""
    events = "".join(EVENT.format(1, 9, text) for text in texts)
    return (HEAD.format(size=size, height=height) + events).encode()


def clean(text: str) -> str:
    return write_spans(read_spans(text, {"Default"}))


def list_blocks(text: str) -> list[str]:
    """What libass takes for overrides: a brace that is not escaped, up to the next closing one."""
    blocks, at, is_drawing = [], 0, False
    while at < len(text):
        end = text.find("}", at) if text[at] == "{" else -1
        if end >= 0:
            blocks.append(text[at : end + 1])
            scales = re.findall(r"\\p(\d*)", blocks[-1])
            is_drawing = scales[-1] not in ("", "0") if scales else is_drawing
            at = end + 1
        else:
            at += 2 if not is_drawing and text[at : at + 2] in ("\\{", "\\}") else 1
    return blocks


def reject(content: bytes) -> InputRejected:
    with pytest.raises(InputRejected) as refused:
        read_subtitles(content)
    return refused.value


FONTS = [
    r"{\fnX}a",
    r"{\ fnX}a",
    "{\\\tfnX}a",
    "{\\ \t  fnX}a",
    r"{\fn X}a",
    r"{\fn(X)}a",
    r"{\fn (X)}a",
    r"{\fn( X , Y)}a",
    r"{\fn(X}a",
    r"{comment\fnX}a",
    r"{\b1\fnX\i1}a",
    r"{\t(\fnX)}a",
    r"{\t(0,9,\ fnX)}a",
    r"{\t( 0 , 9 , \fnX}a",
    r"{\t(\t(\t(\fnX)))}a",
    r"{\t\fnX}a",
    r"{\b(\fnX)}a",
    r"{\pos(1,2\fnX)}a",
    r"{\clip(\fnX)}a",
    r"{\clip(m 0 0\fnX)}a",
    r"{\r\fnX}a",
    r"{\rHuge\fnX}a",
    r"{\p1}m 0 0{\fnX}l 1 1{\p0}a",
    r"{\p1}\{\fnX}a",
    r"{{\fnX}a",
    r"}{\fnX}a",
    r"\\{\fnX}{\fnX}a",
    r"{\fe204\fnX}a",
    r"{\\fnX}a",
    r"{\unknown\fnX}a",
    r"{\fn@X}a",
]


@pytest.mark.parametrize("text", FONTS)
def test_no_font_of_a_file_is_written(text: str) -> None:
    """libass skips spaces, takes values in parentheses, and needs no closing one."""
    assert not any("fn" in block for block in list_blocks(clean(text)))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"{\b1}bold{\b0}", r"{\b1}bold{\b0}"),
        (r"{ \ b1 note \i1}x", r"{\b1\i1}x"),
        (r"{\b1}{\i1}x{only a comment}y", r"{\b1\i1}xy"),
        (r"{\bord(3)\blur 2}x", r"{\bord3\blur2}x"),
        (r"{\t(0,500,\fscx150\bord9)\b1}x", r"{\t(0,500,\fscx150\bord9)\b1}x"),
        (r"{\t(\clip(0,0,9,9)\bord9)}x", r"{\t(\clip(0,0,9,9))\bord9}x"),
        (r"{\t(1,2,\t(3,4,\bord1))}x", r"{\t(3,4,\bord1)}x"),
        (r"{\move(0,0,9,9,0,100)\fad(200,200)}x", r"{\move(0,0,9,9,0,100)\fad(200,200)}x"),
        (r"{\1c&H0000ff&\3a&H80&\alpha&HFF}x", r"{\1c&H0000FF&\3a&H80&\alpha&HFF&}x"),
        (r"{\c\b\fs\r\1a}x", r"{\c\b\fs\r\1a}x"),
        (r"{\rHuge\rDefault}x", r"{\r\rDefault}x"),
        (r"{\k50}ka{\kf(30)}ra{\ko9}o{\K8}ke", r"{\k50}ka{\kf30}ra{\ko9}o{\K8}ke"),
        (r"{\fs+5\fs-99\frz-30.25}x", r"{\fs+5\fs-9\frz-30.25}x"),
        (r"{\bord1e99\blur99999\fs-0\fscx1234567}x", r"{\bord1\blur100\fs+0\fscx10000}x"),
        (r"{\p1}m 0 0 l 9 9 {\p0}\hx\N{\q2}y", r"{\p1}m 0 0 l 9 9 {\p0}\hx\N{\q2}y"),
        (r"{\clip(2,m 0 0 l 9 9)}x", r"{\clip(2,m 0 0 l 9 9)}x"),
        (r"{\pos(1)\move(1,2)\fade(1)\org()\clip(1,2,3)\t(\b1", r"{\pos(1)\move(1,2)\fade(1)\org()"
         r"\clip(1,2,3)\t(\b1"),
        (r"{\pos(1)\move(1,2)\fade(1)\org()\clip(1,2,3)}x", "x"),
        (r"never closed {\b1", r"never closed {\b1"),
        (r"\{\b1\}{\b1}x", r"\{\b1\}{\b1}x"),
        (r"{\b1}\{x}", r"{\b1}\{x}"),
        ("{\\t(\\b1}x", r"{\t(\b1)}x"),
    ],
)  # fmt: skip
def test_tags_are_written_in_one_form(text: str, written: str) -> None:
    assert clean(text) == written
    assert clean(written) == written


@given(st.text(alphabet="{}\\()tfnbprXs1., \tcliporda", max_size=60))
def test_what_is_written_means_the_same_when_it_is_read_again(text: str) -> None:
    written = clean(text)
    assert clean(written) == written
    assert not any("fn" in block for block in list_blocks(written))


@pytest.mark.parametrize(
    "part", ["{", "}", "\\", "{\\t(", "{\\b(,", "(", "{\\clip(m ", "{}", "\\b1"]
)
def test_longest_event_is_read_in_one_walk(part: str) -> None:
    for text in (part * (LONGEST_TEXT // len(part)), "{" + part * 4000 + "}x"):
        assert len(clean(text[:LONGEST_TEXT])) <= 2 * LONGEST_TEXT


CURVES = "m 0 0 b " + " ".join(f"{37 * n % 900} {91 * n % 900}" for n in range(2000))
COLUMN = write(r"{\xbord10}" + LETTERS * 2).replace(b"PlayResX: 1920", b"PlayResX: 1")
BOXES = HEAD.replace("Fontsize, Outline, Shadow", "Fontsize, BorderStyle, Shadow").replace(
    "Default,{size},2,0,100,100", "Default,1,3,0,3000,3000"
)

TOO_MUCH = {
    "the issue's": write(*[r"{\t(\bord50\blur50)}" + "A" * 14_700] * 21),
    "one event of it": write(r"{\t(\bord50\blur50)}" + LETTERS * 30),
    "with a space": write(r"{\ t(\ bord50\ blur50)}" + LETTERS * 30),
    "size": write(r"{\fs9999}" + LETTERS),
    "scale": write(r"{\fscx9999\fscy9999}" + LETTERS),
    "spacing": write(r"{\fsp1000}" + LETTERS * 60),
    "growing sizes": write(r"{\fs+100\fs+100\fs+100}" + LETTERS),
    "border": write(r"{\bord999}" + LETTERS * 2),
    "border in one direction": write(r"{\xbord999\ybord999}" + LETTERS * 2),
    "blur": write(*[r"{\blur100}" + LETTERS * 3] * 20),
    "soft edges": write(*[r"{\be127}" + LETTERS * 9] * 20),
    "shear": write(r"{\fax10\fay10}" + LETTERS * 9),
    "turned out of the plane": write(r"{\t(\frz3600\frx3600)}" + LETTERS * 4),
    "turned around a far point": write(r"{\org(-5000,0)\fry20}" + LETTERS * 9),
    "turned towards the eye": write(*[r"{\an7\q2\fry-14\frx3}" + LETTERS * 3] * 5),
    "a drawing in space": write(*[r"{\fry9\p1}m 0 0 l 1920 0 1920 1080 0 1080"] * 2),
    "spaces between letters": write(r"{\q2\blur9\fs100}a" + " " * 16_000 + "b"),
    "characters without a width": write(*["a" + "\u2060" * 16_000] * 60),
    "characters that our font lacks": write(*["\u6f22" * 5000] * 2),
    "curves with borders": write(*[r"{\p1}" + CURVES] * 4),
    "splines with borders": write(*[r"{\p1}" + CURVES.replace("b", "s")] * 2),
    "a drawing": write(r"{\p1}m 0 0 l 99999 0 99999 99999 0 99999{\p0}"),
    "a drawing without spaces": write(r"{\p1}m0 0l99999 0 99999 99999{\p0}"),
    "many drawings": write(*[r"{\p1}m 0 0 l 1920 0 1920 1080 0 1080"] * 100),
    "a clip": write(r"{\clip(m 0 0 l 99999 0 99999 99999 0 99999)}x"),
    "a clip in a transform": write(r"{\t(\iclip(m 0 0 l 99999 0 99999 99999))}x"),
    "a style": write(r"{\rHuge}" + LETTERS),
    "a small picture": write(LETTERS, size=60, height=1),
    "a wide letter size": write(LETTERS, size=9999),
    # Blurs, and what is turned out of the plane, are measured in pixels of the video.
    "blurs in a fine grid": write(*[r"{\bord0\blur100}A{\blur99}B" * 400] * 60, height=99_999),
    "letters turned in a coarse grid": write(
        *[r"{\an7\q2\fry-25}" + LETTERS[:31]] * 10, size=16, height=288
    ),
    "borders in a single column": COLUMN,
    "a drawing in a single column": write(
        *[r"{\p1}m 0 0 l 40 0 40 1000 0 1000"] * 9
    ).replace(b"PlayResX: 1920", b"PlayResX: 1"),
    "opaque boxes, scaled twice": (
        BOXES.format(height=1080) + EVENT.format(1, 9, LETTERS * 20)
    ).encode(),
    "events": write(*["."] * 3000),
    "moving events": write(*[r"{\move(0,0,9,9)\blur20}" + LETTERS] * 60),
    "SRT at once": "".join(
        f"{n}\n00:00:01,000 --> 00:00:09,000\nx\n\n" for n in range(3000)
    ).encode(),
    "SRT letters": "".join(
        f"{n}\n00:00:01,000 --> 00:00:09,000\n{'word ' * 3000}\n\n" for n in range(9)
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("how", TOO_MUCH)
def test_more_than_can_be_drawn_is_refused(how: str) -> None:
    refused = reject(TOO_MUCH[how])
    assert refused.code == TOO_COMPLEX
    assert not refused.is_retryable
    assert "00:00:01.000" in refused.message
    assert refused.hint


USUAL = {
    "karaoke": write(*[r"{\k20\t(0,200,\fscx120\fscy120)\blur3\bord3}" + "ka" * 30] * 9),
    "a sign": write(r"{\pos(960,540)\frz12\fax0.3\blur2\bord6\fs120\fad(300,300)}NO ENTRY"),
    "a sign in space": write(r"{\pos(960,540)\frx40\fry-20\fs90\blur1}Station"),
    "a sign of three layers in space": write(
        *[
            rf"{{\an5\pos(960,400)\frx20\fry-30\frz12\bord{border}\shad3\blur0.6}}Municipal Police "
            r"Department\NCriminal Affairs"
            for border in (0, 2, 5)
        ]
    ),
    "syllables that flip": write(
        *[rf"{{\an5\pos({40 * n},90)\frx90\t(0,400,\frx0)\bord3\blur2}}ka" for n in range(40)]
    ),
    "a mirrored word": write(*[r"{\an5\pos(960,400)\fry180\fs90\blur1}AMBULANCE"] * 9),
    "a background": write(r"{\p1\blur5}m 0 0 l 1920 0 1920 1080 0 1080{\p0}"),
    "two lines of Chinese": write("\u6f22\u5b57" * 9 + r"\N" + "\u6f22\u5b57" * 9),
    "a logo with a border": write(r"{\bord2\p1}" + CURVES[:7000]),
    "curves without borders": write(*[r"{\bord0\blur1\p1}" + CURVES] * 9),
    "a full page": write(*["A line of credits that goes on and on and on"] * 24),
    "a typesetter's mosaic": write(*[r"{\pos(9,9)\bord0\blur0.4\p1}m 0 0 l 40 0 40 40 0 40"] * 900),
    "one after the other": "".join(
        f"{n}\n00:{n // 60:02d}:{n % 60:02d},000 --> 00:{n // 60:02d}:{n % 60:02d},900\n"
        f"{'word ' * 20}\n\n"
        for n in range(3000)
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("how", USUAL)
def test_what_people_make_is_drawn(how: str) -> None:
    assert isinstance(read_subtitles(USUAL[how]), Subtitles)


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        ("PlayResX: 1920\nPlayResY: 1080", (1920, 1080)),
        ("PlayResY: 720", (960, 720)),
        ("PlayResX: 1920", (1920, 1440)),
        ("PlayResX: 1280", (1280, 1024)),
        ("PlayResY: 1024\nPlayResX: 0", (1280, 1024)),
        ("PlayResX: 0\nPlayResY: 0", (384, 288)),
        ("PlayResX: -5\nPlayResY: 123456", (384, 288)),
    ],
)
def test_size_is_completed_as_libass_does(lines: str, size: tuple[int, int]) -> None:
    """Otherwise letters of a file with one of the two would count, and be drawn, as giants."""
    whole = "PlayResX: 1920\nPlayResY: 1080"
    content = write(r"{\an8}Where to?").decode().replace(whole, lines)
    assert read_subtitles(content.encode()).size == size


def test_subtitles_that_follow_each_other_are_not_there_at_once() -> None:
    text = r"{\blur40\bord40}" + LETTERS * 2
    events = "".join(EVENT.format(2 * n, 2 * n + 2, text) for n in range(20))
    assert len(read_subtitles((HEAD.format(size=60, height=1080) + events).encode()).cues) == 20


@given(st.binary(max_size=400))
def test_any_event_is_read_or_refused(content: bytes) -> None:
    text = content.decode("utf-8", "ignore").replace("\n", "")
    try:
        read_subtitles(write(text))
    except InputRejected as error:
        refused = error
    else:
        return
    assert refused.code.startswith("subtitles_")
