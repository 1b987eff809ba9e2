"""The passages that an answer may use: the best hits with what was said around them, bounded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cinemill.core.retrieval.hits import Candidate, Hit, SearchScope
from cinemill.core.retrieval.passages import PassageTrack

MOST_PASSAGES = 24
MOST_CHARACTERS = 12_000
"""Of all passages together."""
LONGEST_PASSAGE = 1_500
NEIGHBOURS = 1
"""Passages before and after each hit."""


class PassageReader(Protocol):
    """Reads passages of one owner; others' are as if they did not exist."""

    def read_passages(self, scope: SearchScope, passage_ids: Collection[str]) -> list[Candidate]:
        """Return these passages, in any order, without those outside of the scope."""
        ...

    def read_neighbours(
        self, scope: SearchScope, passages: Sequence[Candidate], distance: int
    ) -> list[Candidate]:
        """Return the passages of the same asset and track whose numbers are at most so far away.

        The passages themselves may be among them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage that may be cited."""

    passage: Candidate
    text: str
    """The passage's, cut to 1,500 characters."""
    hit: int
    """Position of the hit that it belongs to, 0 for the best."""
    is_neighbour: bool
    """It was not found itself, but is next to what was."""
    title: str = ""
    """Of its video."""


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """Evidence by rank of its hit, then by time."""

    evidence: tuple[Evidence, ...]
    is_cut: bool
    """More was found than fits."""


def generate_context(
    scope: SearchScope,
    hits: Sequence[Hit],
    reader: PassageReader,
    *,
    titles: Mapping[str, str] | None = None,
    most_characters: int = MOST_CHARACTERS,
) -> AnswerContext:
    """Return the passages of the hits with their neighbours, each once, the best hits first.

    Hits are added whole as long as they fit: first their own passages, then their neighbours.
    ``titles`` are those of assets by id. A passage of an asset that no hit is in is left out,
    whatever the reader returns.
    """
    wanted = [key for hit in hits for key in hit.passage_ids][:MOST_PASSAGES]
    assets = {hit.asset_id for hit in hits}
    own = {
        one.passage_id: one for one in reader.read_passages(scope, wanted) if one.asset_id in assets
    }
    around = [
        one
        for one in reader.read_neighbours(scope, list(own.values()), NEIGHBOURS)
        if one.passage_id not in own
    ]
    chosen = _Selection(most_characters)
    for rank, hit in enumerate(hits):
        for key in hit.passage_ids:
            if (passage := own.get(key)) is not None:
                chosen.add(passage, rank, is_neighbour=False)
    for rank, hit in enumerate(hits):
        places = {_place(own[key]) for key in hit.passage_ids if key in own}
        for passage in sorted(around, key=lambda one: (one.start_ms, one.passage_id)):
            if _is_next_to(passage, places):
                chosen.add(passage, rank, is_neighbour=True)
    return chosen.finish(titles or {})


_Place = tuple[str, PassageTrack, int]


def _place(passage: Candidate) -> _Place:
    return passage.asset_id, passage.track, passage.number


def _is_next_to(passage: Candidate, places: Collection[_Place]) -> bool:
    asset_id, track, number = _place(passage)
    near = range(number - NEIGHBOURS, number + NEIGHBOURS + 1)
    return any((asset_id, track, other) in places for other in near)


class _Selection:
    """Passages within the limits, each once."""

    def __init__(self, most_characters: int) -> None:
        self._left = most_characters
        self._chosen: dict[str, Evidence] = {}
        self._is_cut = False

    def add(self, passage: Candidate, rank: int, *, is_neighbour: bool) -> None:
        if passage.passage_id in self._chosen:
            return
        text = passage.text[:LONGEST_PASSAGE]
        if len(text) > self._left or len(self._chosen) == MOST_PASSAGES:
            self._is_cut = True
            return
        self._left -= len(text)
        self._chosen[passage.passage_id] = Evidence(passage, text, rank, is_neighbour)

    def finish(self, titles: Mapping[str, str]) -> AnswerContext:
        ordered = sorted(self._chosen.values(), key=lambda one: (one.hit, one.passage.start_ms))
        named = (
            Evidence(
                one.passage,
                one.text,
                one.hit,
                one.is_neighbour,
                titles.get(one.passage.asset_id, ""),
            )
            for one in ordered
        )
        return AnswerContext(tuple(named), self._is_cut)
