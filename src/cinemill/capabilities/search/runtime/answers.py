"""Answers with citations, and conversations: one question is asked after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from cinemill.capabilities.search.answers import answer as answers
from cinemill.capabilities.search.answers.checks import Checks
from cinemill.capabilities.search.answers.events import (
    AnswerEvent,
    AnswerMode,
    CitationsEvent,
    DeltaEvent,
    DoneEvent,
    RetrievalEvent,
)
from cinemill.capabilities.search.context import AnswerContext
from cinemill.capabilities.search.conversation.rewriting import rewrite_with_model
from cinemill.capabilities.search.conversation.standalone import make_standalone
from cinemill.capabilities.search.conversation.turns import LONGEST_TURN, StandaloneQuery, Turn
from cinemill.capabilities.search.query import parse_query
from cinemill.capabilities.search.runtime.context import generate_context
from cinemill.capabilities.search.runtime.conversations import (
    History,
    find_turn_entities,
    read_history,
    remove_marks,
    store_turn,
)
from cinemill.capabilities.search.runtime.requests import SearchRequest, SearchResult
from cinemill.capabilities.search.runtime.resources import SearchResources
from cinemill.capabilities.search.runtime.vectors import find_word_comparison
from cinemill.core.retrieval.hits import Citation, SearchFilters
from cinemill.errors import NotFound
from cinemill.telemetry import get_logger

log = get_logger(__name__)

HITS = 8
"""That an answer is drawn from."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about videos."""

    text: str
    collections: tuple[str, ...] = ()
    """Empty: all of the owner's; in a conversation, those of the last question."""
    filters: SearchFilters = field(default_factory=SearchFilters)


@dataclass(slots=True)
class Answer:
    """An answer, once all of its events have come."""

    moments: tuple[Citation, ...] = ()
    """What it could use."""
    text: str = ""
    citations: tuple[Citation, ...] = ()
    """The first is ``[1]`` in the text."""
    done: DoneEvent = field(default_factory=lambda: DoneEvent(AnswerMode.EXTRACTIVE))

    def add(self, event: AnswerEvent) -> None:
        """Add what an event brings."""
        if isinstance(event, RetrievalEvent):
            self.moments = event.moments
        elif isinstance(event, DeltaEvent):
            self.text = f"{self.text}\n{event.text}" if self.text else event.text
        elif isinstance(event, CitationsEvent):
            self.citations = event.citations
        else:
            self.done = event


class AnswerStream:
    """An answer that comes about while its events are read."""

    def __init__(
        self,
        resources: SearchResources,
        question: Question,
        standalone: StandaloneQuery,
        found: SearchResult,
        context: AnswerContext,
        conversation_id: str | None,
        carried_from: frozenset[str],
    ) -> None:
        """``carried_from`` are the videos that the turn may repeat without citing them."""
        self.standalone = standalone
        """The question as it was searched for."""
        self.found = found
        self.conversation_id = conversation_id
        """Of a new conversation: None until all events have been read."""
        self.answer = Answer()
        self._resources = resources
        self._question = question
        self._context = context
        self._carried_from = carried_from

    @property
    def asset_ids(self) -> frozenset[str]:
        """Return the videos that the answer, its moments or its question quote."""
        quoted = (*self.answer.moments, *self.answer.citations)
        return self._carried_from.union(one.asset_id for one in quoted)

    def events(self) -> Iterator[AnswerEvent]:
        """Yield ``retrieval``, ``delta``, ``citations`` and ``done``; to be read once.

        The turn is stored before ``done`` is yielded; a stream that is closed before leaves none.
        Raises DatabaseUnavailable.
        """
        compare_words = find_word_comparison(self._resources, self.found.index_model)
        for event in answers.answer_query(
            self.found.query,
            self._context,
            self.found.relevance,
            model=self._resources.language_model,
            checks=Checks(compare_words=compare_words),
        ):
            self.answer.add(event)
            if isinstance(event, DoneEvent):
                self._store()
            yield event

    def finish(self) -> Answer:
        """Read all events and return the answer. Raises what ``events`` raises."""
        for _ in self.events():
            pass
        return self.answer

    def _store(self) -> None:
        said = remove_marks(self.answer.text)
        turn = Turn(
            question=self._question.text[:LONGEST_TURN],
            standalone=self.standalone.text[:LONGEST_TURN],
            answer=said[:LONGEST_TURN],
            entities=find_turn_entities(self._resources, self.found, said),
            filters=self.standalone.filters,
        )
        try:
            self.conversation_id = store_turn(
                self._resources,
                self.conversation_id,
                turn,
                collections=self._question.collections,
                quoted=self._carried_from.union(one.asset_id for one in self.answer.citations),
            )
        except NotFound:
            log.info("the conversation was deleted meanwhile", conversation=self.conversation_id)
            self.conversation_id = None


def answer_query(
    resources: SearchResources, question: Question, *, conversation_id: str | None = None
) -> AnswerStream:
    """Search for what answers a question, and return the answer as a stream of events.

    In a conversation, a follow-up is completed from the turns before, whose filters hold on. The
    search is done when this returns; a language model is only asked while events are read.

    Raises InputRejected (``query_empty``, ``query_invalid``), TooLarge (``query_too_long``),
    NotFound (``conversation_not_found``), DatabaseUnavailable.
    """
    parse_query(question.text)
    history = read_history(resources, conversation_id)
    standalone = _complete(resources, question, history)
    if standalone.is_follow_up and not question.collections:
        question = replace(question, collections=history.collections)
    request = SearchRequest(
        standalone.text,
        collections=question.collections,
        filters=standalone.filters,
        limit=HITS,
    )
    found, context = generate_context(resources, request)
    # A follow-up takes names over from earlier turns, which may be a video's words.
    carried_from = found.named_by | (history.asset_ids if standalone.is_follow_up else frozenset())
    return AnswerStream(
        resources, question, standalone, found, context, conversation_id, carried_from
    )


def _complete(resources: SearchResources, question: Question, history: History) -> StandaloneQuery:
    """Return a question that can be searched for without the conversation."""
    if resources.language_model is None or not history.turns:
        return make_standalone(question.text, history.turns, filters=question.filters)
    return rewrite_with_model(
        question.text, history.turns, resources.language_model, filters=question.filters
    )
