"""Follow-up questions as questions that can be understood alone.

Rules resolve pronouns and what a short question leaves out, from earlier questions and answers. A
language model may rewrite as well; what it writes is used only if it adds no name or number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from cinemill.capabilities.search.language.links import clean_text, contains_link
from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.words import (
    STOP_WORDS,
    find_names,
    find_stem,
    fold,
    list_words,
    make_word_set,
)
from cinemill.capabilities.search.query import LONGEST_QUERY, QueryClass, classify
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.errors import CinemillError
from cinemill.inference.language_models.protocol import LanguageModel, Message, Prompt, Speaker
from cinemill.telemetry import get_logger

log = get_logger(__name__)

MOST_TURNS = 6
"""Earlier ones are forgotten."""
LONGEST_TURN = 2_000
"""Characters of a question or an answer that are remembered."""
LONGEST_STANDALONE = 500
MOST_ENTITIES = 16


@dataclass(frozen=True, slots=True)
class TurnEntity:
    """Something that a question or its answer named."""

    name: str
    kind: EntityKind | None = None
    """None where it is not known."""
    entity_id: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer."""

    question: str
    standalone: str
    """The question as it was searched for."""
    answer: str = ""
    """Statements without marks of citations; empty where there was none."""
    entities: tuple[TurnEntity, ...] = ()
    filters: SearchFilters = field(default_factory=SearchFilters)


@dataclass(frozen=True, slots=True)
class StandaloneQuery:
    """A question that can be searched for without the conversation."""

    text: str
    filters: SearchFilters
    is_follow_up: bool
    carried: tuple[str, ...] = ()
    """Names that were taken from earlier turns."""


def remember(history: Sequence[Turn], turn: Turn) -> tuple[Turn, ...]:
    """Return the history with one more turn, bounded in turns and characters."""
    short = replace(
        turn,
        question=turn.question[:LONGEST_TURN],
        standalone=turn.standalone[:LONGEST_TURN],
        answer=turn.answer[:LONGEST_TURN],
        entities=turn.entities[:MOST_ENTITIES],
    )
    return (*history, short)[-MOST_TURNS:]


def make_standalone(
    question: str, history: Sequence[Turn], *, filters: SearchFilters | None = None
) -> StandaloneQuery:
    """Return a question with what it leaves out filled in from the conversation, by rules.

    Filters of the last turn hold on for a follow-up, except where ``filters`` sets its own. English
    only; a question of another language stays as it is.
    """
    own = filters or SearchFilters()
    clean = " ".join(question.split())[:LONGEST_QUERY]
    turns = history[-MOST_TURNS:]
    if not turns or not is_follow_up(clean):
        return StandaloneQuery(clean, own, is_follow_up=False)
    last = turns[-1]
    text = _complete(clean, last)
    text, carried = _resolve(text, turns)
    return StandaloneQuery(
        text[:LONGEST_STANDALONE],
        _carry_filters(own, last.filters),
        is_follow_up=True,
        carried=tuple(carried),
    )


_PERSON = make_word_set("he him his she her hers himself herself")
_THING = make_word_set("it its itself this that")
_MANY = make_word_set("they them their theirs these those")
_PLACE = frozenset({"there"})
_PRONOUNS = _PERSON | _THING | _MANY | _PLACE
_POSSESSIVE = make_word_set("his her its their hers theirs")
_LEAD = re.compile(r"^(?:(?:and|but|so|then|also|ok|okay)\b[,\s]*)+", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:what|how) about\s+(.+?)\s*\?*$", re.IGNORECASE)
_ALONE = re.compile(
    r"^(who|whom|when|where|why|how|how many|how much|how long|which one|what else|who else|"
    r"where exactly|when exactly|why not|since when|what time)\s*\?*$",
    re.IGNORECASE,
)
_PART = re.compile(
    r"^(?:in|on|at|for|by|with|from|to|after|before|during)\s+(?!which|what|whom)\S", re.IGNORECASE
)
_WH = re.compile(
    r"^(?:(?:for|to|with|by|from|in|on|at|since)\s+)?(?:who|whom|whose|when|where|why|what|which|"
    r"how(?: many| much| long| often| old| far)?)\b\s*",
    re.IGNORECASE,
)


def is_follow_up(question: str) -> bool:
    """Return whether a question needs the one before it to be understood."""
    bare = _LEAD.sub("", question)
    if bare != question or _ABOUT.match(bare) or _ALONE.match(bare) or _PART.match(bare):
        return True
    if find_names(bare) and not _has_pronoun_before_name(bare):
        return False
    return bool(_find_pronouns(bare))


def _has_pronoun_before_name(text: str) -> bool:
    """Return whether a pronoun cannot stand for a name of the same question: it comes first."""
    first = text.find(find_names(text)[0])
    return any(start < first for start, _, _ in _find_pronouns(text))


