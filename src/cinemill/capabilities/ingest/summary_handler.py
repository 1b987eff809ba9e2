"""What an ingestion found out, as its job says it."""

from __future__ import annotations

from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import SOURCE
from cinemill.steps.ingestion.plan import ProfileParameters
from cinemill.steps.ingestion.source_damage import GAPS
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.findings.ingestions import count_known


def summarize_ingestion(resources: StepResources, context: StepContext) -> StepOutcome:
    """Return the result of ``prepare`` with what was found: counts by kind, passages and gaps."""
    asset = find_asset(resources, context)
    with resources.database.begin() as connection:
        known = count_known(connection, asset.id)
    prepared = context.run.inputs.get("prepare", {})
    own = prepared.get(GAPS) or ()
    return StepOutcome(
        {
            **prepared,
            "profile": context.parameters(ProfileParameters).profile.value,
            "findings": {kind.value: count for kind, count in known.findings.items()},
            "passages": {track.value: count for track, count in known.passages.items()},
            GAPS: [
                *own,
                *(
                    {
                        "subject": gap.subject,
                        "code": gap.code,
                        "message": gap.message,
                        "hint": gap.hint,
                    }
                    for gap in known.gaps
                    if not own or gap.subject != SOURCE
                ),
            ],
        }
    )
