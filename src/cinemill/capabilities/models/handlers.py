"""The handler of downloads."""

from __future__ import annotations

from cinemill.capabilities.models.plan import FetchParameters
from cinemill.inference.models.catalog import get_card
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.models import fetch_with_progress
from cinemill.steps.resources import StepResources


def fetch_model(resources: StepResources, context: StepContext) -> StepOutcome:
    """Download a model, unless it is there and undamaged. Somebody asked for it by name.

    Result: ``name``, ``size_bytes``. Raises InputRejected (``model_unavailable``), DiskFull.
    """
    card = get_card(context.parameters(FetchParameters).name)
    fetch_with_progress(resources.models_dir, context, card, begin=0.0, share=1.0)
    return StepOutcome({"name": card.name, "size_bytes": card.size_bytes})
