"""Passages of a video passed to a language model, some at a time; no reply is paid for twice.

What a reply says of a passage is kept in the database from the moment that it has been checked, and
for as long as the video has a passage of this text: a step that fails later, or is stopped, goes on
with the other passages, and after an edit only the changed ones are asked about. What a request
may cost is reserved before it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from cinemill.capabilities.knowledge import model_entities
from cinemill.capabilities.knowledge.model_entities import (
    MOST_REPLY_TOKENS,
    REPLY_SCHEMA,
    EntityPrompt,
    FoundEntity,
    make_prompt,
    read_reply,
)
from cinemill.core.documents import JsonObject, find_text_problem
from cinemill.errors import CinemillError, TooLarge, WorkFailed
from cinemill.inference.language_models.errors import (
    LanguageModelBusy,
    LanguageModelRefused,
    LanguageModelUnavailable,
)
from cinemill.inference.language_models.protocol import Completion
from cinemill.inference.language_models.server_model import ServerModel
from cinemill.jobs.step import StepContext
from cinemill.steps.content_key import content_key
from cinemill.steps.costs.cost import Charge, Consumption, estimate_cost, reserve_cost
from cinemill.steps.costs.ledger import DatabaseLedger
from cinemill.steps.costs.limits import (
    LANGUAGE_MODEL_INPUT,
    LANGUAGE_MODEL_OUTPUT,
    read_caps,
    read_prices,
)
from cinemill.steps.models import reject_model
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Connection
from cinemill.storage.providers import calls
from cinemill.telemetry import get_logger

PROVIDER = "language-model"
"""Under which charges and replies are kept."""
MOST_PASSAGES = 12
MOST_CHARACTERS = 4_000
"""Of a request; a longer passage goes alone."""
LONGEST_PASSAGE_CHARACTERS = 20_000
ASKING_SHARE = 0.9
"""Of the step's progress."""
MOST_FAULTS = 3
"""Of single passages, one after another: then it is not due to what they say."""
_SPARE_TOKENS = 64
"""Of a protocol's own marks around a prompt."""

_TIMEOUT = "language_model_timeout"
_FAULTS = frozenset({_TIMEOUT, "model_reply_invalid", "model_reply_incomplete"})
"""Errors that are the server's or the model's where they go on."""
_TOO_MUCH = frozenset({"model_reply_cut_off", "language_model_reply_cut_off", *_FAULTS})
"""Errors that fewer passages in a request may avoid."""

Found = dict[str, Sequence[FoundEntity]]
"""By the ids of passages."""

log = get_logger(__name__)


class _KeptReply(BaseModel):
    """What is kept of a reply about one passage."""

    model_config = ConfigDict(frozen=True)

    entities: list[FoundEntity]
    served: str
    """The model's name as the server has it."""


Batch = Mapping[str, str]
"""Texts of passages that are asked about together, by the ids of the passages."""


@dataclass(slots=True)
class Answers:
    """What a language model found in all passages."""

    found: Found = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    """Names of the models that replied, as the server has them."""
    unknown_ids: int = 0
    left_out: list[str] = field(default_factory=list)
    """Ids of passages about which no usable reply was received, even alone."""

    def add(self, passage: str, kept: _KeptReply) -> None:
        self.found[passage] = kept.entities
        if kept.served not in self.served:
            self.served.append(kept.served)


@dataclass(slots=True)
class _Books:
    """What one attempt of a step may cost, and has cost."""

    resources: StepResources
    key: str
    asset_id: str
    reserved: list[str] = field(default_factory=list)
    """Keys of charges."""
    spent: list[Consumption] = field(default_factory=list)

    def reserve(self, batches: Sequence[Batch]) -> None:
        """Reserve requests. Raises CostCapReached, and none of them was sent then."""
        services = self.resources.services
        most = [one for batch in batches for one in _consume_at_most(make_prompt(batch))]
        estimate = estimate_cost(most, read_prices(services))
        day = datetime.now(UTC).date()
        key = f"{self.key}:{len(self.reserved)}" if self.reserved else self.key
        charge = Charge(key, PROVIDER, self.asset_id, day, estimate)
        reserve_cost(DatabaseLedger(self.resources.database), charge, read_caps(services))
        self.reserved.append(key)

    def settle(self) -> None:
        """Replace the estimates by what was spent."""
        total = estimate_cost(self.spent, read_prices(self.resources.services))
        ledger = DatabaseLedger(self.resources.database)
        for number, key in enumerate(self.reserved):
            if number == 0:
                ledger.settle(key, total.micros, total.requests)
            else:
                ledger.release(key)


