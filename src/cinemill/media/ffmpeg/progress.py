"""FFmpeg's output while it works: ``-progress`` blocks and log lines.

Pure: bytes in, values out.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MICROSECONDS_PER_SECOND = 1_000_000
TAIL_LINES = 16
FIRST_ERROR_LINES = 4
MOST_ERROR_LINES = 256
LINE_BYTES = 500
"""A log line is truncated to this length: names and metadata in it are the uploader's text."""


@dataclass(frozen=True, slots=True)
class FfmpegProgress:
    """One progress block. ``seconds`` is None until something was written."""

    frame: int = 0
    seconds: float | None = None
    total_bytes: int = 0
    speed: float | None = None
    """Multiple of real time."""
    is_end: bool = False

    @property
    def fingerprint(self) -> tuple[int, float | None, int]:
        """Return the values of which one must change for the command to count as alive."""
        return self.frame, self.seconds, self.total_bytes


def share_of_time(
    on_progress: Callable[[float], None], seconds: float
) -> Callable[[FfmpegProgress], None]:
    """Report how much of a video of this many seconds was written, 0 to 1.

    Reports nothing if its length is unknown.
    """

    def report(progress: FfmpegProgress) -> None:
        if seconds > 0 and progress.seconds is not None:
            on_progress(min(1.0, max(0.0, progress.seconds / seconds)))

    return report


