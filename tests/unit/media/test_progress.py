"""Parsing FFmpeg's output, however it is cut into pieces."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cinemill.media.ffmpeg.progress import (
    FIRST_ERROR_LINES,
    LINE_BYTES,
    TAIL_LINES,
    FfmpegProgress,
    LogReader,
    ProgressParser,
)

FIRST = b"frame=12\nfps=0.0\ntotal_size=4096\nout_time_us=480000\nspeed=1.5x\nprogress=continue\n"
LAST = b"frame=25\ntotal_size=9000\nout_time_us=1000000\nspeed=N/A\nprogress=end\n"


def test_progress_block_is_parsed() -> None:
    assert ProgressParser().feed(FIRST) == [FfmpegProgress(12, 0.48, 4096, 1.5, is_end=False)]


def test_progress_values_not_yet_known_are_none() -> None:
    [block] = ProgressParser().feed(
        b"frame=0\nout_time_us=N/A\ntotal_size=N/A\nprogress=continue\n"
    )
    assert block == FfmpegProgress(0, None, 0, None, is_end=False)


@given(st.lists(st.integers(0, len(FIRST + LAST)), max_size=8))
def test_progress_parser_gives_the_same_blocks_however_input_is_split(cuts: list[int]) -> None:
    whole = FIRST + LAST
    edges = [0, *sorted(cuts), len(whole)]
    parser = ProgressParser()
    pieces = (whole[start:end] for start, end in itertools.pairwise(edges))
    blocks = [block for piece in pieces for block in parser.feed(piece)]
    assert blocks == ProgressParser().feed(whole)
    assert blocks[-1].is_end


@given(st.binary(max_size=2000))
def test_progress_and_log_parsers_accept_any_bytes(noise: bytes) -> None:
    ProgressParser().feed(noise + b"\nprogress=end\n")
    reader = LogReader()
    reader.feed(noise)
    reader.finish()


def read(*lines: str) -> LogReader:
    reader = LogReader()
    reader.feed("\n".join(lines).encode())
    reader.finish()
    return reader


def test_log_summary_counts_packets_frames_and_errors() -> None:
    tally = read(
        "[in#0/mov @ 0x1] [verbose]   Input stream #0:0 (video): 75 packets read (9 bytes); "
        "70 frames decoded; 2 decode errors; ",
        "[in#0/mov @ 0x1] [verbose]   Input stream #0:1 (audio): 122 packets read (9 bytes); "
        "120 frames decoded; 1 decode errors (79380 samples); ",
    ).tally
    assert (tally.video_packets, tally.video_frames, tally.decode_errors) == (75, 70, 3)


def test_log_summary_of_an_older_ffmpeg_has_no_error_counts() -> None:
    tally = read(
        "[verbose]   Input stream #0:0 (video): 9 packets read (1 bytes); 9 frames decoded; "
    ).tally
    assert (tally.video_frames, tally.decode_errors) == (9, 0)


def test_log_reader_counts_signs_of_damage() -> None:
    tally = read(
        "[mov,mp4 @ 0x1] [error] stream 1, offset 0x7167e: partial file",
        "[in#0/mov @ 0x1] [warning] corrupt input packet in stream 0",
        "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] Decoding error: Invalid data found",
        "[out#0/mp4 @ 0x1] [error] Error writing trailer: No space left on device",
        "[mpeg2video @ 0x1] [error] Invalid frame dimensions 0x0.",
    ).tally
    assert tally.ended_early
    assert tally.disk_full
    assert (tally.corrupt_packets, tally.decode_errors, tally.codec_errors) == (1, 1, 1)
    assert tally.container_errors == 1


def test_log_of_an_intact_run_counts_no_errors() -> None:
    tally = read("[libx264 @ 0x1] [info] frame I:2", "", "[h264 @ 0x1] [warning] odd").tally
    assert not (tally.decode_errors)
    assert not (tally.codec_errors)
    assert not (tally.container_errors)


def test_log_reader_reads_cpu_time_and_memory() -> None:
    tally = read(
        "[info] bench: utime=1.5s stime=0.25s rtime=0.9s", "[info] bench: maxrss=2KiB"
    ).tally
    assert (tally.cpu_seconds, tally.peak_rss_bytes) == (1.75, 2048)


@given(st.integers(0, 200), st.integers(1, 3000))
def test_log_tail_is_bounded_and_keeps_the_first_errors(lines: int, length: int) -> None:
    reader = read("[error] the cause", *(f"[warning] {n}" + "x" * length for n in range(lines)))
    kept = reader.tail.splitlines()
    assert kept[0] == "[error] the cause"
    assert len(kept) <= TAIL_LINES + FIRST_ERROR_LINES
    assert all(len(line) <= LINE_BYTES for line in kept)
