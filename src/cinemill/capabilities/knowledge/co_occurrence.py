"""Entities that are mentioned in the same passage: no statement, and kept apart from statements.

How much that means is their normalised pointwise mutual information, counted over passages:
entities that occur everywhere meet by chance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.core.knowledge.graph import EntityKind, Mention, Relation, RelationKind

PREDICATE = "occur with"
MOST_ENTITIES_IN_PASSAGE = 30
"""Of one passage: 435 pairs. The first ones count."""
LEAST_TOGETHER = 2
"""Passages that two entities share before a weight says anything."""
_NOT_CONNECTED = frozenset({EntityKind.DATE, EntityKind.QUANTITY})


@dataclass(frozen=True, slots=True)
class CoOccurrenceCounts:
    """In how many passages entities and pairs of them occur."""

    passages: int
    entities: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]
    """Of two different entities in order of their names."""


@dataclass(frozen=True, slots=True)
class CoOccurrenceEdge:
    """Two entities in order of their names, with the passages that they share."""

    first: str
    second: str
    together: int
    weight: float
    """Normalised pointwise mutual information: 1 where neither occurs without the other, 0 where
    they meet by chance."""


def find_co_occurrences(source: SourceText, mentions: Sequence[Mention]) -> list[Relation]:
    """Return one relation for each pair of entities that a passage mentions, as its evidence.

    Dates and quantities are left out: they would connect what has nothing in common.
    """
    names = dict.fromkeys(one.name for one in mentions if one.kind not in _NOT_CONNECTED)
    return [
        Relation(
            subject=first,
            predicate=PREDICATE,
            object=second,
            kind=RelationKind.CO_OCCURRENCE,
            start_ms=source.start_ms,
            end_ms=source.end_ms,
        )
        for first, second in combinations(sorted(list(names)[:MOST_ENTITIES_IN_PASSAGE]), 2)
    ]


def count_co_occurrences(passages: Iterable[Iterable[str]]) -> CoOccurrenceCounts:
    """Count entities and pairs over passages, each given by what it mentions."""
    total = 0
    entities: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for mentioned in passages:
        total += 1
        names = sorted(list(dict.fromkeys(mentioned))[:MOST_ENTITIES_IN_PASSAGE])
        entities.update(names)
        pairs.update(combinations(names, 2))
    return CoOccurrenceCounts(total, entities, pairs)


def compute_npmi(together: int, first: int, second: int, passages: int) -> float:
    """Return the normalised pointwise mutual information of two entities, −1 to 1.

    ``together``, ``first`` and ``second`` are the passages that both, the one and the other occur
    in, out of ``passages``. −1 where they never meet. Raises ValueError for counts that no passages
    can have.
    """
    if not 0 <= together <= min(first, second) <= max(first, second) <= passages:
        raise ValueError(f"impossible counts: {together}, {first}, {second} of {passages}")
    if first + second - together > passages:
        raise ValueError(f"{first} and {second} of {passages} passages share more than {together}")
    if together == 0:
        return -1.0
    if together == passages:
        return 1.0  # in every passage: the limit of what follows
    information = math.log(together * passages / (first * second))
    # Rounding may go over the border by some 1e-16.
    return max(-1.0, min(1.0, information / -math.log(together / passages)))


def weigh_co_occurrences(
    counts: CoOccurrenceCounts, *, least_together: int = LEAST_TOGETHER
) -> list[CoOccurrenceEdge]:
    """Return the pairs that meet more often than by chance, the strongest first."""
    edges = [
        CoOccurrenceEdge(first, second, together, weight)
        for (first, second), together in counts.pairs.items()
        if together >= least_together
        and (
            weight := compute_npmi(
                together, counts.entities[first], counts.entities[second], counts.passages
            )
        )
        > 0
    ]
    return sorted(edges, key=lambda edge: (-edge.weight, -edge.together, edge.first, edge.second))
