"""What a question is compared with: one sentence, or all that a shot shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.sentences import split_sentences
from cinemill.capabilities.search.language.words import (
    STOP_WORDS,
    TextWord,
    find_stem,
    list_words,
)
from cinemill.core.retrieval.hits import Candidate
from cinemill.core.retrieval.passages import IN_SENTENCES

READ_PASSAGES = 5
"""The best passages that are read."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, or all that is written and seen in a shot."""

    text: str
    rank: int
    stems: frozenset[str]
    numbers: frozenset[str]
    unsure_words: tuple[str, ...] | None = None
    """Of its passage; None where no speech model heard it."""


def list_units(candidates: Sequence[Candidate]) -> Iterator[Unit]:
    """Yield the sentences of the best passages, and what is seen at once in each shot."""
    for rank, one in enumerate(candidates[:READ_PASSAGES]):
        if one.track in IN_SENTENCES:
            texts = split_sentences(one.text) or [one.text]
        else:
            texts = [" · ".join([one.text, *_list_seen_with(one, candidates)])]
        for text in texts:
            stems = frozenset(find_stem(word.text) for word in list_content(text))
            yield Unit(text, rank, stems, frozenset(list_numbers(text)), one.unsure_words)


def _list_seen_with(one: Candidate, candidates: Sequence[Candidate]) -> list[str]:
    """Return what else was found in the picture at the same time."""
    return [
        other.text
        for other in candidates
        if other.asset_id == one.asset_id
        and other.track is not one.track
        and other.track not in IN_SENTENCES
        and other.start_ms < one.end_ms
        and one.start_ms < other.end_ms
    ]


def has_word(unit: Unit, stem: str, term: str) -> bool:
    """Return whether a unit has a word, given by its stem and as it is written, or its number."""
    numbers = set(list_numbers(term))
    return stem in unit.stems or bool(numbers and numbers <= unit.numbers)


def list_content(text: str) -> list[TextWord]:
    """Return the words of a text that are no stop words."""
    return [word for word in list_words(text) if word.folded not in STOP_WORDS]
