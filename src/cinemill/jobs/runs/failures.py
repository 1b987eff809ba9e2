"""Errors as failures that a row keeps and a person reads."""

from __future__ import annotations

import traceback

from cinemill.core.job import ClaimedRun, Failure
from cinemill.errors import CinemillError, make_storable
from cinemill.storage.media.folder_faults import explain_os_error
from cinemill.telemetry import get_logger

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