def divide(texts: Mapping[str, str]) -> list[Batch]:
    """Return texts in batches, in order. Texts without a letter are left out.

    Raises TooLarge (``text_too_long``).
    """
    batches: list[dict[str, str]] = []
    size = 0
    for passage, text in texts.items():
        if len(text) > LONGEST_PASSAGE_CHARACTERS:
            raise TooLarge(
                f"A passage has {len(text)} characters; at most {LONGEST_PASSAGE_CHARACTERS} are "
                "given to a language model.",
                code="text_too_long",
                hint="Have the parser find entities (CINEMILL_LANGUAGE_MODEL_ENTITIES).",
            )
        if not any(character.isalpha() for character in text):
            continue
        size += len(text)
        if not batches or size > MOST_CHARACTERS or len(batches[-1]) == MOST_PASSAGES:
            batches.append({})
            size = len(text)
        batches[-1][passage] = text
    return [*batches]


def ask_about(
    resources: StepResources,
    context: StepContext,
    asset_id: str,
    model: ServerModel,
    texts: Mapping[str, str],
) -> Answers:
    """Return what a model finds in these passages; what is kept is not asked again.

    A request about several passages whose reply is cut off or comes too late is made again as two.

    Raises CostCapReached (and nothing was sent, or nothing more), InputRejected where the server
    refuses the key or the model, DependencyUnavailable, WorkFailed for a reply that cannot be used,
    TooLarge (``text_too_long``), and what ``should_stop`` returns.
    """
    answers = Answers()
    left = dict(texts)
    for passage, kept in _find_kept(resources, model.model_id, asset_id, texts).items():
        answers.add(passage, kept)
        del left[passage]
    batches = divide(left)
    if not batches:
        return answers
    books = _Books(resources, f"{context.run.step_id}:{context.run.attempt}", asset_id)
    books.reserve(batches)
    inquiry = _Inquiry(resources, model, books, answers)
    model.watch_repeats(inquiry.allow_repeat)
    total = sum(len(batch) for batch in batches)
    waiting = batches[::-1]
    try:
        while waiting:
            if (stop := context.should_stop()) is not None:
                raise stop
            batch = waiting.pop()
            asked = total - len(batch) - sum(len(one) for one in waiting)
            context.report(ASKING_SHARE * asked / total, f"Asking about {len(batch)} passages")
            waiting += inquiry.ask(batch)[::-1]
        if inquiry.failure is not None and not answers.served:
            raise inquiry.failure
    except LanguageModelRefused as refused:
        raise reject_model(refused) from refused
    finally:
        books.settle()
    return answers


def forget_others(
    connection: Connection, model: str, asset_id: str, texts: Collection[str]
) -> None:
    """Delete what is kept of the video's passages, but for this model and these texts."""
    keys = [_make_key(model, asset_id, one) for one in texts]
    calls.delete_other_calls(connection, asset_id, PROVIDER, keys)


def _make_key(model: str, asset_id: str, text: str) -> str:
    return content_key("entities", model_entities.VERSION, model, asset_id, text)


def _find_kept(
    resources: StepResources, model: str, asset_id: str, texts: Mapping[str, str]
) -> dict[str, _KeptReply]:
    """Return what is kept by the ids of passages."""
    keys = {passage: _make_key(model, asset_id, text) for passage, text in texts.items()}
    with resources.database.begin() as connection:
        tickets = calls.find_tickets(connection, keys.values())
    found: dict[str, _KeptReply] = {}
    for passage, key in keys.items():
        if key in tickets:
            try:
                found[passage] = _KeptReply.model_validate(tickets[key])
            except ValidationError:  # of another version: asked again
                log.info("what was kept of a reply has another form", passage=passage)
    return found