class ProgressParser:
    """Parses what FFmpeg writes for ``-progress``; returns whole blocks."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, chunk: bytes) -> list[FfmpegProgress]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._rest = self._rest[-LINE_BYTES:]
        blocks: list[FfmpegProgress] = []
        for line in lines:
            key, _, value = line.decode("utf-8", "replace").partition("=")
            self._fields[key.strip()] = value.strip()
            if key.strip() == "progress":
                blocks.append(_read_block(self._fields))
                self._fields = {}
        return blocks


def _read_block(fields: dict[str, str]) -> FfmpegProgress:
    microseconds = _integer(fields.get("out_time_us"))
    return FfmpegProgress(
        frame=_integer(fields.get("frame")) or 0,
        seconds=None if microseconds is None else microseconds / MICROSECONDS_PER_SECOND,
        total_bytes=_integer(fields.get("total_size")) or 0,
        speed=_number(fields.get("speed", "").removesuffix("x")),
        is_end=fields.get("progress") == "end",
    )


def _integer(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None  # FFmpeg writes N/A until it knows


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(slots=True)
class LogSummary:
    """What the log shows and the exit code does not."""

    video_packets: int = 0
    video_frames: int = 0
    decode_errors: int = 0
    """Packets or frames of video or audio that a decoder gave up on or patched over."""
    corrupt_packets: int = 0
    container_errors: int = 0
    codec_errors: int = 0
    """Complaints that need not have cost anything: some intact videos cause them too."""
    ended_early: bool = False
    """The demuxer met the end of the file where it expected more."""
    is_open_ended: bool = False
    """It states no length, as what was written into a pipe: its last packet is short."""
    disk_full: bool = False
    file_too_large: bool = False
    out_of_memory: bool = False
    gave_up: bool = False
    """FFmpeg itself ended over what it read or was to write, not for a lack of resources."""
    reconfigured: bool = False
    """Frame size or format changed midway."""
    audio_changed: bool = False
    """Channels or rate of the audio changed midway, over which FFmpeg gives up."""
    cpu_seconds: float = 0.0
    """As the command itself counts it: under bubblewrap nothing else can."""
    peak_rss_bytes: int = 0


_INPUT_LINE = re.compile(
    r"Input stream #\d+:\d+ \((video|audio)\): (\d+) packets read \(\d+ bytes\); "
    r"(\d+) (?:frames|samples)? ?decoded(?: \(\d+ samples\))?(?:; (\d+) decode errors)?"
)
_CPU_LINE = re.compile(r"^bench: utime=([\d.]+)s stime=([\d.]+)s")
_MEMORY_LINE = re.compile(r"^bench: maxrss=(\d+)KiB")
_LEVELLED = re.compile(r"\[(panic|fatal|error|warning|info|verbose|debug)\] ?(.*)$")
_ERROR_LEVELS = frozenset({"error", "fatal", "panic"})
_OUTPUT = re.compile(r"^\[(?:out#|vost#|aost#|vf#|af#|fc#|enc:)")
_ENDED_EARLY = ("partial file", "File ended prematurely", "moov atom not found")
_GAVE_UP = ("Conversion failed!", "Error opening input")
_CORRUPT_PACKET = ("corrupt input packet in stream", "Packet corrupt", "PES packet size mismatch")
_DECODE_ERROR = ("corrupt decoded frame", "Decoding error:", "Error submitting packet to decoder")
_OUT_OF_MEMORY = re.compile(
    r"(?i)cannot allocate memory|out of memory|bad_alloc|malloc of size \S{1,20} failed|"
    r"memory allocation (?:error|failed|failure)|\ballocation (?:of \S{1,20} )?failed|"
    r"(?:failed|unable|could not|cannot) (?:to )?(?:re)?alloc|cannot stroke outline"
)
"""In the words of FFmpeg, x264 and x265, libass, C++ and the others. Only of a command that fails:
what libass has no room for, it leaves out."""
_DEMUXER = re.compile(r"^\[(?:in#\d+/|mov|matroska|avi @|flv @|asf|mpegts|mpeg @|ogg|mxf)")


class LogReader:
    """Reads FFmpeg's log (``-loglevel level+verbose``): counts errors, and keeps a bounded tail."""

    def __init__(self) -> None:
        self.tally = LogSummary()
        self._rest = b""
        self._first_errors: list[str] = []
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.errors: set[str] = set()
        """Distinct lines of errors, and lines without a level."""

    @property
    def tail(self) -> str:
        """Return the first errors, which name the cause, and the last non-verbose lines."""
        return "\n".join([*self._first_errors, *self._tail])

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        self._rest = self._rest[-LINE_BYTES:]
        for line in lines:
            self._read_line(line[:LINE_BYTES].decode("utf-8", "replace"))

    def finish(self) -> None:
        """Process the last line, which may lack its line end."""
        self.feed(b"\n")

    def _read_line(self, line: str) -> None:
        found = _LEVELLED.search(line)
        # Without a level, it continues a line before, or comes from the loader that could not start
        # FFmpeg.
        level, text = (found.group(1), found.group(2)) if found else ("info", line)
        if level in ("verbose", "debug"):
            self._read_summary(text)
            return
        if text.startswith("bench: "):
            self._read_bench(text)
            return
        # Libraries, the loader and the sandbox write without levels.
        is_complaint = level in _ERROR_LEVELS if found else "[info]" not in line
        if is_complaint and line.strip() and len(self.errors) < MOST_ERROR_LINES:
            self.errors.add(line.strip())
        if line.strip():
            self._keep(level, line.strip())
        self._count(level, line, text)

    def _keep(self, level: str, line: str) -> None:
        if level in _ERROR_LEVELS and len(self._first_errors) < FIRST_ERROR_LINES:
            self._first_errors.append(line)
        else:
            self._tail.append(line)

    def _read_summary(self, text: str) -> None:
        summary = _INPUT_LINE.search(text)
        if summary is None:
            return
        kind, packets, frames, errors = summary.groups()
        if kind == "video":
            self.tally.video_packets += int(packets)
            self.tally.video_frames += int(frames)
        self.tally.decode_errors += int(errors or 0)

    def _read_bench(self, text: str) -> None:
        if spent := _CPU_LINE.match(text):
            self.tally.cpu_seconds = float(spent.group(1)) + float(spent.group(2))
        if peak := _MEMORY_LINE.match(text):
            self.tally.peak_rss_bytes = int(peak.group(1)) * 1024

    def _count(self, level: str, line: str, text: str) -> None:
        tally = self.tally
        tally.ended_early |= any(sign in text for sign in _ENDED_EARLY)
        tally.is_open_ended |= "Ignoring maximum wav data size" in text
        tally.disk_full |= "No space left on device" in text
        tally.file_too_large |= "File too large" in text
        tally.out_of_memory |= _OUT_OF_MEMORY.search(text) is not None
        tally.gave_up |= any(sign in text for sign in _GAVE_UP)
        tally.reconfigured |= "video parameters changed" in text
        tally.audio_changed |= "audio frame properties on the fly" in text
        if any(sign in text for sign in _CORRUPT_PACKET):
            tally.corrupt_packets += 1
        elif any(sign in text for sign in _DECODE_ERROR):
            tally.decode_errors += 1
        elif level in _ERROR_LEVELS and _DEMUXER.match(line):
            tally.container_errors += 1
        elif level in _ERROR_LEVELS and not _OUTPUT.match(line):
            tally.codec_errors += 1
