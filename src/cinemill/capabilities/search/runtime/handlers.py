"""Handlers of searches and questions that come as tasks: thin, over the same functions as the API.

Each result is the JSON that the HTTP API returns. A person who waits is served sooner there: a task
also goes through a row and the broker. A result repeats what videos say, and is removed with them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache, partial

from cinemill.capabilities.search.runtime import kinds
from cinemill.capabilities.search.runtime.answers import Question, answer_query
from cinemill.capabilities.search.runtime.context import generate_context
from cinemill.capabilities.search.runtime.documents import (
    write_answer,
    write_context,
    write_search,
)
from cinemill.capabilities.search.runtime.plan import AnswerParameters, SearchParameters
from cinemill.capabilities.search.runtime.requests import SearchMode, SearchRequest
from cinemill.capabilities.search.runtime.resources import SearchResources
from cinemill.capabilities.search.runtime.search import run_search
from cinemill.core.documents import JsonObject
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.inference.language_models.address import LanguageModelAddress
from cinemill.inference.language_models.open import open_language_model
from cinemill.inference.language_models.protocol import LanguageModel
from cinemill.jobs.step import Handler, StepContext, StepOutcome
from cinemill.steps.resources import StepResources
from cinemill.storage.jobs.job_changes import record_quotations

_MODES = {
    kinds.SEMANTIC_SEARCH: SearchMode.SEMANTIC,
    kinds.GRAPH_SEARCH: SearchMode.GRAPH,
    kinds.HYBRID_SEARCH: SearchMode.HYBRID,
}


def build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    """Return the handlers of searches and questions by kind of step."""
    searches = {kind: partial(search, resources, mode) for kind, mode in _MODES.items()}
    return {
        **searches,
        kinds.GENERATE_CONTEXT: partial(collect_context, resources),
        kinds.ANSWER_QUERY: partial(answer, resources),
    }


def search(resources: StepResources, mode: SearchMode, context: StepContext) -> StepOutcome:
    """Search in one way. Result: that of ``GET /api/v1/search``."""
    found = run_search(_open(resources, context), _read_request(context), mode)
    return _conclude(context, write_search(found), found.asset_ids)


def collect_context(resources: StepResources, context: StepContext) -> StepOutcome:
    """Search, and collect what an answer may use. Result: ``passages`` by rank."""
    found, evidence = generate_context(_open(resources, context), _read_request(context))
    quoted = {one.passage.asset_id for one in evidence.evidence}
    return _conclude(context, write_context(found, evidence), quoted)


def answer(resources: StepResources, context: StepContext) -> StepOutcome:
    """Answer a question. Result: that of ``POST /api/v1/ask``."""
    params = context.parameters(AnswerParameters)
    question = Question(
        params.question, tuple(params.collections), SearchFilters(asset_ids=tuple(params.asset_ids))
    )
    stream = answer_query(
        _open(resources, context), question, conversation_id=params.conversation_id
    )
    stream.finish()
    return _conclude(context, write_answer(stream), stream.asset_ids)


def _conclude(context: StepContext, result: JsonObject, quoted: Collection[str]) -> StepOutcome:
    return StepOutcome(
        result, partial(record_quotations, job_id=context.run.job_id, asset_ids=quoted)
    )


def _read_request(context: StepContext) -> SearchRequest:
    params = context.parameters(SearchParameters)
    return SearchRequest(
        params.query,
        collections=tuple(params.collections),
        filters=SearchFilters(asset_ids=tuple(params.asset_ids)),
        limit=params.limit,
    )


def _open(resources: StepResources, context: StepContext) -> SearchResources:
    address = resources.language_model
    return SearchResources(
        database=resources.database,
        models_dir=resources.models_dir,
        text_model=resources.text_model,
        owner=context.run.owner,
        language_model=None if address is None else _open_once(address),
        qdrant=resources.qdrant,
    )


@lru_cache(maxsize=1)
def _open_once(address: LanguageModelAddress) -> LanguageModel:
    """Return the language model, whose connection stays open between tasks."""
    return open_language_model(address)
