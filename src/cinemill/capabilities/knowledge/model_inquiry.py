"""Passages of a video passed to a language model, some at a time; no reply is paid for twice.

A reply is kept in the database from the moment that it has been checked, so that a step that fails
later, or is stopped, goes on with the passages after it. What an attempt may cost is reserved
before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from cinemill.errors import CinemillError, TooLarge
from cinemill.inference.language_models.errors import LanguageModelBusy, LanguageModelRefused
from cinemill.inference.language_models.protocol import Completion, LanguageModel
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
_SPARE_TOKENS = 64
"""Of a protocol's own marks around a prompt."""

Found = dict[str, Sequence[FoundEntity]]
"""By the ids of passages."""

log = get_logger(__name__)


class _KeptReply(BaseModel):
    """What is kept of a reply until the entities of all passages are stored."""

    model_config = ConfigDict(frozen=True)

    entities: dict[str, list[FoundEntity]]
    served: str
    """The model's name as the server has it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Passages that are asked about together."""

    key: str
    """Of the reply: the same passages asked of the same model have the same one."""
    texts: Mapping[str, str]
    """By the ids of passages."""


@dataclass(slots=True)
class Answers:
    """What a language model found in all passages."""

    found: Found = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    """Names of the models that replied, as the server has them."""
    unknown_ids: int = 0

    def add(self, kept: _KeptReply) -> None:
        self.found.update(kept.entities)
        if kept.served not in self.served:
            self.served.append(kept.served)


@dataclass(slots=True)
class _Books:
    """What one attempt of a step may cost, and has cost."""

    resources: StepResources
    key: str
    asset_id: str
    spent: list[Consumption] = field(default_factory=list)

    def reserve(self, batches: Sequence[Batch]) -> None:
        """Reserve all requests at once. Raises CostCapReached, and nothing was sent then."""
        services = self.resources.services
        most = [one for batch in batches for one in _consume_at_most(make_prompt(batch.texts))]
        estimate = estimate_cost(most, read_prices(services))
        day = datetime.now(UTC).date()
        charge = Charge(self.key, PROVIDER, self.asset_id, day, estimate)
        reserve_cost(DatabaseLedger(self.resources.database), charge, read_caps(services))

    def settle(self) -> None:
        """Replace the estimate by what was spent."""
        total = estimate_cost(self.spent, read_prices(self.resources.services))
        ledger = DatabaseLedger(self.resources.database)
        ledger.settle(self.key, total.micros, total.requests)


def divide(model: str, asset_id: str, texts: Mapping[str, str]) -> list[Batch]:
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
    return [
        Batch(
            content_key("entities", model_entities.VERSION, model, asset_id, list(one.items())), one
        )
        for one in batches
    ]


def ask_about(
    resources: StepResources,
    context: StepContext,
    asset_id: str,
    model: LanguageModel,
    batches: Sequence[Batch],
) -> Answers:
    """Return what a model finds in these passages; it is asked where no reply is kept.

    Raises CostCapReached (and nothing was sent), InputRejected where the server refuses the key or
    the model, DependencyUnavailable, WorkFailed for a reply that cannot be used, and what
    ``should_stop`` returns.
    """
    answers = Answers()
    left: list[Batch] = []
    for batch in batches:
        kept = _find_kept(resources, batch)
        if kept is None:
            left.append(batch)
        else:
            answers.add(kept)
    if not left:
        return answers
    books = _Books(resources, f"{context.run.step_id}:{context.run.attempt}", asset_id)
    books.reserve(left)
    try:
        for number, batch in enumerate(left, start=len(batches) - len(left)):
            if (stop := context.should_stop()) is not None:
                raise stop
            context.report(number / len(batches), f"Asking about {len(batch.texts)} passages")
            answers.add(_ask(resources, asset_id, model, batch, books, answers))
    except LanguageModelRefused as refused:
        raise reject_model(refused) from refused
    finally:
        books.settle()
    return answers


def forget_replies(connection: Connection, batches: Sequence[Batch]) -> None:
    """Delete the replies that are kept, once what they say is stored."""
    for batch in batches:
        calls.delete_call(connection, batch.key)


def _find_kept(resources: StepResources, batch: Batch) -> _KeptReply | None:
    with resources.database.begin() as connection:
        record = calls.find_call(connection, batch.key)
    if record is None or record.ticket is None:
        return None
    try:
        kept = _KeptReply.model_validate(record.ticket)
    except ValidationError:  # of another version
        return None
    return kept if kept.entities.keys() == batch.texts.keys() else None


def _ask(
    resources: StepResources,
    asset_id: str,
    model: LanguageModel,
    batch: Batch,
    books: _Books,
    answers: Answers,
) -> _KeptReply:
    """Return the checked reply about a batch, after storing it."""
    asked = make_prompt(batch.texts)
    most = list(_consume_at_most(asked))
    try:
        completion = model.complete(asked.prompt)
    except (LanguageModelBusy, LanguageModelRefused):
        raise
    except CinemillError:
        # A reply that cannot be used is paid for as well; how much of it was written is not known.
        books.spent += most
        raise
    books.spent += _consume(completion, most)
    read = read_reply(completion.text, asked.passages)
    answers.unknown_ids += read.unknown_ids
    kept = _KeptReply(
        entities={asked.passages[key]: [*found] for key, found in read.entities.items()},
        served=_name_served(completion, model),
    )
    with resources.database.begin() as connection:
        calls.open_call(connection, batch.key, asset_id=asset_id, provider=PROVIDER)
        calls.save_ticket(connection, batch.key, kept.model_dump(mode="json"))
    return kept


def _name_served(completion: Completion, model: LanguageModel) -> str:
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
