"""Plans of packages: what one raises or returns must reject one request, and end nothing else."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from typing import Any

from cinemill.core.documents import check_text, encode_document
from cinemill.core.job import StepSpec
from cinemill.core.parameter_reader import read_parameters, read_stored_parameters
from cinemill.errors import CinemillError, InputRejected, OutputInvalid, clip_text
from cinemill.jobs.catalog import MIB, JobKind
from cinemill.steps.discovery import LONGEST_REASON, Origin
from cinemill.steps.package_code import describe, no_exit
from cinemill.telemetry import get_logger

MOST_STEPS = 10_000
LARGEST_STEP_PARAMS_BYTES = MIB

_NOWHERE = Origin("", "", "")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GuardedJobKind(JobKind[Any]):
    """A package's kind of job whose own code raises nothing but CinemillErrors."""

    origin: Origin = _NOWHERE

    def read_params(self, document: Any) -> Any:
        """Return the parameters of a request. Raises InputRejected (``plan_failed``)."""
        with _guard(self.origin, self.name):
            return read_parameters(self.parameters, document)

    def read_stored_params(self, document: Any) -> Any:
        """Return the parameters of a job that was accepted before. Raises OutputInvalid."""
        try:
            with no_exit():
                return read_stored_parameters(self.parameters, document)
        except CinemillError:
            raise
        except Exception as error:
            raise OutputInvalid(f"{self.origin} cannot read its job: {describe(error)}.") from error


def guard_job(origin: Origin, job: JobKind[Any], kinds: Container[str]) -> GuardedJobKind:
    """Return a package's kind of job whose own code raises nothing but CinemillErrors.

    ``kinds`` are the kinds of step that its plan may name. Parameters that its model cannot read
    for a fault of its own, and a plan that fails or makes no sense, raise InputRejected
    (``plan_failed``), so that a Celery message of it becomes a failed job.
    """
    own = {one.name: getattr(job, one.name) for one in fields(JobKind)}
    own["plan"] = partial(_plan, origin, job, kinds)
    if job.name_children is not None:
        own["name_children"] = partial(_name_children, origin, job)
    return GuardedJobKind(**own, origin=origin)


@contextmanager
def _guard(origin: Origin, kind: str) -> Iterator[None]:
    """Raise InputRejected for what a package's code raises, other than a CinemillError."""
    try:
        with no_exit():
            yield
    except CinemillError:
        raise
    except Exception as error:
        log.warning("a package's plan failed", package=str(origin), kind=kind, exc_info=error)
        raise _refuse(origin, kind, f"it ends in {describe(error)}") from error


def _plan(
    origin: Origin,
    job: JobKind[Any],
    kinds: Container[str],
    params: Any,
    asset_id: str | None,
) -> Sequence[StepSpec]:
    with _guard(origin, job.name):
        steps = list(islice(job.plan(params, asset_id), MOST_STEPS + 1))
        flaw = _find_flaw(steps, kinds)
    if flaw is not None:
        raise _refuse(origin, job.name, flaw)
    return steps


def _find_flaw(steps: Sequence[Any], kinds: Container[str]) -> str | None:
    if len(steps) > MOST_STEPS:
        return f"it has more than {MOST_STEPS:,} steps"
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
        try:
            check_text(step.name, "The name of a step")
            check_text(step.hardware or "any", "The hardware of a step")
            encode_document(dict(step.params), most_bytes=LARGEST_STEP_PARAMS_BYTES)
        except InputRejected as error:
            return f"a step cannot be stored: {error.message.rstrip('.')}"
    return None if seen else "it has no steps"


def _refuse(origin: Origin, kind: str, why: str) -> InputRejected:
    return InputRejected(
        clip_text(f"{origin} cannot plan a '{kind}': {why}.", LONGEST_REASON),
        code="plan_failed",
        hint=f"Report it to the authors of {origin.package}; the log has the details.",
    )


def _name_children(origin: Origin, job: JobKind[Any], job_id: str, params: Any) -> Sequence[str]:
    """Return the ids of the jobs that a job submits; none where the package fails to name them."""
    try:
        with no_exit():
            return [str(child) for child in (job.name_children or _no_children)(job_id, params)]
    except Exception as error:
        log.warning(
            "a package names no children", package=str(origin), kind=job.name, exc_info=error
        )
        return ()


def _no_children(_job_id: str, _params: Any) -> Sequence[str]:
    return ()
