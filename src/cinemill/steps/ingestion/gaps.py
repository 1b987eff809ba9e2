"""A step of an ingestion that cannot succeed leaves a gap, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cinemill.errors import (
    CinemillError,
    DatabaseUnavailable,
    DependencyUnavailable,
    InputRejected,
    NotFound,
    RedisUnavailable,
    ToolMissing,
    WorkFailed,
)
from cinemill.jobs.results import ResultOf, Seconds
from cinemill.jobs.runs.failures import describe_failure, settle_failure
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.kinds import APPLY_CAPTION_EDITS
from cinemill.steps.ingestion.source_damage import describe_gaps
from cinemill.steps.models import RETRY_HINT
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection
from cinemill.storage.findings.gaps import LASTING_SUBJECT, Gap, close_gap, save_gap
from cinemill.storage.findings.ingestions import ORCHESTRATING_KIND
from cinemill.storage.jobs.runs import get_step_attempts

Work = Callable[[StepResources, StepContext], StepOutcome]
SOURCE = LASTING_SUBJECT
"""Subject of the gap that a damaged video leaves."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What every step of an ingestion says in its result."""

    gap: str = ""
    """Code of the reason why its work is missing; empty if it is not."""
    reused: bool = False
    """Whether the same work was done before."""
    count: int = 0
    """Of what it found."""
    seconds: Seconds = None


ANY_REPORT = ResultOf("", StepReport)


def leave_gap(work: Work, subject: str) -> Work:
    """Return a handler that notes a gap where its work is refused for good.

    So it is, too, if it has failed twice in the same way. That is so within an ingestion. A job
    that asks for this work alone fails.
    """

    def handle(resources: StepResources, context: StepContext) -> StepOutcome:
        try:
            outcome = work(resources, context)
        except NotFound:
            raise
        except CinemillError as error:
            is_refused = isinstance(error, (InputRejected, ToolMissing))
            if not is_ingestion(context) or not (is_refused or context.is_repeated(error)):
                raise
            return _note(resources, context, _describe_gap(context, subject, error))
        if not is_ingestion(context):
            return outcome
        return _close(resources, context, outcome, subject)

    return handle


def leave_gap_at_last(work: Work, subject: str) -> Work:
    """Return a handler that notes a gap where its work is refused, or its last attempt fails.

    For services elsewhere, which an ingestion must not depend on. The work itself closes the gap
    once all of it is there. A job that asks for this work alone fails.
    """

    def handle(resources: StepResources, context: StepContext) -> StepOutcome:
        try:
            return work(resources, context)
        except NotFound:
            raise
        except CinemillError as error:
            if not is_ingestion(context) or not is_final(resources, context, error):
                raise
            return _note(resources, context, _describe_gap(context, subject, error))

    return handle


def make_gap(subject: str, error: CinemillError) -> Gap:
    """Return the gap that an error leaves, with a hint for a job that completes all the same."""
    hint = error.hint.replace(RETRY_HINT, "Then ingest the video again.")
    return Gap(subject, error.code, error.message, hint)


def _describe_gap(context: StepContext, subject: str, error: CinemillError) -> Gap:
    """Return the gap of an error, and say so where it came twice in the same way."""
    gap = make_gap(subject, error)
    if not context.is_repeated(error):
        return gap
    settled = settle_failure(describe_failure(error))
    return replace(gap, message=settled.message, hint=settled.hint)


def is_final(resources: StepResources, context: StepContext, error: Exception) -> bool:
    """Check whether no other attempt follows the one that ends with this error."""
    if isinstance(error, (InputRejected, ToolMissing)):
        return True
    if not isinstance(error, (WorkFailed, DependencyUnavailable)) or isinstance(
        error, (DatabaseUnavailable, RedisUnavailable)
    ):
        return False
    if context.is_repeated(error):
        return True
    with resources.database.begin() as connection:
        attempts = get_step_attempts(connection, context.run.step_id)
    return attempts.failures + 1 >= attempts.max_failures


def is_ingestion(context: StepContext) -> bool:
    """Check whether the step belongs to an ingestion, which goes on where a part is impossible.

    So does a job that follows an edit of captions: it is about one video, too. A job's parameters
    are stored as they were given: one that leaves its profile out names none.
    """
    run = context.run
    kinds = (ORCHESTRATING_KIND, APPLY_CAPTION_EDITS)
    return run.job_kind in kinds or bool(run.job_params.get("profile"))


def _note(resources: StepResources, context: StepContext, gap: Gap) -> StepOutcome:
    asset_id = find_asset(resources, context).id
    result = {"gap": gap.code, "reused": False, "count": 0}
    return StepOutcome(result, lambda connection: save_gap(connection, asset_id, gap))


def _close(
    resources: StepResources, context: StepContext, outcome: StepOutcome, subject: str
) -> StepOutcome:
    asset_id = find_asset(resources, context).id

    def write(connection: Connection) -> Mapping[str, Any] | None:
        close_gap(connection, asset_id, subject)
        return outcome.write(connection)

    return replace(outcome, write=write)


def note_source_gaps(
    connection: Connection, asset_id: str, gaps: Sequence[Mapping[str, Any]]
) -> None:
    """Note what is missing of the video itself, in place of what was noted before."""
    if not gaps:
        close_gap(connection, asset_id, SOURCE)
        return
    first = gaps[0]
    gap = Gap(SOURCE, str(first["code"]), describe_gaps(gaps), str(first["hint"]))
    save_gap(connection, asset_id, gap)
