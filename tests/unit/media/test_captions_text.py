"""Caption files: a reader gets back what was written, whatever the words are."""

from __future__ import annotations

import html
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.text.segmentation import Cue
from cinemill.core.transcript import SpeechTask, Transcript, Utterance, Word
from cinemill.media.text_tracks import write_json, write_srt, write_text, write_vtt

CLOCK = r"\d\d+:\d\d:\d\d[.,]\d\d\d"
TIMES = re.compile(rf"^({CLOCK}) --> ({CLOCK})$")
LINES = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1)
NASTY = st.sampled_from(["<i>", "-->", "&amp;", "{\\an8}", "1", "WEBVTT", "</c>", "NOTE"])
CUES = st.lists(
    st.builds(
        lambda start_ms, length_ms, lines: Cue(start_ms, start_ms + length_ms, tuple(lines), ()),
        st.integers(0, 10**8),
        st.integers(1, 7000),
        st.lists(LINES | NASTY, min_size=1, max_size=2),
    ),
    max_size=6,
)
SAID = Transcript(
    model="base",
    model_revision="abc",
    language="de",
    task=SpeechTask.TRANSCRIBE,
    utterances=(
        Utterance(0, 900, "Grüß Gott.", (Word(0, 400, " Grüß", 0.9), Word(400, 900, " Gott.", 1))),
        Utterance(2000, 2500, "Ja?", (Word(2000, 2500, " Ja?", 0.8),)),
    ),
    facts={"device": "cpu"},
)


def read_clock(text: str) -> int:
    hours, minutes, seconds = text.replace(",", ".").split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


def read_blocks(text: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """Return cues as a player reads them: the text below a line of times, up to an empty line."""
    found = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        at = next((n for n, line in enumerate(lines) if TIMES.match(line)), None)
        if at is not None and (times := TIMES.match(lines[at])):
            start_ms, end_ms = map(read_clock, times.groups())
            found.append((start_ms, end_ms, tuple(lines[at + 1 :])))
    return found


@given(CUES)
def test_webvtt_round_trips(cues: list[Cue]) -> None:
    text = write_vtt(cues)
    assert text.startswith("WEBVTT\n\n" if cues else "WEBVTT\n")
    blocks = read_blocks(text)
    read = [(start, end, tuple(map(html.unescape, lines))) for start, end, lines in blocks]
    assert read == [(cue.start_ms, cue.end_ms, cue.lines) for cue in cues]


@given(CUES)
def test_webvtt_text_never_becomes_markup_or_an_arrow(cues: list[Cue]) -> None:
    for _, _, lines in read_blocks(write_vtt(cues)):
        assert not set("<>") & set("".join(lines))
    for _, _, lines in read_blocks(write_srt(cues)):
        assert not set("<>{}\\") & set("".join(lines))


@given(CUES)
def test_subrip_numbers_its_cues_and_keeps_their_times(cues: list[Cue]) -> None:
    text = write_srt(cues)
    read = read_blocks(text)
    assert [(start, end) for start, end, _ in read] == [(cue.start_ms, cue.end_ms) for cue in cues]
    assert [len(lines) for *_, lines in read] == [len(cue.lines) for cue in cues]
    numbers = [block.partition("\n")[0] for block in text.split("\n\n") if block]
    assert numbers == [str(number) for number in range(1, len(cues) + 1)]


def test_caption_files_match_the_expected_text() -> None:
    cues = [
        Cue(1000, 2500, ("Ben & Jerry", "<laugh>"), ()),
        Cue(3_600_000, 3_601_000, ("Ja.",), ()),
    ]
    assert write_srt(cues) == (
        "1\n00:00:01,000 --> 00:00:02,500\nBen & Jerry\n‹laugh›\n\n"
        "2\n01:00:00,000 --> 01:00:01,000\nJa.\n"
    )
    assert write_vtt(cues) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nBen &amp; Jerry\n&lt;laugh&gt;\n\n"
        "01:00:00.000 --> 01:00:01.000\nJa.\n"
    )
    assert write_text(SAID) == "Grüß Gott.\nJa?\n"


def test_caption_files_without_speech_are_empty_and_valid() -> None:
    silent = Transcript("base", "abc", "", SpeechTask.TRANSCRIBE, (), {})
    assert write_vtt([]) == "WEBVTT\n"
    assert write_srt([]) == ""
    assert write_text(silent) == ""
    assert json.loads(write_json(silent, [], with_words=True))["captions"] == []


def test_caption_json_has_everything_and_words_on_request() -> None:
    cues = [Cue(0, 1000, ("Grüß Gott.",), ())]
    document = json.loads(write_json(SAID, cues, with_words=True))
    assert document["language"] == document["spoken_language"] == "de"
    assert document["captions"] == [{"start_ms": 0, "end_ms": 1000, "lines": ["Grüß Gott."]}]
    assert document["utterances"][1]["words"] == [
        {"start_ms": 2000, "end_ms": 2500, "text": "Ja?", "probability": 0.8}
    ]
    without = json.loads(write_json(SAID, cues, with_words=False))
    assert all("words" not in utterance for utterance in without["utterances"])
