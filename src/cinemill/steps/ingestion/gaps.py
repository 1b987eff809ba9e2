"""A step of an ingestion that cannot succeed leaves a gap, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cinemill.errors import InputRejected, NotFound, ToolMissing
from cinemill.jobs.results import ResultOf, Seconds
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection
from cinemill.storage.findings.gaps import Gap, close_gap, save_gap

Work = Callable[[StepResources, StepContext], StepOutcome]


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

    That is so within an ingestion, whose job names a profile. A job that asks for this work alone
    fails.
    """

    def handle(resources: StepResources, context: StepContext) -> StepOutcome:
        try:
            outcome = work(resources, context)
        except NotFound:
            raise
        except (InputRejected, ToolMissing) as error:
            if not is_ingestion(context):
                raise
            return _note(resources, context, Gap(subject, error.code, error.message, error.hint))
        if not is_ingestion(context):
            return outcome
        return _close(resources, context, outcome, subject)

    return handle


def is_ingestion(context: StepContext) -> bool:
    """Check whether the step belongs to an ingestion, which goes on where a part is impossible."""
    return bool(context.run.job_params.get("profile"))


def _note(resources: StepResources, context: StepContext, gap: Gap) -> StepOutcome:
    asset_id = find_asset(resources, context).id
    result = {"gap": gap.code, "reused": False, "count": 0}
    return StepOutcome(result, lambda connection: save_gap(connection, asset_id, gap))


def _close(
    resources: StepResources, context: StepContext, outcome: StepOutcome, subject: str
) -> StepOutcome:
    asset_id = find_asset(resources, context).id

    def write(connection: Connection) -> None:
        close_gap(connection, asset_id, subject)
        outcome.write(connection)

    return replace(outcome, write=write)
