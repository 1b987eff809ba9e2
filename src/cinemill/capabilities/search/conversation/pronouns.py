"""Pronouns of a question, and what of earlier turns they stand for. English only."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from cinemill.capabilities.search.conversation.turns import Turn, TurnEntity
from cinemill.capabilities.search.language.words import (
    STOP_WORDS,
    TextWord,
    find_names,
    find_stem,
    fold,
    list_stems,
    list_words,
    make_word_set,
)
from cinemill.capabilities.search.query import QueryClass, classify
from cinemill.core.knowledge.graph import EntityKind

_PERSON = make_word_set("he him his she her hers himself herself")
_THING = make_word_set("it its itself this that")
_MANY = make_word_set("they them their theirs these those")
_PLACE = frozenset({"there"})
_PRONOUNS = _PERSON | _THING | _MANY | _PLACE
_POSSESSIVE = make_word_set("his her its their hers theirs")


def find_pronouns(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and folded form of each pronoun that stands for something earlier."""
    words = list_words(text)
    found: list[tuple[int, int, str]] = []
    for at, word in enumerate(words):
        following = words[at + 1].folded if at + 1 < len(words) else ""
        if word.folded not in _PRONOUNS or _is_no_reference(word.folded, following, words[:at]):
            continue
        found.append((word.start, word.end, word.folded))
    return found


def has_pronoun_before_name(text: str) -> bool:
    """Return whether a pronoun cannot stand for a name of the same question: it comes first."""
    first = text.find(find_names(text)[0])
    return any(start < first for start, _, _ in find_pronouns(text))


def _is_no_reference(word: str, following: str, before: Sequence[TextWord]) -> bool:
    """Return whether a pronoun stands for nothing: "is there a …", "this video", "says that …"."""
    if word == "there":
        return following in {"a", "an", "any", "is", "are", "was", "were", "some", "no"}
    if word == "they":
        return following in {"talk", "talking", "speak", "say", "mention", "discuss", "show"}
    if word in {"this", "that", "these", "those"}:
        is_determiner = bool(following) and following not in STOP_WORDS | _DEEDS
        return is_determiner or (bool(before) and find_stem(before[-1].text) in _SAYING)
    return False


_DEEDS = make_word_set("happen happened start end cost mean work begin open take")
_SAYING = frozenset(find_stem(word) for word in ("say", "tell", "think", "claim", "state", "mean"))


def resolve_pronouns(text: str, question: str, turns: Sequence[Turn]) -> tuple[str, list[str]]:
    """Return a question with names in the place of pronouns, and the names.

    ``question`` is what was asked, without what was filled in: its own names are not meant.
    """
    pronouns = find_pronouns(text)
    chosen: dict[int, str] = {}
    # Those that only one kind of thing can be, first: "they" may be anything that is left.
    for start, _, pronoun in sorted(pronouns, key=lambda one: (one[2] in _MANY, one[0])):
        used = {name for at, name in chosen.items() if not _are_same(text, at, start)}
        name = _find_antecedent(pronoun, turns, question, used)
        if name is not None:
            chosen[start] = name
    parts: list[str] = []
    at = 0
    for start, end, pronoun in pronouns:
        if start in chosen:
            parts += [text[at:start], _write(pronoun, chosen[start], text[end:])]
            at = end
    return "".join([*parts, text[at:]]), list(dict.fromkeys(chosen.values()))


def _are_same(text: str, one: int, other: int) -> bool:
    """Return whether two pronouns stand for the same: she and her, it and its."""
    first, second = (list_words(text[at:])[0].folded for at in (one, other))
    groups = (_PERSON, _THING, _MANY, _PLACE)
    return any(first in group and second in group for group in groups)


def _write(pronoun: str, name: str, rest: str) -> str:
    """Return a name in the form of its pronoun."""
    if pronoun in _PLACE:
        return f"in {name}"
    if pronoun in _POSSESSIVE and _is_possessive(pronoun, rest):
        return name + ("'" if name.endswith("s") else "'s")
    return name


def _is_possessive(pronoun: str, rest: str) -> bool:
    """Return whether something is owned: "her work", not "did they meet her?"."""
    if pronoun != "her":
        return True
    following = list_words(rest)
    return bool(following) and following[0].folded not in STOP_WORDS


def _find_antecedent(
    pronoun: str, turns: Sequence[Turn], question: str, used: Collection[str]
) -> str | None:
    """Return the nearest thing that a pronoun can stand for, the last turn first."""
    present = fold(question)
    for turn in reversed(turns):
        fitting = [
            entity
            for entity in _list_entities(turn)
            if _may_stand_for(pronoun, entity.kind)
            and entity.name not in used
            and fold(entity.name) not in present
        ]
        if fitting:
            return min(fitting, key=lambda one: _rank(pronoun, one, turn, question)).name
    return None


def _rank(pronoun: str, entity: TurnEntity, turn: Turn, question: str) -> int:
    """Return how unlikely an entity is to be meant; of equal ones the first is.

    "It" is what the last question was about, and seldom a place; but where the same deed is asked
    of again, it is who did it.
    """
    if pronoun not in _THING | _MANY:
        return 0
    shared = set(list_stems(question)) & set(list_stems(turn.standalone))
    is_topic = entity.kind is EntityKind.THING
    if shared:
        return int(is_topic or entity.kind is EntityKind.PLACE)
    return 0 if is_topic else 2 if entity.kind is EntityKind.PLACE else 1


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
    if topic := find_topic(turn.standalone):
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
        return kind in (EntityKind.PLACE, EntityKind.ORGANIZATION)
    if pronoun in _THING:
        return kind not in (EntityKind.PERSON, EntityKind.DATE, EntityKind.QUANTITY)
    return kind in (EntityKind.PERSON, EntityKind.ORGANIZATION)


_NOUN_PHRASE = re.compile(
    r"\bthe ([a-z][\w-]*(?: [a-z][\w-]*){0,3}?)(?=\?|$| (?:in|on|at|of|for|from|to|is|was|will|"
    r"start|open|begin|end|cost)\b)"
)


def find_topic(question: str) -> str:
    """Return the last thing that a question speaks of in lower case: "the rose garden"."""
    found = _NOUN_PHRASE.findall(question.rstrip(" ?.!"))
    return f"the {found[-1].strip()}" if found else ""
