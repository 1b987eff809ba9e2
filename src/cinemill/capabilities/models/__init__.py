"""Models: downloading one where the workers are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.models import kinds
from cinemill.capabilities.models.plan import FetchParameters, plan_fetch
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.models.handlers import fetch_model

    return dict.fromkeys(
        (kinds.FETCH_MODEL, kinds.FETCH_SPEECH_MODEL), partial(fetch_model, resources)
    )


CAPABILITY = Capability(
    name="models",
    steps=kinds.STEPS,
    jobs=(JobKind("fetch_model", FetchParameters, plan_fetch, positional=("name",)),),
    build_handlers=_build_handlers,
)
