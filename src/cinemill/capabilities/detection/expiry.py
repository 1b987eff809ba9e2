"""Deletion of analyses whose time is over."""

from __future__ import annotations

from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources
from cinemill.storage.analyses.analyses import delete_expired

AT_ONCE = 1000
"""Analyses that are deleted in one transaction."""


def delete_expired_results(resources: StepResources, context: StepContext) -> StepOutcome:
    """Delete analyses whose time is over, with everything that they found. Safe to run twice.

    Those that a person has reviewed stay, and cached results expire by themselves. Result:
    ``deleted``, the number of analyses.
    """
    deleted = 0
    while not context.should_stop():
        with resources.database.begin() as connection:
            count = delete_expired(connection, limit=AT_ONCE)
        deleted += count
        if count < AT_ONCE:
            break
    return StepOutcome({"deleted": deleted})
