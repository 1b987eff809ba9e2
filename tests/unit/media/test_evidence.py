"""Two ends of a command are the same by arguments and by what is said, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.media.ffmpeg.evidence import identify_failure, identify_stall, identify_success
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.verify.integrity import blame_source

FOLDER = Path("/work/4f1c")
ARGUMENTS = ["-i", "file:/objects/ab/cd/abcd", "-c", "copy", "/work/4f1c/out.mp4"]
ERRORS = (
    "[mp4 @ 0x55d1] [error] Malformed AAC bitstream",
    "[out#0 @ 0x55d2] [error] Muxing failed",
)


def identify(
    arguments: list[str] = ARGUMENTS,
    folder: Path = FOLDER,
    errors: tuple[str, ...] = ERRORS,
    code: str = "command_failed",
    exit_code: int = 183,
) -> str:
    return identify_failure(arguments, folder, errors, code=code, exit_code=exit_code)


def test_folders_addresses_and_the_order_of_lines_make_no_difference() -> None:
    elsewhere = Path("/work/90ab")
    moved = [one.replace(str(FOLDER), str(elsewhere)) for one in ARGUMENTS]
    lines = (
        "[out#0 @ 0x7f01] [error] Muxing failed",
        "[mp4 @ 0x7f00] [error] Malformed AAC bitstream",
    )
    assert identify(moved, elsewhere, lines) == identify()


def test_arguments_words_and_how_it_ended_do() -> None:
    ends = {
        identify(),
        identify([*ARGUMENTS, "-y"]),
        identify(errors=ERRORS[:1]),
        identify(exit_code=1),
        identify(code="output_too_large"),
        identify_success(ARGUMENTS, FOLDER, ERRORS),
        identify_success(ARGUMENTS, FOLDER, ()),
        identify_stall(ARGUMENTS),
    }
    assert len(ends) == 8
    assert "" not in ends


@pytest.mark.parametrize(
    "words",
    [
        *("No space left on device", "Cannot allocate memory", "Input/output error"),
        *("Connection timed out", "Connection reset by peer", "Stale file handle"),
        *("Too many open files", "No such file or directory", "Permission denied"),
        *("Resource temporarily unavailable", "Read-only file system", "Broken pipe"),
    ],
)
def test_words_of_the_machine_prove_nothing(words: str) -> None:
    assert identify(errors=(*ERRORS, f"[in#0 @ 0x5] [error] Error opening input: {words}")) == ""


def test_words_of_a_decoder_are_about_its_data() -> None:
    refused = "[aist#0:1/aac @ 0x5] [dec:aac @ 0x5] [error] Error submitting packet to decoder: "
    assert identify(errors=(f"{refused}Operation not permitted",)) != ""
    assert identify(errors=(f"{refused}Cannot allocate memory",)) == ""


@pytest.mark.parametrize("exit_code", [-9, -15, -6, 255])
def test_killed_command_proves_nothing(exit_code: int) -> None:
    assert identify(exit_code=exit_code) == ""


def test_command_that_never_began_proves_nothing() -> None:
    assert identify(errors=(), exit_code=127) == ""


@pytest.mark.parametrize("code", ["command_timed_out", "out_of_memory", "command_stalled"])
def test_limits_that_depend_on_the_machine_prove_nothing(code: str) -> None:
    assert identify(code=code) == ""


def test_output_over_its_limit_is_evidence_however_it_was_stopped() -> None:
    ends = {
        identify(code="output_too_large", errors=(), exit_code=-9),
        identify(code="output_too_large", errors=ERRORS, exit_code=251),
    }
    assert len(ends) == 1
    assert "" not in ends


@pytest.mark.parametrize(
    ("evidence", "error", "is_blamed"),
    [
        ("same", "[aist#0:1/aac @ 0x1] [dec:aac @ 0x2] [error] Error while opening decoder", True),
        ("same", "[out#0/mp4 @ 0x1] [error] Could not write header (incorrect codec?)", False),
        ("same", "[libx264 @ 0x1] [error] invalid level_idc: 9000", False),
        ("", "[in#0 @ 0x1] [error] Error during demuxing: Input/output error", False),
    ],
    ids=["decoder", "muxer", "encoder", "machine"],
)
def test_video_is_blamed_only_where_a_decoder_complained(
    evidence: str, error: str, is_blamed: bool
) -> None:
    """FFmpeg writes "Conversion failed!" whatever the reason was."""
    failed = FfmpegFailed(
        "FFmpeg failed with exit code 234.",
        exit_code=234,
        log_tail="",
        code="command_failed",
        tally=LogSummary(gave_up=True),
        errors=frozenset({error}),
    )
    failed.evidence = evidence
    blamed = blame_source(failed)
    assert (blamed is not None and blamed.code == "media_damaged") is is_blamed
