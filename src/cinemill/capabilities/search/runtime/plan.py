"""Parameters of searches and questions to their one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from cinemill.capabilities.search.query import LONGEST_QUERY, parse_query
from cinemill.capabilities.search.runtime import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Expected, Listed, Parameters
from cinemill.core.retrieval.queries import DEFAULT_HITS, MOST_HITS

LONGEST_NAME = 255
MOST_FILTERS = 200

Text = Annotated[str, Field(max_length=LONGEST_QUERY)]
Names = Annotated[
    Listed[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]],
    Field(max_length=MOST_FILTERS),
    Expected(f"a list of at most {MOST_FILTERS} texts"),
]


class _Narrowed(Parameters):
    """Which videos are searched."""

    asset_ids: Names = ()
    """Videos to search. Default: all."""
    collections: Names = ()
    """Collections to search. Default: all."""


class SearchParameters(_Narrowed):
    """A search."""

    query: Text
    """Words, a question, or names."""
    limit: Annotated[int, Field(ge=1, le=MOST_HITS)] = DEFAULT_HITS
    """Most hits to return, 1 to 100."""


class AnswerParameters(_Narrowed):
    """A question."""

    question: Text
    """What to answer from the videos."""
    conversation_id: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    """Conversation that this question goes on with."""


def plan_search(kind: str) -> Callable[[SearchParameters, str | None], list[StepSpec]]:
    """Return the planner of a job that searches, within its video if it has one.

    It raises InputRejected (``query_empty``, ``query_invalid``).
    """

    def plan(params: SearchParameters, asset_id: str | None) -> list[StepSpec]:
        parse_query(params.query)
        return [_make_step(kind, params, asset_id)]

    return plan


def plan_answer(params: AnswerParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan the answer to a question, from the job's video if it has one.

    Raises InputRejected (``query_empty``, ``query_invalid``).
    """
    parse_query(params.question)
    return [_make_step(kinds.ANSWER_QUERY, params, asset_id)]


def _make_step(kind: str, params: _Narrowed, asset_id: str | None) -> StepSpec:
    document = params.model_dump(mode="json")
    if asset_id is not None:
        document["asset_ids"] = [asset_id]
    return StepSpec(kind, kind, document)
