"""What distinguishes a chapter from the others: names and words that are said in it. Pure.

Each is weighed by how often the chapter has it and how few of the other chapters do (TF-IDF, with
chapters as documents). Nothing is written that the video does not say.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cinemill.capabilities.search.chapters.terms import Term, list_terms
from cinemill.storage.knowledge.passage_facts import PassageName

WORDS_OF_A_TITLE = 3
_NAME_WEIGHT = 2.0
"""A name says more than a word."""


@dataclass(frozen=True, slots=True)
class ChapterWords:
    """What is said in a chapter, in order."""

    terms: Sequence[Term]
    names: Sequence[PassageName]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Something that a title may have."""

    weight: float
    text: str
    stems: frozenset[str]


def choose_titles(chapters: Sequence[ChapterWords]) -> list[tuple[str, ...]]:
    """Return at most three names and words for each chapter, the most characteristic first.

    None where a chapter says nothing that another one does not say as well.
    """
    in_chapters = Counter(key for one in chapters for key in _list_keys(one))
    chosen = []
    for one in chapters:
        ranked = sorted(_weigh(one, in_chapters, len(chapters)), key=lambda found: -found.weight)
        chosen.append(_choose(ranked))
    return chosen


def _list_keys(chapter: ChapterWords) -> set[tuple[str, str]]:
    """Return what a chapter has, each once; entities and stems may be spelt alike."""
    stems = {("word", term.stem) for term in chapter.terms}
    return stems | {("name", name.entity_id) for name in chapter.names}


def _weigh(
    chapter: ChapterWords, in_chapters: Counter[tuple[str, str]], number: int
) -> Iterator[_Candidate]:
    """Yield what only some of the chapters have, with its weight; names first, then by time."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for name in chapter.names:
        spellings[name.entity_id][name.name] += 1
    for entity_id, written in spellings.items():
        rarity = math.log(number / in_chapters["name", entity_id])
        if rarity > 0:
            # On one line: a title is one, and a blank line would end it in a WebVTT file.
            text = " ".join(written.most_common(1)[0][0].split())
            stems = frozenset(term.stem for term in list_terms(text))
            yield _Candidate(_NAME_WEIGHT * written.total() * rarity, text, stems)
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for term in chapter.terms:
        # A capital at a sentence's beginning says nothing: another form goes first.
        forms[term.stem][term.text] += 1 if term.begins_sentence else 1000
    counts = Counter(term.stem for term in chapter.terms)
    for stem, count in counts.items():
        rarity = math.log(number / in_chapters["word", stem])
        if rarity > 0:
            yield _Candidate(count * rarity, forms[stem].most_common(1)[0][0], frozenset({stem}))


def _choose(ranked: Sequence[_Candidate]) -> tuple[str, ...]:
    """Return the best ones of which no two share a word."""
    chosen: list[str] = []
    used: set[str] = set()
    for one in ranked:
        if not one.stems & used:
            chosen.append(one.text)
            used |= one.stems
        if len(chosen) == WORDS_OF_A_TITLE:
            break
    return tuple(chosen)
