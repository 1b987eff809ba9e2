"""Search, answers with citations, and conversations about what videos say and show."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.search import kinds
from cinemill.capabilities.search.runtime import kinds as runtime
from cinemill.capabilities.search.runtime.plan import (
    AnswerParameters,
    SearchParameters,
    plan_answer,
    plan_search,
)
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.ingestion.kinds import WRITE_PASSAGES

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.search.passage_handler import write_passages
    from cinemill.capabilities.search.runtime import handlers

    return {
        WRITE_PASSAGES: partial(write_passages, resources),
        **handlers.build_handlers(resources),
    }


CAPABILITY = Capability(
    name="search",
    steps=(*kinds.STEPS, *runtime.STEPS),
    jobs=(
        *(
            JobKind(
                kind, SearchParameters, plan_search(kind), positional=("query", "limit", "filters")
            )
            for kind in (
                runtime.SEMANTIC_SEARCH,
                runtime.GRAPH_SEARCH,
                runtime.HYBRID_SEARCH,
                runtime.GENERATE_CONTEXT,
            )
        ),
        JobKind(
            runtime.ANSWER_QUERY,
            AnswerParameters,
            plan_answer,
            positional=("question", "filters", "conversation_id"),
        ),
    ),
    build_handlers=_build_handlers,
)
