"""The decoding process as its parent sees it: records, one after the other, under limits.

Decoding happens in a sandboxed child, as probing does: the file may be crafted to crash or hang its
reader. A pipe between them bounds what is decoded ahead. Call it from the main thread of a worker:
the signal that kills the child when its parent dies follows the *thread* that started it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cinemill.errors import CommandFailed, CommandStalled, MediaRejected
from cinemill.machine import usable_cpus
from cinemill.media.ffmpeg.child_exit import CRASHES, FILE_EXIT_CODE, signal_of
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.python_child import interpreter_folders
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox, prepare_child, wrap_command
from cinemill.media.frames.records import (
    MAX_PAYLOAD_BYTES,
    RECORD_HEAD,
    RecordKind,
    Request,
    read_end,
)
from cinemill.media.probe.sniff import sniff_file
from cinemill.media.rejections import REJECTION_CODES, reject_media

ShouldStop = Callable[[], Exception | None]
Record = tuple[RecordKind, memoryview]
TICK_SECONDS = 0.1
"""How often a stop request is checked for."""
MOST_THREADS = 4
_MODULE = "cinemill.media.frames.child"
_LOG_BYTES = 4000
_READ_BYTES = 65_536


def never_stop() -> Exception | None:
    """Ask for nothing: the default of ``should_stop``."""
    return None


def decode_records(
    path: Path,
    request: Request,
    *,
    limits: Limits,
    sandbox: Sandbox | None,
    should_stop: ShouldStop,
) -> Iterator[Record]:
    """Yield the records of a decoding process, the last of kind END without an error.

    The process ends with the iterator. A record's bytes are the caller's to keep.

    Raises MediaRejected with a code of ``media.rejections.REJECTION_CODES``; CommandFailed (codes
    ``command_failed``, ``command_timed_out``) if the process failed for other reasons than the
    file; CommandStalled; and what ``should_stop`` returns.
    """
    asked: Request = {
        **request,
        "path": str(path.absolute()),
        "format": sniff_file(path).value,
        "limits": dataclasses.asdict(limits),
        "threads": min(MOST_THREADS, usable_cpus()),
    }
    process = _start(path.absolute(), limits, sandbox or detect_sandbox())
    reader = _RecordReader(process, limits, should_stop)
    try:
        reader.send(json.dumps(asked).encode())
        while True:
            kind, payload = reader.read()
            if kind is RecordKind.END:
                _raise_for_end(payload)
                yield kind, payload
                return
            if kind is not RecordKind.ALIVE:
                yield kind, payload
    finally:
        reader.close()


def reject(code: str, log_tail: str = "") -> MediaRejected:
    """Return the error for a code of ``media.rejections.REJECTION_CODES``."""
    return reject_media(code, log_tail=log_tail)


def _start(path: Path, limits: Limits, sandbox: Sandbox) -> subprocess.Popen[bytes]:
    tight = dataclasses.replace(limits, max_output_bytes=0)
    command = wrap_command(
        sandbox,
        [sys.executable, "-I", "-m", _MODULE],
        limits=tight,
        folder=None,
        readable=[*interpreter_folders(), path],
    )
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=prepare_child(sandbox, tight),
    )


def _raise_for_end(payload: memoryview) -> None:
    try:
        code = read_end(payload).get("rejected", "")
    except (ValueError, AttributeError, RecursionError) as broken:
        raise reject("media_unreadable") from broken
    if code:
        raise reject(code if code in REJECTION_CODES else "media_unreadable")


class _RecordReader:
    """Reads one child's output and enforces its time limits."""

    def __init__(
        self, process: subprocess.Popen[bytes], limits: Limits, should_stop: ShouldStop
    ) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("the process was started without pipes")
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._limits = limits
        self._should_stop = should_stop
        self._waited_seconds = 0.0
        self._log = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def send(self, request: bytes) -> None:
        """Write the request. A process that is gone is noticed when its answer is read."""
        try:
            self._stdin.write(request)
            self._stdin.close()
        except BrokenPipeError:
            return

    def read(self) -> Record:
        """Return the next record; raises as :func:`decode_records` does."""
        kind, size = RECORD_HEAD.unpack(self._read_exactly(RECORD_HEAD.size))
        try:
            known = RecordKind(kind)
        except ValueError as unknown:
            raise reject("media_unreadable") from unknown
        if size > MAX_PAYLOAD_BYTES:
            raise reject("media_unreadable")
        return known, self._read_exactly(size)

    def close(self) -> None:
        """Kill the process with all it started, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        for stream in (self._stdout, self._stderr, self._stdin):
            try:
                stream.close()
            except BrokenPipeError:
                continue

    def _read_exactly(self, size: int) -> memoryview:
        filled, view = 0, memoryview(bytearray(size))
        alive_at = time.monotonic()
        while filled < size:
            if not self._wait(alive_at):
                continue
            count = os.readv(self._stdout.fileno(), [view[filled:]])
            if count == 0:
                raise self._find_reason()
            filled += count
            alive_at = time.monotonic()
        return view

    def _wait(self, alive_at: float) -> bool:
        """Wait a moment for output; return whether there is any."""
        started = time.monotonic()
        ready = {key.fileobj for key, _ in self._selector.select(TICK_SECONDS)}
        now = time.monotonic()
        self._waited_seconds += now - started
        if self._stderr in ready:
            self._read_log()
        stop = self._should_stop()
        if stop is not None:
            raise stop
        if now - alive_at > self._limits.stall_seconds:
            raise CommandStalled(
                f"Decoding made no progress for {self._limits.stall_seconds:g} seconds.",
                exit_code=-signal.SIGKILL,
                log_tail=self._log_tail(),
            )
        if self._waited_seconds > self._limits.wall_seconds:
            raise self._error(
                f"Decoding took longer than {self._limits.wall_seconds:g} seconds.",
                "command_timed_out",
            )
        return self._stdout in ready

    def _read_log(self) -> None:
        chunk = os.read(self._stderr.fileno(), _READ_BYTES)
        if not chunk:
            self._selector.unregister(self._stderr)
        self._log = (self._log + chunk)[-_LOG_BYTES:]

    def _find_reason(self) -> Exception:
        """Return why the output ended.

        A crash or an error while the file is read is its own fault, another exit code is ours.
        """
        code = self._wait_for_exit()
        while self._stderr in {key.fileobj for key, _ in self._selector.select(0)}:
            self._read_log()
        number = signal_of(code)
        if code == FILE_EXIT_CODE or number in CRASHES:
            return reject("media_unreadable", self._log_tail())
        if number == signal.SIGXCPU:
            return self._error("Decoding exceeded its CPU time limit.", "command_timed_out")
        return self._error(f"Decoding ended with exit code {code}.", "command_failed")

    def _wait_for_exit(self) -> int:
        """Wait for a process whose output has ended; its limits hold until it is gone."""
        self._selector.unregister(self._stdout)
        ended_at = time.monotonic()
        while (code := self._process.poll()) is None:
            self._wait(ended_at)
        return code

    def _error(self, message: str, code: str) -> CommandFailed:
        exit_code = self._process.returncode
        return CommandFailed(
            message,
            exit_code=-signal.SIGKILL if exit_code is None else exit_code,
            log_tail=self._log_tail(),
            code=code,
        )

    def _log_tail(self) -> str:
        return self._log.decode("utf-8", "replace")
