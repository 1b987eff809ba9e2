"""What an exit code means; the table is part of the generated reference."""

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

# 4 is for what is wrong with the film; who asks for something that is not there used it wrongly.
_USAGE_STATUSES = frozenset({400, 401, 403, 404, 405, 409})


def exit_code_of(error: CinemillError) -> ExitCode:
    """The code that a command ends with when this error ends it."""
    if isinstance(error, SettingsInvalid) or error.http_status in _USAGE_STATUSES:
        return ExitCode.USAGE
    if isinstance(error, DependencyUnavailable) or error.http_status in (502, 503, 504, 507):
        return ExitCode.UNAVAILABLE
    if isinstance(error, InputRejected) or 400 <= error.http_status < 500:
        return ExitCode.REJECTED
    return ExitCode.JOB_FAILED


def exit_code_of_job(status: str, failure_code: str) -> ExitCode:
    """The code for a job that has ended. Rejections of the film are told from failures."""
    if status == "completed":
        return ExitCode.OK
    is_rejection = failure_code.startswith(("media_", "input_rejected"))
    return ExitCode.REJECTED if is_rejection else ExitCode.JOB_FAILED


def highest(codes: Iterable[ExitCode]) -> ExitCode:
    """One code for several outcomes: unavailable before failed before rejected before fine."""
    found = set(codes)
    order = (ExitCode.INTERRUPTED, ExitCode.UNAVAILABLE, ExitCode.USAGE, ExitCode.JOB_FAILED)
    return next((c for c in (*order, ExitCode.REJECTED) if c in found), ExitCode.OK)
