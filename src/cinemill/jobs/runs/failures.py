"""Errors as failures that a row keeps and a person reads."""

from __future__ import annotations

import hashlib
import re
import traceback
from dataclasses import replace

from cinemill.core.job import ClaimedRun, Failure
from cinemill.errors import (
    CinemillError,
    CommandFailed,
    CommandStalled,
    OutputInvalid,
    WorkFailed,
    clip_text,
    make_storable,
)
from cinemill.jobs.runs.attempt import Attempt
from cinemill.storage.media.folder_faults import explain_os_error
from cinemill.telemetry import get_logger

LONGEST_REASON = 300
SETTLED_HINT = (
    "Further attempts would end like this one. If the video plays elsewhere, report this; after an "
    "update, retry the job."
)
_RETRIED_HINTS = frozenset(
    kind.hint for kind in (WorkFailed, CommandFailed, CommandStalled, OutputInvalid)
)
_ERROR_LINE = re.compile(r"\[(?:error|fatal|panic)\] ?(.+)")

log = get_logger(__name__)


def name_cause(error: Exception) -> Exception:
    """Return an error of the operating system as one that names the folder or disk at fault.

    Any other is returned as it is.
    """
    if not isinstance(error, OSError):
        return error
    explained = explain_os_error(error)
    if explained is None:
        return error
    explained.__cause__ = error
    return explained


def describe_failure(error: Exception) -> Failure:
    """Any exception in words; of an unexpected one, the traceback's end as the last lines."""
    if isinstance(error, CinemillError):
        return Failure(
            code=error.code,
            message=make_storable(error.message),
            hint=make_storable(error.hint),
            log_tail=make_storable(error.log_tail),
            retryable=error.is_retryable,
        )
    lines = traceback.format_exception(error)
    return Failure(
        code="internal_error",
        message=make_storable(f"Unexpected error: {type(error).__name__}: {error}"),
        hint="Retry the job; if it fails again, report it with the lines below.",
        log_tail=make_storable("".join(lines)[-4000:]),
    )


def log_failure(run: ClaimedRun, failure: Failure, error: Exception) -> None:
    """Log a rejection as a warning, and an unexpected error with its traceback.

    A rejection is the input's fault.
    """
    context = {"run": run.id, "job": run.job_id, "step": run.step_name, "try_": run.attempt}
    if isinstance(error, CinemillError):
        log.warning("run failed", code=failure.code, why=failure.message, **context)
    else:
        log.error("run failed unexpectedly", exc_info=error, **context)


def find_evidence(attempt: Attempt, error: Exception) -> str:
    """Return what makes this failure the same as another of the step; empty if nothing does.

    That is the command that failed, or after which what it wrote was found to be wrong.
    """
    evidence = ""
    if isinstance(error, CommandFailed):
        evidence = error.evidence
    elif isinstance(error, OutputInvalid):
        evidence = attempt.last_command
    if not evidence or not isinstance(error, CinemillError):
        return ""
    # The private folder, named by the token, is another one in each attempt.
    said = error.message.replace(attempt.run.token, "")
    return hashlib.sha256(make_storable(f"{evidence} {error.code} {said}").encode()).hexdigest()


def settle_failure(failure: Failure) -> Failure:
    """Return the failure of a step that failed twice in the same way: final, with its reason."""
    said = _ERROR_LINE.search(failure.log_tail)
    reason = f" It said: {clip_text(said.group(1), LONGEST_REASON).rstrip('. ')}." if said else ""
    return replace(
        failure,
        message=f"{failure.message}{reason} A second attempt ended in the same way.",
        hint=SETTLED_HINT if failure.hint in _RETRIED_HINTS else failure.hint,
        retryable=False,
    )
