"""Passages of a video that introduce names or state relations. Pure.

A passage counts by the names that it is the first to mention, and by the relations that it states.
Both can be read in it: a key moment says why it is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cinemill.storage.knowledge.passage_facts import PassageName
from cinemill.storage.retrieval.passages import StoredPassage

LEAST_POINTS = 2
LEAST_APART_MS = 30_000
MOST_KEY_MOMENTS = 20
FEWEST_KEY_MOMENTS = 3
"""That a video of any length may have."""
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class KeyMoment:
    """A passage that says much."""

    passage_id: str
    start_ms: int
    end_ms: int
    text: str
    names: tuple[str, ...]
    """That the video mentions here for the first time."""
    statement_count: int
    """Relations that are stated here."""

    @property
    def points(self) -> int:
        return len(self.names) + self.statement_count


def choose_key_moments(
    passages: Sequence[StoredPassage],
    names: Mapping[str, Sequence[PassageName]],
    statements: Mapping[str, int],
) -> list[KeyMoment]:
    """Return the key moments of a video's passages, by time.

    ``names`` and ``statements`` are by the passages' ids. At most one for each minute (three in a
    short video, 20 in all), at least 30 s apart, the ones with the most points first; none where
    nothing is named and stated.
    """
    found = [one for one in _weigh(passages, names, statements) if one.points >= LEAST_POINTS]
    if not found:
        return []
    minutes = (passages[-1].passage.end_ms - passages[0].passage.start_ms) // _MINUTE_MS
    most = min(MOST_KEY_MOMENTS, max(FEWEST_KEY_MOMENTS, minutes))
    chosen: list[KeyMoment] = []
    for one in sorted(found, key=lambda moment: (-moment.points, moment.start_ms)):
        if all(abs(one.start_ms - other.start_ms) >= LEAST_APART_MS for other in chosen):
            chosen.append(one)
        if len(chosen) == most:
            break
    return sorted(chosen, key=lambda moment: moment.start_ms)


def _weigh(
    passages: Sequence[StoredPassage],
    names: Mapping[str, Sequence[PassageName]],
    statements: Mapping[str, int],
) -> list[KeyMoment]:
    known: set[str] = set()
    weighed = []
    for stored in passages:
        new: dict[str, str] = {}
        for name in names.get(stored.id, ()):
            if name.entity_id not in known:
                new.setdefault(name.entity_id, name.name)
        known.update(new)
        weighed.append(
            KeyMoment(
                passage_id=stored.id,
                start_ms=stored.passage.start_ms,
                end_ms=stored.passage.end_ms,
                text=stored.passage.text,
                names=tuple(new.values()),
                statement_count=statements.get(stored.id, 0),
            )
        )
    return weighed
