"""Subtitles drawn by the real FFmpeg: what is let through is drawn within its memory."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from tests.integration.media.conftest import Processor

from cinemill.capabilities.render.pieces.piece_request import GAP, ClipSpan, PieceRequest
from cinemill.capabilities.render.pieces.render_piece import PieceOutcome, render_piece
from cinemill.core.output import OutputFormat
from cinemill.core.text import subtitle_parser
from cinemill.core.text.subtitle_parser import TOO_COMPLEX, read_subtitles
from cinemill.core.text.subtitles import Subtitles, subtitles_for_piece
from cinemill.errors import CommandFailed, CommandStalled, InputRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.progress import LogReader
from cinemill.media.ffmpeg.session import FfmpegSession

OUTPUT = OutputFormat(1920, 1080, Fraction(25))
FRAMES = 5
HEAD = "[Script Info]\nPlayResX: 1920\nPlayResY: 1080\n[Events]\nFormat: Layer, Start, End, Text\n"


def read(*texts: str) -> Subtitles:
    events = "".join(f"Dialogue: 0,0:00:00.00,0:00:09.00,{text}\n" for text in texts)
    return read_subtitles((HEAD + events).encode())


def read_unchecked(monkeypatch: pytest.MonkeyPatch, *texts: str) -> Subtitles:
    with monkeypatch.context() as patched:
        patched.setattr(subtitle_parser, "check_cost", lambda _subtitles: None)
        return read(*texts)


def draw(processor: Processor, subtitles: Subtitles | None, limits: Limits) -> PieceOutcome:
    request = PieceRequest((ClipSpan(GAP, Fraction(0)),), FRAMES, "", OUTPUT)
    lettering = subtitles_for_piece(subtitles, 0, FRAMES, OUTPUT)
    session = FfmpegSession(processor.ffmpeg_binary, processor.folder, limits, processor.sandbox)
    return render_piece(session, {}, replace(request, lettering=lettering), "piece.mp4")


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NEAR = {
    "letters": [LETTERS * 300],
    "a large drawing": [r"{\p1}m 0 0 l 11000 0 11000 11000 0 11000"],
    "blurred drawings": [r"{\p1\blur20\bord0}m 0 0 l 1920 0 1920 1080 0 1080"] * 40,
    "moving letters": [r"{\t(0,1,\bord20\blur10)\t(\bord21)}" + LETTERS] * 7,
    "letters turned out of the plane": [r"{\t(\frz3600\frx3600)}" + LETTERS[:20]] * 2,
    "events": ["."] * 1500,
    "curves with borders": [
        r"{\p1}m 0 0 b " + " ".join(f"{37 * n % 900 + k} {91 * n % 900}" for n in range(1800))
        for k in range(3)
    ],
    "characters that the font lacks": ["".join(map(chr, range(0x4E00, 0x4E00 + 5000)))],
}


@pytest.mark.parametrize("what", NEAR)
def test_what_is_let_through_is_drawn_within_its_memory(processor: Processor, what: str) -> None:
    outcome = draw(processor, read(*NEAR[what]), Limits(memory_bytes=2 * 1024**3))
    assert outcome.facts["frames"] == FRAMES


def test_subtitles_that_need_too_much_memory_are_not_drawn_again(
    processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The estimate is not the truth: what FFmpeg cannot draw is the file's fault, too."""
    drawing = r"{\p1}m 0 0 l 20000 0 20000 20000 0 20000"
    subtitles = read_unchecked(monkeypatch, *[drawing] * 4)
    with pytest.raises(InputRejected) as refused:
        draw(processor, subtitles, Limits(memory_bytes=600 * 1024**2))
    assert refused.value.code == TOO_COMPLEX
    assert not refused.value.is_retryable
    assert refused.value.log_tail


def test_too_little_memory_without_subtitles_is_no_fault_of_theirs(processor: Processor) -> None:
    with pytest.raises(CommandFailed) as failed:
        draw(processor, None, Limits(memory_bytes=40 * 1024**2))
    assert failed.value.is_retryable


@pytest.mark.parametrize(
    "line",
    [
        "[libx264 @ 0x5] [error] malloc of size 3133504 failed",
        "x265 [error]: malloc of size 99 failed",
        "[error] Cannot allocate memory",
        "[vf#0:0 @ 0x5] [error] Error while filtering: Cannot allocate memory",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "[Parsed_subtitles_0 @ 0x5] [fatal] Out of memory",
        "[Parsed_subtitles_9 @ 0x5] [warning] Cannot stroke outline",
        "[aom @ 0x5] [error] Memory allocation error",
        "[error] Failed to allocate frame",
    ],
)
def test_all_ways_to_say_that_memory_ran_out(line: str) -> None:
    reader = LogReader()
    reader.feed(f"{line}\n".encode())
    assert reader.tally.out_of_memory


def test_drawing_that_stops_moving_twice_is_the_subtitles_fault(processor: Processor) -> None:
    """FFmpeg writes its first progress later than this limit, whatever it draws."""
    drawn, found = read(r"{\p1\blur20}m 0 0 l 1920 0 1920 1080"), []
    for _ in range(2):
        with pytest.raises(CommandStalled) as stalled:
            draw(processor, drawn, Limits(stall_seconds=0.01))
        found.append((stalled.value.code, stalled.value.message, stalled.value.evidence))
    assert found[0] == found[1]
    assert found[0][0] == TOO_COMPLEX
    assert found[0][2]
    assert "Show fewer" in stalled.value.hint


def test_command_that_stops_moving_without_subtitles_proves_nothing(processor: Processor) -> None:
    with pytest.raises(CommandStalled) as stalled:
        draw(processor, None, Limits(stall_seconds=0.01))
    assert (stalled.value.code, stalled.value.evidence) == ("command_stalled", "")
