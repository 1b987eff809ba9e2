"""Search, answers with citations, and conversations about what videos say and show."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.search import kinds
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.ingestion.kinds import WRITE_PASSAGES

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.search.passage_handler import write_passages

    return {WRITE_PASSAGES: partial(write_passages, resources)}


CAPABILITY = Capability(
    name="search",
    steps=kinds.STEPS,
    jobs=(),
    build_handlers=_build_handlers,
)
