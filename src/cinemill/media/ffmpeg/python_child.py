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
from typing import Any

import cinemill
from cinemill.core.documents import JsonObject
from cinemill.errors import CommandFailed
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, library_folders, prepare_child, wrap_command

POLL_SECONDS = 0.05
STOP_CHECK_SECONDS = 0.5
_LOG_BYTES = 4000
_SIGNAL_EXIT = 128


class ChildCrashed(Exception):
    """The child was killed by a crash or by a limit, which is the file's fault."""


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
    limits: ChildLimits,
    sandbox: Sandbox,
    readable: Sequence[Path],
    should_stop: Callable[[], Exception | None] = lambda: None,
) -> dict[str, Any]:
    """Run ``module`` with ``request`` and return its answer; it may read ``readable`` only.

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
        return _parse(answer.read(limits.max_answer_bytes))


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
            time.sleep(POLL_SECONDS)
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
    # Killed by a crash or by a limit, which is the file's fault. An exit code is ours.
    if code < 0 or code > _SIGNAL_EXIT:
        raise ChildCrashed(f"killed, exit code {code}")
    if code == 0:
        return
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_BYTES))
    raise CommandFailed(
        f"The reader of the file ended with exit code {code}.",
        exit_code=code,
        log_tail=log.read().decode("utf-8", "replace"),
    )


def _parse(written: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(written)
    except ValueError as cut:
        raise ChildCrashed("the answer is too long, or not complete") from cut
    if not isinstance(answer, dict):
        raise ChildCrashed("the answer is no object")
    return answer