@dataclass(slots=True)
class _Inquiry:
    """Requests of one attempt of a step."""

    resources: StepResources
    model: ServerModel
    books: _Books
    answers: Answers
    faults: int = 0
    """Of single passages, one after another."""
    asked: Batch = field(default_factory=dict)
    """What the current request is about."""
    failure: CinemillError | None = None
    """Of the last passage that was left out."""

    def ask(self, batch: Batch) -> list[Batch]:
        """Ask about a batch and keep what is said; return what is to be asked instead.

        A passage that fails alone is left out. Raises where the server seems to be down.
        """
        try:
            self._complete(batch)
        except (WorkFailed, LanguageModelUnavailable) as failed:
            if failed.code not in _TOO_MUCH:
                raise
            if len(batch) > 1:
                halves = _halve(batch)
                self.books.reserve(halves)
                return halves
            self.faults = self.faults + 1 if failed.code in _FAULTS else 0
            if self.faults == MOST_FAULTS:
                raise
            self.failure = failed
            log.warning("language model, a passage left out", code=failed.code)
            self.answers.left_out += batch
        else:
            self.faults = 0
        return []

    def allow_repeat(self, failed: CinemillError) -> None:
        """Reserve another attempt at the current request.

        Raises ``failed`` where fewer passages are the better attempt, CostCapReached.
        """
        if failed.code in _TOO_MUCH:
            raise failed
        self.books.reserve([self.asked])

    def _complete(self, batch: Batch) -> None:
        asked = make_prompt(batch)
        most = list(_consume_at_most(asked))
        before = self.model.requests_sent
        self.asked = batch
        spent: Sequence[Consumption] = most
        try:
            completion = self.model.complete(asked.prompt)
            spent = list(_consume(completion, most))
        except (LanguageModelBusy, LanguageModelRefused):
            spent = [Consumption(LANGUAGE_MODEL_INPUT)]
            raise
        finally:
            # A reply that cannot be used is paid for as well; how much of it was written is not
            # known. Attempts that the client repeats, after a refusal that costs nothing, count as
            # requests of their own.
            sent = self.model.requests_sent - before
            self.books.spent += [replace(spent[0], requests=sent), *spent[1:]]
        read = read_reply(completion.text, asked.passages)
        self.answers.unknown_ids += read.unknown_ids
        served = _name_served(completion, self.model)
        asset_id = self.books.asset_id
        with self.resources.database.begin() as connection:
            for key, found in read.entities.items():
                passage = asked.passages[key]
                kept = _KeptReply(entities=[*found], served=served)
                name = _make_key(self.model.model_id, asset_id, batch[passage])
                calls.open_call(connection, name, asset_id=asset_id, provider=PROVIDER)
                calls.save_ticket(connection, name, kept.model_dump(mode="json"))
                self.answers.add(passage, kept)


def _halve(batch: Batch) -> list[Batch]:
    listed = [*batch.items()]
    middle = len(listed) // 2
    return [dict(listed[:middle]), dict(listed[middle:])]


def _name_served(completion: Completion, model: ServerModel) -> str:
    """Return the model's name as the server has it; as it was asked for where it is no text."""
    return model.model_id if find_text_problem(completion.model) else completion.model


def _consume_at_most(asked: EntityPrompt) -> Iterator[Consumption]:
    """Yield what a request costs at most: a token has at least one byte."""
    schema: JsonObject = REPLY_SCHEMA.schema
    texts = [asked.prompt.system, *(one.text for one in asked.prompt.messages), json.dumps(schema)]
    tokens = sum(len(text.encode()) for text in texts) + _SPARE_TOKENS
    yield Consumption(LANGUAGE_MODEL_INPUT, requests=1, tokens=tokens)
    yield Consumption(LANGUAGE_MODEL_OUTPUT, tokens=MOST_REPLY_TOKENS)


def _consume(completion: Completion, most: Sequence[Consumption]) -> Iterator[Consumption]:
    """Yield what a request has cost; where the server counts nothing, what it may have."""
    counted = (completion.input_tokens, completion.output_tokens)
    for one, tokens in zip(most, counted, strict=True):
        yield (
            one if tokens is None else Consumption(one.price, requests=one.requests, tokens=tokens)
        )
