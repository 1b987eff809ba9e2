"""Exit codes and their meanings, which are part of the generated reference."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from cinemill.errors import CinemillError, DependencyUnavailable, InputRejected, SettingsInvalid


class ExitCode(IntEnum):
    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    REJECTED = 4
    INTERRUPTED = 130
    PIPE_CLOSED = 141


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "Success.",
    ExitCode.JOB_FAILED: (
        "A job failed or was cancelled, a check found damaged files, or an internal error."
    ),
    ExitCode.USAGE: (
        "Invalid usage, invalid settings, unknown id, or not possible in the current state."
    ),
    ExitCode.UNAVAILABLE: (
        "A dependency is unavailable: the Cinemill server, PostgreSQL, Redis, or a program."
    ),
    ExitCode.REJECTED: "The input was rejected: not a video, truncated, or too large.",
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C.",
    ExitCode.PIPE_CLOSED: "What reads the output closed it, as 'head' does.",
}

INTERRUPTED_CODE = "interrupted"
# Exit code 4 means a problem with the video; asking for something nonexistent is a usage error.
_USAGE_STATUSES = frozenset({400, 401, 403, 404, 405, 409, 410, 412})
# The server, or what is in front of it, does not serve now or from here.
_UNAVAILABLE_STATUSES = frozenset({407, 408, 425, 429, 502, 503, 504, 507})


def exit_code_of(error: CinemillError) -> ExitCode:
    """Return the exit code of a command that fails with this error.

    It follows from the error alone, so that a fault has the same one in each command.
    """
    if error.code == INTERRUPTED_CODE:
        return ExitCode.INTERRUPTED
    if isinstance(error, SettingsInvalid) or error.http_status in _USAGE_STATUSES:
        return ExitCode.USAGE
    if isinstance(error, DependencyUnavailable) or error.http_status in _UNAVAILABLE_STATUSES:
        return ExitCode.UNAVAILABLE
    if isinstance(error, InputRejected) or 400 <= error.http_status < 500:
        return ExitCode.REJECTED
    return ExitCode.JOB_FAILED


def is_rejection(failure_code: str) -> bool:
    """Check whether a job failed because of what was given; older servers do not say so."""
    return failure_code.startswith(("media_", "input_rejected"))


def highest(codes: Iterable[ExitCode]) -> ExitCode:
    """Return one code for several outcomes, the most severe: success only if all succeeded."""
    found = set(codes)
    order = (ExitCode.INTERRUPTED, ExitCode.UNAVAILABLE, ExitCode.USAGE, ExitCode.JOB_FAILED)
    return next((c for c in (*order, ExitCode.REJECTED) if c in found), ExitCode.OK)
