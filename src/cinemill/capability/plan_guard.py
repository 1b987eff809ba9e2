"""Plans of packages: what one raises or returns must reject one request, and end nothing else."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cinemill.core.job import StepSpec
from cinemill.errors import CinemillError, InputRejected
from cinemill.jobs.catalog import JobKind
from cinemill.steps.discovery import Origin, describe
from cinemill.telemetry import get_logger

log = get_logger(__name__)


def guard_job(origin: Origin, job: JobKind[Any], kinds: Container[str]) -> JobKind[Any]:
    """Return a package's kind of job whose plan raises nothing but CinemillErrors.

    ``kinds`` are the kinds of step that its plan may name. A plan that fails or makes no sense
    raises InputRejected (``plan_failed``), so that a Celery message of it becomes a failed job.
    """
    children = job.name_children
    return replace(
        job,
        plan=partial(_plan, origin, job, kinds),
        name_children=None if children is None else partial(_name_children, origin, job),
    )


def _plan(
    origin: Origin,
    job: JobKind[Any],
    kinds: Container[str],
    params: Any,
    asset_id: str | None,
) -> Sequence[StepSpec]:
    try:
        steps = list(job.plan(params, asset_id))
        flaw = _find_flaw(steps, kinds)
    except CinemillError:
        raise
    except Exception as error:
        log.warning("a package's plan failed", package=str(origin), kind=job.name, exc_info=error)
        raise _refuse(origin, job, f"it ends in {describe(error)}") from error
    if flaw is not None:
        raise _refuse(origin, job, flaw)
    return steps


def _find_flaw(steps: Sequence[Any], kinds: Container[str]) -> str | None:
    seen: set[str] = set()
    for step in steps:
        if not isinstance(step, StepSpec):
            return f"it returns a {type(step).__name__} instead of a StepSpec"
        if step.kind not in kinds:
            return f"there is no kind of step '{step.kind}'"
        if step.name in seen:
            return f"it has two steps '{step.name}'"
        if strange := [parent for parent in step.after if parent not in seen]:
            return f"its step '{step.name}' comes after '{strange[0]}', which is not before it"
        seen.add(step.name)
    return None if seen else "it has no steps"


def _refuse(origin: Origin, job: JobKind[Any], why: str) -> InputRejected:
    return InputRejected(
        f"{origin} cannot plan a '{job.name}': {why}.",
        code="plan_failed",
        hint=f"Report it to those who make {origin.package}; the API's log has the details.",
    )


def _name_children(origin: Origin, job: JobKind[Any], job_id: str, params: Any) -> Sequence[str]:
    """Return the ids of the jobs that a job submits; none where the package fails to name them."""
    try:
        return [str(child) for child in (job.name_children or _no_children)(job_id, params)]
    except Exception as error:
        log.warning(
            "a package names no children", package=str(origin), kind=job.name, exc_info=error
        )
        return ()


def _no_children(_job_id: str, _params: Any) -> Sequence[str]:
    return ()
