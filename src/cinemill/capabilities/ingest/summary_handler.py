"""What an ingestion found out, as its job says it."""

from __future__ import annotations

from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.plan import ProfileParameters
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.findings.gaps import list_gaps
from cinemill.storage.findings.sets import count_active
from cinemill.storage.retrieval.passages import count_passages


def summarize_ingestion(resources: StepResources, context: StepContext) -> StepOutcome:
    """Return the result of ``prepare`` with what was found: counts by kind, passages and gaps."""
    asset = find_asset(resources, context)
    with resources.database.begin() as connection:
        found = count_active(connection, asset.id)
        passages = count_passages(connection, asset.id)
        gaps = list_gaps(connection, asset.id)
    return StepOutcome(
        {
            **context.run.inputs.get("prepare", {}),
            "profile": context.parameters(ProfileParameters).profile.value,
            "findings": {kind.value: count for kind, count in found.items()},
            "passages": {track.value: count for track, count in passages.items()},
            "gaps": [
                {"subject": gap.subject, "code": gap.code, "message": gap.message, "hint": gap.hint}
                for gap in gaps
            ],
        }
    )
