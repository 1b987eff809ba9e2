"""What makes two ends of a command the same: its arguments, how it ended, and what it said.

Equal evidence of two attempts at one step means that a third would end like them. There is none
where the machine may have had a part in it: memory, disks, networks, drivers, time, and signals
that others send.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

FAILED = "command_failed"
TOO_LARGE = "output_too_large"
INTERRUPTED_EXIT_CODE = 255
"""FFmpeg's own where a signal asked it to stop."""
UNSTARTED_EXIT_CODES = frozenset({126, 127})
_MACHINE_ERRORS = (
    *("EIO", "EAGAIN", "EMFILE", "ENFILE", "EACCES", "EPERM", "ENOENT", "ESTALE", "ENODEV"),
    *("ENOTCONN", "EPIPE", "EROFS", "EDQUOT", "EBUSY", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET"),
    *("ENETUNREACH", "EHOSTUNREACH", "ENOMEM", "ENOSPC", "EINTR", "ENOEXEC", "ELIBACC", "ENXIO"),
)
_MACHINES_WORDS = (
    # Of the sandbox and the loader, before FFmpeg began.
    *("bwrap: ", "error while loading shared libraries", "prlimit: ", "setpriv: "),
    *(os.strerror(getattr(errno, name)) for name in _MACHINE_ERRORS if hasattr(errno, name)),
)
_DECODERS_WORDS = re.compile(r"\[dec:(?!.*(?:Cannot allocate memory|No space left on device))")
"""A decoder opens nothing: it has such codes for what is wrong with its data, too."""
_ADDRESSES = re.compile(r"0x[0-9a-f]+")


def identify_success(arguments: Sequence[str], folder: Path, errors: Collection[str]) -> str:
    """Return the evidence of a command that exited with 0, and whose output may still be wrong.

    ``errors`` are the lines of errors in its log.
    """
    return _digest(arguments, folder, "0", errors)


def identify_failure(
    arguments: Sequence[str], folder: Path, errors: Collection[str], *, code: str, exit_code: int
) -> str:
    """Return the evidence of a command that failed; empty if another attempt may end otherwise."""
    if code == TOO_LARGE:
        # How it ended, and what it said by then, depends on when its folder was measured.
        return _digest(arguments, folder, code, ())
    is_own_end = 0 < exit_code < INTERRUPTED_EXIT_CODE and exit_code not in UNSTARTED_EXIT_CODES
    if code != FAILED or not (is_own_end and errors):
        # Killed, or it never began.
        return ""
    if any(_blames_machine(line) for line in errors):
        return ""
    return _digest(arguments, folder, f"{code} {exit_code}", errors)


def _blames_machine(line: str) -> bool:
    return not _DECODERS_WORDS.search(line) and any(words in line for words in _MACHINES_WORDS)


def identify_stall(arguments: Sequence[str]) -> str:
    """Return the evidence of a command that stopped moving over what it was given to draw."""
    return _digest(arguments, None, "stalled", ())


def _digest(
    arguments: Sequence[str], folder: Path | None, end: str, errors: Collection[str]
) -> str:
    """Threads write in any order and as often as they like, so each line counts once."""
    own = "" if folder is None else str(folder)
    lines = sorted({_ADDRESSES.sub("", line.replace(own, "")) for line in errors})
    given = [one.replace(own, "") for one in arguments]
    text = "\x00".join([*given, "", end, *lines])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
