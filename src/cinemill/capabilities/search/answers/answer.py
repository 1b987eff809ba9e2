"""An answer to a question, as events that can be sent while it comes about.

A statement is sent only after it has been checked. Times, assets and texts of citations come from
our own rows, never from a model's words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from cinemill.capabilities.search.answers.checks import Checks, ClaimFault, find_fault, is_on_topic
from cinemill.capabilities.search.answers.claims import Claim, read_claims
from cinemill.capabilities.search.answers.events import (
    AbstainReason,
    AnswerEvent,
    AnswerMode,
    CitationsEvent,
    DeltaEvent,
    DoneEvent,
    RetrievalEvent,
)
from cinemill.capabilities.search.answers.extractive import choose_quotes
from cinemill.capabilities.search.answers.instructions import addresses_model
from cinemill.capabilities.search.answers.prompt import MOST_CLAIMS, make_prompt
from cinemill.capabilities.search.context import AnswerContext, Evidence
from cinemill.capabilities.search.language.links import clean_text, remove_links
from cinemill.capabilities.search.query import ParsedQuery
from cinemill.capabilities.search.relevance import Relevance
from cinemill.core.retrieval.hits import Citation
from cinemill.errors import CinemillError
from cinemill.inference.language_models.protocol import LanguageModel
from cinemill.telemetry import get_logger

log = get_logger(__name__)

LONGEST_CITED_TEXT = 600


def answer_query(
    query: ParsedQuery,
    context: AnswerContext,
    relevance: Relevance,
    *,
    model: LanguageModel | None = None,
    checks: Checks | None = None,
) -> Iterator[AnswerEvent]:
    """Yield the events of an answer: ``retrieval``, ``delta``, ``citations``, ``done``.

    Nothing is generated where the relevance is under its threshold: the answer then abstains.
    Without a model, or where it cannot be reached before it said anything, the answer is
    extractive, and says so. Passages that speak to models are not shown to one, and are counted in
    the last event. Raises nothing that a model or its server does.
    """
    yield RetrievalEvent(tuple(_cite(one) for one in context.evidence if not one.is_neighbour))
    if not context.evidence:
        yield DoneEvent(AnswerMode.EXTRACTIVE, AbstainReason.NOTHING_FOUND)
        return
    if not relevance.is_answerable:
        yield DoneEvent(AnswerMode.EXTRACTIVE, AbstainReason.NOT_RELEVANT)
        return
    if model is None:
        yield from _extract(query, context.evidence)
        return
    shown = [one for one in context.evidence if not _addresses_model(one)]
    hidden = len(context.evidence) - len(shown)
    if hidden:
        log.info("passages not shown to the language model", count=hidden)
    events = (
        _generate(query, context.evidence, shown, model, checks or Checks())
        if shown
        else _extract(query, context.evidence)
    )
    with closing(events):
        for event in events:
            yield replace(event, hidden=hidden) if isinstance(event, DoneEvent) else event


def _addresses_model(evidence: Evidence) -> bool:
    """Return whether a passage or the title of its video speaks to a language model."""
    return addresses_model(evidence.title) or addresses_model(evidence.text)


def _extract(
    query: ParsedQuery, evidence: Sequence[Evidence], failure: str = ""
) -> Generator[AnswerEvent]:
    """Yield quotes and their citations."""
    quotes = choose_quotes(query, evidence)
    if not quotes:
        reason = AbstainReason.NOT_RELEVANT
        yield DoneEvent(AnswerMode.EXTRACTIVE, reason, failure=failure)
        return
    cited = _Citations()
    for quote in quotes:
        yield DeltaEvent(f"“{quote.text}” {cited.mark([quote.evidence])}")
    yield CitationsEvent(cited.list_all())
    yield DoneEvent(AnswerMode.EXTRACTIVE, failure=failure)


def _generate(
    query: ParsedQuery,
    evidence: Sequence[Evidence],
    shown: Sequence[Evidence],
    model: LanguageModel,
    checks: Checks,
) -> Generator[AnswerEvent]:
    """Yield the statements of a model that their passages support."""
    asked = make_prompt(query.text, shown)
    review = ClaimReview(query, asked.evidence, checks)
    cited = _Citations()
    failure = ""
    try:
        with closing(_as_generator(model.stream(asked.prompt))) as pieces:
            for text, passages in review.accept(read_claims(pieces)):
                yield DeltaEvent(f"{text} {cited.mark(passages)}")
    except CinemillError as error:
        log.warning("the language model did not finish", model=model.model_id, code=error.code)
        failure = error.code
    dropped = {fault.value: count for fault, count in sorted(review.faults.items())}
    if dropped:
        log.info("statements left out", model=model.model_id, **dropped)
    if cited.is_empty and failure:
        yield from _extract(query, evidence, failure)
        return
    if cited.is_empty:
        reason = AbstainReason.NOT_SUPPORTED
        yield DoneEvent(AnswerMode.GENERATED, reason, model.model_id, dropped=dropped)
        return
    yield CitationsEvent(cited.list_all())
    yield DoneEvent(AnswerMode.GENERATED, model=model.model_id, failure=failure, dropped=dropped)


def _as_generator(pieces: Iterable[str]) -> Generator[str]:
    """Return the pieces as a generator, whose closing ends the request."""
    yield from pieces


@dataclass(slots=True)
class ClaimReview:
    """Accepts the statements that their passages support, and counts the others by reason."""

    query: ParsedQuery
    evidence: Mapping[str, Evidence]
    checks: Checks
    faults: Counter[ClaimFault] = field(default_factory=Counter)

    def accept(self, claims: Iterable[Claim]) -> Iterator[tuple[str, list[Evidence]]]:
        """Yield the text of each accepted statement, on one line, with its passages.

        At most 12; a statement that names an id that was not given to the model is left out.
        """
        said: set[str] = set()
        for number, claim in enumerate(claims):
            if number == MOST_CLAIMS:
                return
            text = clean_text(claim.text)
            fault = self._find_fault(claim, text, said)
            if fault is None:
                said.add(text.casefold())
                yield text, [self.evidence[key] for key in claim.evidence]
            else:
                self.faults[fault] += 1

    def _find_fault(self, claim: Claim, text: str, said: set[str]) -> ClaimFault | None:
        if any(key not in self.evidence for key in claim.evidence):
            return ClaimFault.UNKNOWN_EVIDENCE
        if text.casefold() in said:
            return ClaimFault.REPEATED
        passages = [self.evidence[key].text for key in claim.evidence]
        if (fault := find_fault(claim.text, passages, self.checks)) is not None:
            return fault
        is_answer = is_on_topic(claim.text, self.query, self.checks.compare_words)
        return None if is_answer else ClaimFault.OFF_TOPIC


class _Citations:
    """Numbers passages in the order in which they are cited first."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._citations: list[Citation] = []

    @property
    def is_empty(self) -> bool:
        return not self._citations

    def mark(self, passages: Sequence[Evidence]) -> str:
        """Return the marks of these passages, such as ``[1][3]``."""
        return "".join(f"[{self._number(one)}]" for one in passages)

    def list_all(self) -> tuple[Citation, ...]:
        """Return the citations; the first has number 1."""
        return tuple(self._citations)

    def _number(self, evidence: Evidence) -> int:
        key = evidence.passage.passage_id
        if key not in self._numbers:
            self._citations.append(_cite(evidence))
            self._numbers[key] = len(self._citations)
        return self._numbers[key]


def _cite(evidence: Evidence) -> Citation:
    passage = evidence.passage
    return Citation(
        asset_id=passage.asset_id,
        passage_id=passage.passage_id,
        track=passage.track,
        start_ms=passage.start_ms,
        end_ms=passage.end_ms,
        text=remove_links(evidence.text)[:LONGEST_CITED_TEXT],
    )
