"""Search, answers with citations, and conversations about what videos say and show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cinemill.capabilities.search.runtime import kinds
from cinemill.capabilities.search.runtime.plan import (
    AnswerParameters,
    SearchParameters,
    plan_answer,
    plan_search,
)
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.search.runtime import handlers

    return handlers.build_handlers(resources)


CAPABILITY = Capability(
    name="search",
    steps=kinds.STEPS,
    jobs=(
        *(
            JobKind(kind, SearchParameters, plan_search(kind), positional=("query",))
            for kind in (
                kinds.SEMANTIC_SEARCH,
                kinds.GRAPH_SEARCH,
                kinds.HYBRID_SEARCH,
                kinds.GENERATE_CONTEXT,
            )
        ),
        JobKind(
            kinds.ANSWER_QUERY,
            AnswerParameters,
            plan_answer,
            positional=("question", "conversation_id"),
        ),
    ),
    build_handlers=_build_handlers,
)
