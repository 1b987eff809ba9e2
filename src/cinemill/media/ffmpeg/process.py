"""Running one FFmpeg: in its own session, sandboxed, monitored, and gone when it should be gone.

Call it from the main thread of a worker: the signal that kills the command when its parent dies
follows the *thread* that started it.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinemill.errors import CommandFailed, CommandStalled, DiskFull, MediaRejected
from cinemill.machine import read_capacity
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.child_exit import CRASHES, SHELL_SIGNAL_BASE
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.progress import FfmpegProgress, LogReader, LogSummary, ProgressParser
from cinemill.media.ffmpeg.sandbox import Sandbox, find_libraries, prepare_child, wrap_command
from cinemill.media.rejections import REJECTION_CODES

__all__ = [
    "FfmpegCrashed",
    "FfmpegFailed",
    "FfmpegProgress",
    "FfmpegReport",
    "Limits",
    "run_ffmpeg",
]

TICK_SECONDS = 0.1
"""How often a stop request is checked for."""
EXIT_POLL_SECONDS = 0.002
"""Poll interval once it has closed its outputs and is about to exit."""
FOLDER_CHECK_SECONDS = 1.0
TERM_GRACE_SECONDS = 0.4
KILL_WAIT_SECONDS = 5.0
READ_BYTES = 65536
_DEADLY = frozenset(
    {
        *(signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGKILL),
        *(signal.SIGSEGV, signal.SIGTERM, signal.SIGXCPU, signal.SIGXFSZ),
    }
)
"""FFmpeg's own exit codes lie above 128 too, but not on these."""

_PREAMBLE = ["-hide_banner", "-nostdin", "-y", "-nostats", "-benchmark", "-loglevel"]
_PREAMBLE += ["level+verbose", "-progress", "pipe:1", "-stats_period", "0.25"]


@dataclass(frozen=True, slots=True)
class FfmpegReport:
    """Report of a command that exited with 0; its log may still show that its outputs are bad."""

    tally: LogSummary
    last_progress: FfmpegProgress
    wall_seconds: float
    log_tail: str
    errors: frozenset[str]
    """Distinct lines of errors in its log."""


TOO_LARGE_HINT = (
    "Ask for a smaller output, or raise CINEMILL_MAX_OUTPUT_BYTES and restart; then retry the job."
)


class FfmpegFailed(CommandFailed):
    """A failure with the log up to then: often the file is to blame, not the command."""

    def __init__(
        self,
        message: str,
        *,
        exit_code: int,
        log_tail: str,
        code: str,
        tally: LogSummary,
        errors: frozenset[str],
    ) -> None:
        super().__init__(message, exit_code=exit_code, log_tail=log_tail, code=code)
        self.tally = tally
        self.errors = errors


class FfmpegCrashed(MediaRejected):
    """FFmpeg itself crashed over a file, and would do so again."""

    code = "media_unreadable"


def run_ffmpeg(
    ffmpeg_binary: FfmpegBinary,
    arguments: Sequence[str],
    *,
    folder: Path,
    limits: Limits,
    sandbox: Sandbox,
    on_progress: Callable[[FfmpegProgress], None],
    should_stop: Callable[[], Exception | None],
    on_peak_memory: Callable[[int], None],
    readable: Sequence[Path] = (),
    devices: Sequence[Path] = (),
) -> FfmpegReport:
    """Run FFmpeg with ``arguments`` (inputs and outputs; relative names lie in ``folder``).

    It sees ``readable`` read-only, ``folder`` and ``devices`` read-write, and nothing else if bwrap
    works; with devices also the machine's libraries, which include the drivers. ``should_stop`` is
    called ten times a second; the exception that it returns is raised once the whole process group
    is dead.

    Raises FfmpegFailed (a CommandFailed; codes ``command_failed``, ``command_timed_out``,
    ``output_too_large``, ``out_of_memory``), CommandStalled, DiskFull, and FfmpegCrashed if it
    read a file and no driver of a device was involved.
    """
    command = wrap_command(
        sandbox,
        [str(ffmpeg_binary.ffmpeg), *_PREAMBLE, *_count_cpus(ffmpeg_binary), *arguments],
        limits=limits,
        folder=folder,
        readable=[ffmpeg_binary.ffmpeg, *find_libraries(ffmpeg_binary.ffmpeg), *readable],
        devices=devices,
    )
    watch = _FfmpegProcess(_start(command, folder, sandbox, limits), folder, limits)
    try:
        return watch.follow(on_progress, should_stop)
    except FfmpegFailed as failed:
        if readable and not devices and -failed.exit_code in CRASHES:
            raise FfmpegCrashed(
                REJECTION_CODES[FfmpegCrashed.code], log_tail=failed.log_tail
            ) from failed
        raise
    finally:
        watch.end()
        on_peak_memory(watch.peak_bytes)


def _count_cpus(ffmpeg_binary: FfmpegBinary) -> list[str]:
    """Return how many processors FFmpeg shall count in a container that limits their time.

    It counts those that it may be scheduled on, and would start threads for each of the machine's.
    """
    capacity = read_capacity()
    is_needed = capacity.cpu_limit is not None and ffmpeg_binary.takes_cpu_count
    return ["-cpucount", str(capacity.cpus)] if is_needed else []


def _start(
    command: Sequence[str], folder: Path, sandbox: Sandbox, limits: Limits
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=prepare_child(sandbox, limits),
    )


