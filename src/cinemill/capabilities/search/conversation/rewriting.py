"""Follow-up questions rewritten by a language model, which must add nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from cinemill.capabilities.search.conversation.standalone import make_standalone
from cinemill.capabilities.search.conversation.turns import (
    LONGEST_STANDALONE,
    MOST_TURNS,
    StandaloneQuery,
    Turn,
)
from cinemill.capabilities.search.language.links import clean_text, contains_link
from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.words import find_names, find_stem, list_words
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.errors import CinemillError
from cinemill.inference.language_models.protocol import LanguageModel, Message, Prompt, Speaker
from cinemill.telemetry import get_logger

log = get_logger(__name__)


_REWRITE = """Rewrite the last question so that it can be understood without the conversation.
Use only names, numbers and facts of the conversation. Reply with JSON: {"question": "..."}."""


def rewrite_with_model(
    question: str,
    history: Sequence[Turn],
    model: LanguageModel,
    *,
    filters: SearchFilters | None = None,
) -> StandaloneQuery:
    """Return a follow-up as a language model rewrites it, or by rules where that cannot be used.

    What the model writes must be short and without links, and must not have a name or a number that
    the conversation does not have. Raises nothing that a model or its server does.
    """
    by_rules = make_standalone(question, history, filters=filters)
    if not by_rules.is_follow_up:
        return by_rules
    turns = [{"question": turn.standalone, "answer": turn.answer} for turn in history[-MOST_TURNS:]]
    asked = json.dumps({"conversation": turns, "question": question}, ensure_ascii=False)
    prompt = Prompt(_REWRITE, (Message(Speaker.USER, asked),), most_tokens=200)
    try:
        written = _read_question(model.complete(prompt).text)
    except CinemillError as error:
        log.warning("a follow-up was not rewritten", model=model.model_id, code=error.code)
        return by_rules
    if not _is_usable(written, asked):
        return by_rules
    return replace(by_rules, text=written, carried=tuple(find_names(written)))


def _read_question(reply: str) -> str:
    start = reply.find("{")
    try:
        document, _ = json.JSONDecoder().raw_decode(reply, max(0, start))
    except (ValueError, RecursionError):
        return ""
    found = document.get("question") if isinstance(document, dict) else None
    return clean_text(found) if isinstance(found, str) else ""


def _is_usable(written: str, conversation: str) -> bool:
    if not written or len(written) > LONGEST_STANDALONE or contains_link(written):
        return False
    stems = {find_stem(word.text) for word in list_words(conversation)}
    names = (find_stem(word.text) for name in find_names(written) for word in list_words(name))
    has_names = all(stem in stems for stem in names)
    return has_names and set(list_numbers(written)) <= set(list_numbers(conversation))
