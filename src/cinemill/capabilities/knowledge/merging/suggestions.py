"""Pairs of entities that may be one, for a person to decide. Nothing here merges anything.

Names say it first: alike in writing or in sound, or one part of the other. What both have to do
with says the rest: two entities with the same neighbours are more likely one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from cinemill.capabilities.knowledge.merging.similarity import (
    NameSimilarity,
    compare_names,
    list_words,
    may_be_same,
)
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.text.sounds import sound_key
from cinemill.errors import TooLarge

MOST_ENTITIES = 50_000
MOST_IN_BLOCK = 300
"""Entities that share a word's sound and are compared with each other; of more, the first ones."""
MOST_SUGGESTIONS = 1_000
LEAST_SCORE = 0.6
NAME_WEIGHT, SOUND_WEIGHT, NEIGHBOR_WEIGHT = 0.6, 0.15, 0.25
_WITHOUT_NAMES = frozenset({EntityKind.DATE, EntityKind.QUANTITY})


class TooManyEntities(TooLarge):
    """There are more entities than can be compared with each other."""

    code = "too_many_entities"
    hint = "Name the entities that are one with 'merge'; 'cinemill graph NAME' shows their ids."

    def __init__(self) -> None:
        super().__init__(f"Suggestions are made of at most {MOST_ENTITIES} entities.")


@dataclass(frozen=True, slots=True)
class EntityProfile:
    """What is known of an entity for comparing it."""

    entity_id: str
    name: str
    kind: EntityKind
    neighbors: frozenset[str] = frozenset()
    """Ids of the entities that statements connect it with."""


@dataclass(frozen=True, slots=True)
class MergeSuggestion:
    """Two entities that may be one, in order of their ids, and why."""

    first_id: str
    second_id: str
    score: float
    """0 to 1; not a probability."""
    name_score: float
    sound_score: float
    neighbor_score: float
    shared_neighbors: tuple[str, ...]
    """Ids, sorted."""


def suggest_merges(
    entities: Sequence[EntityProfile], *, least_score: float = LEAST_SCORE
) -> list[MergeSuggestion]:
    """Return pairs of entities of one kind that may be one, the most likely first.

    At most :data:`MOST_SUGGESTIONS`. Raises TooManyEntities (``too_many_entities``), ToolMissing
    (``extra_missing``).
    """
    if len(entities) > MOST_ENTITIES:
        raise TooManyEntities
    found = [
        suggestion
        for first, second in _list_candidates(entities)
        if (suggestion := compare_entities(first, second)).score >= least_score
        and may_be_same(first.name, second.name)
    ]
    found.sort(key=lambda one: (-one.score, one.first_id, one.second_id))
    return found[:MOST_SUGGESTIONS]


def compare_entities(one: EntityProfile, other: EntityProfile) -> MergeSuggestion:
    """Return how likely two entities are one, whatever their kinds.

    Raises ToolMissing (``extra_missing``).
    """
    first, second = sorted((one, other), key=lambda entity: entity.entity_id)
    names = compare_names(first.name, second.name)
    shared = (first.neighbors & second.neighbors) - {first.entity_id, second.entity_id}
    # Of the one with fewer neighbours: a short name may have been met twice only.
    fewer = min(len(first.neighbors), len(second.neighbors))
    neighbor_score = len(shared) / fewer if fewer else 0.0
    return MergeSuggestion(
        first_id=first.entity_id,
        second_id=second.entity_id,
        score=_combine(names, neighbor_score),
        name_score=names.score,
        sound_score=names.sound,
        neighbor_score=neighbor_score,
        shared_neighbors=tuple(sorted(shared)),
    )


def _combine(names: NameSimilarity, neighbor_score: float) -> float:
    return (
        NAME_WEIGHT * names.score
        + SOUND_WEIGHT * names.sound
        + NEIGHBOR_WEIGHT * min(1.0, neighbor_score)
    )


def _list_candidates(
    entities: Sequence[EntityProfile],
) -> Iterator[tuple[EntityProfile, EntityProfile]]:
    """Yield pairs that share the sound or the beginning of a word, each once.

    All pairs of 50,000 entities would be a thousand million.
    """
    blocks: dict[tuple[EntityKind, str], list[EntityProfile]] = {}
    for entity in entities:
        if entity.kind in _WITHOUT_NAMES:
            continue
        for key in _list_keys(entity.name):
            block = blocks.setdefault((entity.kind, key), [])
            if len(block) < MOST_IN_BLOCK:
                block.append(entity)
    seen: set[tuple[str, str]] = set()
    for block in blocks.values():
        for first, second in combinations(block, 2):
            pair = (
                min(first.entity_id, second.entity_id),
                max(first.entity_id, second.entity_id),
            )
            if pair[0] != pair[1] and pair not in seen:
                seen.add(pair)
                yield first, second


def _list_keys(name: str) -> set[str]:
    keys = set()
    for word in list_words(name)[:10]:
        keys.add(f"sound:{sound_key(word)}" if sound_key(word) else f"word:{word}")
        keys.add(f"begin:{word[:4]}")
    return keys
