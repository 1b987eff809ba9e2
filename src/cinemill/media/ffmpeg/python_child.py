"""Python code that reads an untrusted file, run in a process and a sandbox of its own.

The module is started as ``python -I -m``. It reads a JSON object from its standard input and writes
one to its standard output. The file may be crafted to crash, hang or bloat its reader, so memory,
processor time, wall time and the size of the answer are all limited.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cinemill
from cinemill.core.documents import JsonObject
from cinemill.errors import CommandFailed
from cinemill.media.ffmpeg.child_exit import blame_file, is_files_fault
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, library_folders, prepare_child, wrap_command

POLL_SECONDS = 0.05
STOP_CHECK_SECONDS = 0.5
_LOG_BYTES = 4000
_Answer = TypeVar("_Answer")


class ChildCrashed(Exception):
    """The child was ended by the file: by a crash, an error or a limit.

    ``log_tail`` are its last lines.
    """

    def __init__(self, reason: str, log_tail: str = "") -> None:
        super().__init__(reason)
        self.log_tail = log_tail


class ChildTimedOut(ChildCrashed):
    """The child was still running when its wall time was over."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChildLimits:
    """Limits on one child."""

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float
    max_answer_bytes: int


def run_python_child(
    module: str,
    request: JsonObject,
    *,
    read: Callable[[Any], _Answer],
    limits: ChildLimits,
    sandbox: Sandbox,
    readable: Sequence[Path],
    should_stop: Callable[[], Exception | None] = lambda: None,
) -> _Answer:
    """Run ``module`` with ``request``, and return what ``read`` makes of its answer.

    It may read ``readable`` only. The file may have taken the child over, so that its answer is not
    trusted either: ``read`` may raise whatever is raised by documents of another shape.

    Raises ChildCrashed, ChildTimedOut, whatever ``should_stop`` returns, and CommandFailed if the
    child failed for reasons other than the file.
    """
    tight = Limits(
        memory_bytes=limits.memory_bytes,
        cpu_seconds=limits.cpu_seconds,
        max_output_bytes=limits.max_answer_bytes,
    )
    command = wrap_command(
        sandbox,
        [sys.executable, "-I", "-B", "-m", module],
        limits=tight,
        folder=None,
        readable=[*interpreter_folders(), *readable],
    )
    # Files instead of pipes: the limit on file sizes bounds them, and nobody has to read meanwhile.
    with (
        tempfile.TemporaryFile() as question,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as log,
    ):
        question.write(json.dumps(request).encode())
        question.seek(0)
        with subprocess.Popen(
            command,
            stdin=question,
            stdout=answer,
            stderr=log,
            start_new_session=True,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            preexec_fn=prepare_child(sandbox, tight),
        ) as child:
            _wait(child, limits.wall_seconds, should_stop)
        _check_exit(child.returncode, log)
        answer.seek(0)
        return _parse(answer.read(limits.max_answer_bytes), read)


def answer_request(handle: Callable[[Any], JsonObject]) -> None:
    """Be the child: answer the request on the standard input with what ``handle`` returns for it.

    Any error that the file may cause ends the process as the file's fault. What libraries print
    goes to the log instead of into the answer.
    """
    request = json.load(sys.stdin)
    answer, sys.stdout = sys.stdout, sys.stderr
    with blame_file():
        json.dump(handle(request), answer)
        answer.flush()


@functools.cache
def interpreter_folders() -> tuple[Path, ...]:
    """Return the folders that this Python needs to start, and nothing more."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(cinemill.__file__).parent.parent}
    return (*sorted(folders), *library_folders())


def _wait(
    child: subprocess.Popen[bytes],
    wall_seconds: float,
    should_stop: Callable[[], Exception | None],
) -> None:
    ends_at, asks_at = time.monotonic() + wall_seconds, 0.0
    try:
        while child.poll() is None:
            now = time.monotonic()
            if now >= asks_at:
                asks_at = now + STOP_CHECK_SECONDS
                _check_stop(should_stop)
            _check_time(now, ends_at)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(POLL_SECONDS)
    except BaseException:
        # Its group: a sandbox that is killed while it starts leaves its own child behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        raise


def _check_stop(should_stop: Callable[[], Exception | None]) -> None:
    stop = should_stop()
    if stop is not None:
        raise stop


def _check_time(now: float, ends_at: float) -> None:
    if now >= ends_at:
        raise ChildTimedOut("no answer within its wall time")


def _check_exit(code: int, log: Any) -> None:
    if code == 0:
        return
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_BYTES))
    tail = log.read().decode("utf-8", "replace")
    if is_files_fault(code):
        raise ChildCrashed(f"ended with exit code {code}", tail)
    raise CommandFailed(
        f"The reader of the file ended with exit code {code}.", exit_code=code, log_tail=tail
    )


def _parse(written: bytes, read: Callable[[Any], _Answer]) -> _Answer:
    try:
        return read(json.loads(written))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as broken:
        raise ChildCrashed("the answer is too long, not complete, or makes no sense") from broken