class _FfmpegProcess:
    """One running command: reads its output, enforces its time limits, kills it."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, limits: Limits) -> None:
        self._process = process
        self._folder = folder
        self._limits = limits
        self._log = LogReader()
        self._parser = ProgressParser()
        self._progress = FfmpegProgress()
        self._started = self._alive_at = self._measured_at = time.monotonic()
        self._selector = selectors.DefaultSelector()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, selectors.EVENT_READ)

    def follow(
        self,
        on_progress: Callable[[FfmpegProgress], None],
        should_stop: Callable[[], Exception | None],
    ) -> FfmpegReport:
        while not self._poll():
            self._read(TICK_SECONDS, on_progress)
            stop = should_stop()
            if stop is not None:
                raise stop
            self._check_time()
            self._check_folder()
        while self._selector.get_map() and self._read(0, on_progress):
            pass
        self._log.finish()
        self._raise_for_status(self._process.returncode)
        return FfmpegReport(
            tally=self._log.tally,
            last_progress=self._progress,
            wall_seconds=time.monotonic() - self._started,
            log_tail=self._log.tail,
            errors=frozenset(self._log.errors),
        )

    @property
    def peak_bytes(self) -> int:
        """Return the peak memory that the command reports at its end; 0 if it was killed."""
        return self._log.tally.peak_rss_bytes

    def end(self) -> None:
        """Leave nothing of the command behind, whatever happened."""
        if self._process.returncode is None:
            self._kill()
        self._selector.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, wait_seconds: float, on_progress: Callable[[FfmpegProgress], None]) -> bool:
        """Read the available output; return whether there was any."""
        ready = self._selector.select(wait_seconds)
        if not self._selector.get_map():
            time.sleep(min(wait_seconds, EXIT_POLL_SECONDS))
        for key, _ in ready:
            chunk = os.read(key.fd, READ_BYTES)
            if not chunk:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is self._process.stderr:
                self._log.feed(chunk)
            else:
                self._advance(chunk, on_progress)
        return bool(ready)

    def _advance(self, chunk: bytes, on_progress: Callable[[FfmpegProgress], None]) -> None:
        for block in self._parser.feed(chunk):
            if block.fingerprint != self._progress.fingerprint:
                self._alive_at = time.monotonic()
            self._progress = block
            on_progress(block)

    def _check_time(self) -> None:
        now = time.monotonic()
        if now - self._alive_at > self._limits.stall_seconds:
            raise CommandStalled(
                f"FFmpeg made no progress for {self._limits.stall_seconds:g} seconds.",
                exit_code=-signal.SIGKILL,
                log_tail=self._log.tail,
            )
        if now - self._started > self._limits.wall_seconds:
            raise self._error(
                f"FFmpeg ran longer than {self._limits.wall_seconds:g} seconds.",
                "command_timed_out",
            )

    def _check_folder(self) -> None:
        """Check the total size: the kernel limits a single file, and the sum is checked here."""
        now = time.monotonic()
        if now - self._measured_at < FOLDER_CHECK_SECONDS:
            return
        self._measured_at = now
        if _folder_bytes(self._folder) > self._limits.max_output_bytes:
            raise self._too_large()

    def _raise_for_status(self, exit_code: int) -> None:
        tally = self._log.tally
        if tally.disk_full:
            raise DiskFull("The disk is full: FFmpeg could not write its outputs.")
        if exit_code == -signal.SIGXFSZ or tally.file_too_large:
            raise self._too_large()
        if exit_code == 0:
            return
        if tally.out_of_memory:
            raise self._error("FFmpeg exceeded its memory limit.", "out_of_memory")
        if exit_code == -signal.SIGXCPU:
            raise self._error("FFmpeg exceeded its CPU time limit.", "command_timed_out")
        raise self._error(f"FFmpeg failed with exit code {exit_code}.", "command_failed")

    def _too_large(self) -> FfmpegFailed:
        limit = self._limits.max_output_bytes
        error = self._error(f"The outputs exceeded the limit of {limit} bytes.", "output_too_large")
        error.hint = TOO_LARGE_HINT
        return error

    def _error(self, message: str, code: str) -> FfmpegFailed:
        exit_code = self._process.returncode
        return FfmpegFailed(
            message,
            exit_code=-signal.SIGKILL if exit_code is None else exit_code,
            log_tail=self._log.tail,
            code=code,
            tally=self._log.tally,
            errors=frozenset(self._log.errors),
        )

    def _poll(self) -> bool:
        """Return whether the command has exited."""
        code = self._process.poll()
        if code is None:
            return False
        self._process.returncode = _exit_code(code)
        return True

    def _kill(self) -> None:
        """Terminate the whole session: first with SIGTERM, then with SIGKILL."""
        for how, patience_seconds in (
            (signal.SIGTERM, TERM_GRACE_SECONDS),
            (signal.SIGKILL, KILL_WAIT_SECONDS),
        ):
            try:
                os.killpg(self._process.pid, how)
            except ProcessLookupError:
                break
            if self._wait_gone(patience_seconds):
                break

    def _wait_gone(self, patience_seconds: float) -> bool:
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            if self._process.returncode is None:
                self._poll()
            if self._process.returncode is not None and not _group_exists(self._process.pid):
                return True
            time.sleep(0.01)
        return False


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _exit_code(code: int) -> int:
    """Convert bwrap's 128 + n, for a command killed by signal n, to -n as used everywhere here."""
    number = code - SHELL_SIGNAL_BASE
    return -number if number in _DEADLY else code


def _folder_bytes(folder: Path) -> int:
    total = 0
    for entry in folder.iterdir():
        try:
            total += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue  # renamed or removed between the listing and the stat
    return total
