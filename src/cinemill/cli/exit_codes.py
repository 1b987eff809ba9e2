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


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "Success.",
    ExitCode.JOB_FAILED: "A job failed or was cancelled, or a check found damaged files.",
    ExitCode.USAGE: (
        "Invalid usage, invalid settings, unknown id, or not possible in the current state."
    ),
    ExitCode.UNAVAILABLE: (
        "A dependency is unavailable: the Cinemill server, PostgreSQL, Redis, or a program."
    ),
    ExitCode.REJECTED: "The input was rejected: not a video, truncated, or too large.",
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C.",
}

# Exit code 4 means a problem with the video; asking for something nonexistent is a usage error.
_USAGE_STATUSES = frozenset({400, 401, 403, 404, 405, 409})


def exit_code_of(error: CinemillError) -> ExitCode:
    """Return the exit code of a command that fails with this error."""
    if isinstance(error, SettingsInvalid) or error.http_status in _USAGE_STATUSES:
        return ExitCode.USAGE
    if isinstance(error, DependencyUnavailable) or error.http_status in (502, 503, 504, 507):
        return ExitCode.UNAVAILABLE
    if isinstance(error, InputRejected) or 400 <= error.http_status < 500:
        return ExitCode.REJECTED
    return ExitCode.JOB_FAILED


def exit_code_of_job(status: str, failure_code: str) -> ExitCode:
    """Return the exit code for a finished job; a rejected video has another than a failure."""
    if status == "completed":
        return ExitCode.OK
    is_rejection = failure_code.startswith(("media_", "input_rejected"))
    return ExitCode.REJECTED if is_rejection else ExitCode.JOB_FAILED


def highest(codes: Iterable[ExitCode]) -> ExitCode:
    """Return one code for several outcomes, the most severe: success only if all succeeded."""
    found = set(codes)
    order = (ExitCode.INTERRUPTED, ExitCode.UNAVAILABLE, ExitCode.USAGE, ExitCode.JOB_FAILED)
    return next((c for c in (*order, ExitCode.REJECTED) if c in found), ExitCode.OK)