def _find_pronouns(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and folded form of each pronoun that stands for something earlier."""
    words = list_words(text)
    found: list[tuple[int, int, str]] = []
    for at, word in enumerate(words):
        following = words[at + 1].folded if at + 1 < len(words) else ""
        if word.folded not in _PRONOUNS or _is_no_reference(word.folded, following, words[:at]):
            continue
        found.append((word.start, word.end, word.folded))
    return found


def _is_no_reference(word: str, following: str, before: Sequence[object]) -> bool:
    """Return whether a pronoun stands for nothing: "is there a …", "this video"."""
    if word == "there":
        return following in {"a", "an", "any", "is", "are", "was", "were", "some", "no"}
    if word in {"this", "that", "these", "those"}:
        return bool(following) and following not in {
            "happen",
            "happened",
            "start",
            "end",
            "cost",
            "mean",
            "work",
            "begin",
            "open",
            "take",
        }
    if word == "they":
        return following in {"talk", "talking", "speak", "say", "mention", "discuss", "show"}
    return False


def _complete(question: str, last: Turn) -> str:
    """Return a question that leaves its predicate out with that of the last one."""
    bare = _LEAD.sub("", question)
    base = last.standalone.rstrip(" ?.!")
    if about := _ABOUT.match(bare):
        return f"{_replace_subject(base, about[1].strip())}?"
    if alone := _ALONE.match(bare):
        return f"{alone[1]} {_WH.sub('', base)}?"
    if _PART.match(bare):
        return f"{_replace_part(base, bare.rstrip(' ?.!'))}?"
    return bare


def _replace_subject(base: str, subject: str) -> str:
    """Return the last question about another subject."""
    names = find_names(base)
    if names and not _find_pronouns(subject):
        wanted = _is_like_place(base, names)
        return base.replace(names[wanted], subject, 1)
    return f"{base}, {subject}"


def _is_like_place(base: str, names: Sequence[str]) -> int:
    """Return the position of the first name that follows no preposition, else 0."""
    for at, name in enumerate(names):
        before = base[: base.find(name)].split()
        if not before or fold(before[-1]) not in {"in", "at", "on", "from", "to", "near"}:
            return at
    return 0


def _replace_part(base: str, part: str) -> str:
    """Return the last question with another place, time or the like."""
    preposition = part.split()[0]
    same = re.compile(
        rf"\b{re.escape(preposition)}\s+(?:the\s+)?\S+(?:\s+[A-Z]\S*)*$", re.IGNORECASE
    )
    return same.sub(part, base) if same.search(base) else f"{base} {part}"


def _resolve(text: str, turns: Sequence[Turn]) -> tuple[str, list[str]]:
    """Return a question with names in the place of pronouns, and the names."""
    carried: list[str] = []
    parts: list[str] = []
    at = 0
    for start, end, pronoun in _find_pronouns(text):
        name = _find_antecedent(pronoun, turns, text)
        if name is None:
            continue
        carried.append(name)
        suffix = ""
        if pronoun in _POSSESSIVE and _is_possessive(pronoun, text[end:]):
            suffix = "'" if name.endswith("s") else "'s"
        parts += [text[at:start], name + suffix]
        at = end
    return "".join([*parts, text[at:]]), list(dict.fromkeys(carried))


def _is_possessive(pronoun: str, rest: str) -> bool:
    """Return whether something is owned: "her work", not "did they meet her?"."""
    if pronoun != "her":
        return True
    following = list_words(rest)
    return bool(following) and following[0].folded not in STOP_WORDS


def _find_antecedent(pronoun: str, turns: Sequence[Turn], text: str) -> str | None:
    """Return the nearest thing that a pronoun can stand for, the last turn first."""
    present = fold(text)
    for turn in reversed(turns):
        for entity in _list_entities(turn):
            if _may_stand_for(pronoun, entity.kind) and fold(entity.name) not in present:
                return entity.name
    return None


def _list_entities(turn: Turn) -> Iterator[TurnEntity]:
    """Yield what a turn named, the likeliest to be meant first.

    The answer to "who" or "where" is what people ask on about; else it is what they asked about.
    """
    known = {fold(entity.name): entity for entity in turn.entities}
    asked, answered = find_names(turn.standalone), find_names(turn.answer)
    query_class = classify(turn.standalone)
    is_answer = query_class in (QueryClass.PERSON, QueryClass.PLACE, QueryClass.THING)
    fresh = [name for name in answered if fold(name) not in fold(turn.standalone)]
    ordered = [*fresh, *asked] if is_answer else [*asked, *fresh]
    for name in ordered:
        guess = _guess_kind(name, query_class) if name in fresh else None
        yield known.get(fold(name), TurnEntity(name, guess))
    for entity in turn.entities:
        if entity.name not in ordered:
            yield entity
    if topic := _find_topic(turn.standalone):
        yield TurnEntity(topic, EntityKind.THING)


def _guess_kind(name: str, query_class: QueryClass) -> EntityKind | None:
    if query_class is QueryClass.PERSON and len(name.split()) <= 3:
        return EntityKind.PERSON
    return EntityKind.PLACE if query_class is QueryClass.PLACE else None


def _may_stand_for(pronoun: str, kind: EntityKind | None) -> bool:
    if kind is None:
        return True
    if pronoun in _PERSON:
        return kind is EntityKind.PERSON
    if pronoun in _PLACE:
        return kind is EntityKind.PLACE
    if pronoun in _THING:
        return kind not in (EntityKind.PERSON, EntityKind.DATE, EntityKind.QUANTITY)
    return kind not in (EntityKind.DATE, EntityKind.QUANTITY)


_NOUN_PHRASE = re.compile(
    r"\bthe ((?:[a-z][\w-]*\s?){1,4}?)(?=\?|$| (?:in|on|at|of|for|from|to|is|"
    r"was|will|start|open|begin|end|cost)\b)"
)


def _find_topic(question: str) -> str:
    """Return the last thing that a question speaks of in lower case: "the rose garden"."""
    found = _NOUN_PHRASE.findall(question.rstrip(" ?.!"))
    return f"the {found[-1].strip()}" if found else ""


def _carry_filters(own: SearchFilters, last: SearchFilters) -> SearchFilters:
    """Return the last turn's filters with those that the question sets itself."""
    empty = SearchFilters()
    names = SearchFilters.__dataclass_fields__
    changed = {
        name: getattr(own, name) for name in names if getattr(own, name) != getattr(empty, name)
    }
    return replace(last, **changed)


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
