"""Passages, readers and vocabularies in memory, for tests of search and answers.

A plain module for every suite.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cinemill.capabilities.search.language.words import fold, list_words
from cinemill.core.retrieval.hits import Candidate, Hit, Scores, SearchScope
from cinemill.core.retrieval.passages import PassageTrack


def make_candidate(
    text: str,
    *,
    number: int = 0,
    asset_id: str = "asset",
    track: PassageTrack = PassageTrack.SPEECH,
    scores: Scores | None = None,
) -> Candidate:
    """Return a passage of 10 s whose id says where it is."""
    return Candidate(
        passage_id=f"{asset_id}/{track.value}/{number}",
        asset_id=asset_id,
        track=track,
        number=number,
        start_ms=10_000 * number,
        end_ms=10_000 * number + 9_000,
        text=text,
        language="en",
        speaker="",
        scores=scores or Scores(vector=0.8),
    )


def make_hit(*passages: Candidate) -> Hit:
    """Return a hit of these passages."""
    return Hit(
        asset_id=passages[0].asset_id,
        passage_ids=tuple(one.passage_id for one in passages),
        start_ms=passages[0].start_ms,
        end_ms=passages[-1].end_ms,
        text=" ".join(one.text for one in passages),
        score=1.0,
        scores=passages[0].scores,
    )


@dataclass(slots=True)
class MemoryPassages:
    """The passages of several owners."""

    by_owner: Mapping[str, Sequence[Candidate]]
    asked: list[SearchScope] = field(default_factory=list)

    def read_passages(self, scope: SearchScope, passage_ids: Collection[str]) -> list[Candidate]:
        self.asked.append(scope)
        own = self.by_owner.get(scope.owner, ())
        return [one for one in own if one.passage_id in passage_ids]

    def read_neighbours(
        self, scope: SearchScope, passages: Sequence[Candidate], distance: int
    ) -> list[Candidate]:
        self.asked.append(scope)
        return [
            one
            for one in self.by_owner.get(scope.owner, ())
            if any(
                (one.asset_id, one.track) == (other.asset_id, other.track)
                and abs(one.number - other.number) <= distance
                for other in passages
            )
        ]


@dataclass(frozen=True, slots=True)
class MemoryVocabulary:
    """The words of some texts, and entities by folded name."""

    texts: Sequence[str]
    entities: Mapping[str, str] = field(default_factory=dict)

    def list_unknown(self, words: Sequence[str]) -> Collection[str]:
        known = {word.folded for text in self.texts for word in list_words(text)}
        return [word for word in words if word not in known]

    def find_entities(self, names: Sequence[str]) -> Mapping[str, str]:
        return {fold(name): self.entities[name] for name in names if name in self.entities}
