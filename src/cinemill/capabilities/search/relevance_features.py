"""What distinguishes an answer from a near miss, by the sentence that resembles the question most.

A passage has several sentences: a name in one and a deed in another are no answer. So one sentence
is chosen, or all that a shot shows, and everything is read from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from cinemill.capabilities.search.answer_types import (
    DURATION_WORDS,
    asks_for_duration,
    has_answer,
)
from cinemill.capabilities.search.language.misheard import find_misheard
from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.statements import (
    find_counts,
    find_relations,
    find_things,
    is_denied,
    keep_parts,
    keeps_still,
    list_pairs,
    make_frame,
)
from cinemill.capabilities.search.language.words import (
    REPORTING_WORDS,
    find_stem,
    fold,
    list_words,
    make_word_set,
)
from cinemill.capabilities.search.query import ParsedQuery
from cinemill.capabilities.search.relevance_units import (
    Unit,
    has_word,
    list_content,
    list_units,
)
from cinemill.core.retrieval.hits import Candidate
from cinemill.core.retrieval.passages import PassageTrack

FEATURES = (
    "top_vector",
    "question_cosine",
    "names_covered",
    "has_names",
    "missing_things",
    "word_match",
    "rest_match",
    "frame_match",
    "frame_cosine",
    "answer_type",
    "is_contradicted",
)
"""In the order of a model's weights; each 0 to 1."""
CompareWords = Callable[[str, Sequence[str]], float]
"""Returns the largest similarity of a text with any of several, −1 to 1."""

Features = tuple[float, ...]

_NAME_WEIGHT = 2.0
_RANK_COST = 0.01
_LEAST_LIKENESS = 0.8
_LEAST_LETTERS = 5
"""Of two stems by their letters, in order."""
_TYPE_WORDS = make_word_set(
    """
    person people company firm city town place year month day date time hour number amount way
    kind type thing name word words use used read see seen picture image photo background color
    colour size age
    """
)
_LIGHT_VERBS = make_word_set(
    "come came comes coming go went take took taken give gave given put make made happen happened"
)
_META_STEMS = frozenset(find_stem(word) for word in REPORTING_WORDS | _TYPE_WORDS | _LIGHT_VERBS)
"""Of words that say what kind of answer is asked for, or hardly anything, and are seldom in it."""
_DURATION_STEMS = frozenset(map(find_stem, DURATION_WORDS))
_WRITTEN_STEM = find_stem("written")
"""All text in the picture is that; only where speech is found too may it be a deed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The features of a search."""

    features: Features
    """In the order of ``FEATURES``."""
    is_heard: bool = False
    """Whether they were read from a sentence with a word of which the speech model was unsure."""


def measure_features(
    query: ParsedQuery,
    candidates: Sequence[Candidate],
    *,
    compare_words: CompareWords | None = None,
) -> Measured:
    """Return the features; all 0 without candidates.

    ``candidates`` are in the order of the fused ranking.
    """
    if not candidates:
        return Measured((0.0,) * len(FEATURES))
    view = _View(query, candidates, compare_words)
    features = (
        view.measure_top(),
        view.compare(query.text, [view.unit.text]),
        view.measure_names(),
        float(bool(query.names)),
        len(view.missing_things) / max(1, len(view.asked)),
        view.measure_words(),
        view.measure_rest(),
        view.measure_frames(),
        view.frame_cosine,
        float(has_answer(query, view.unit.text)),
        float(view.is_contradicted),
    )
    return Measured(features, is_heard=view.may_be_misheard)


class _View:
    """A query and the sentence that has most of its words."""

    def __init__(
        self,
        query: ParsedQuery,
        candidates: Sequence[Candidate],
        compare_words: CompareWords | None,
    ) -> None:
        self._query = query
        self._candidates = candidates
        self._compare_words = compare_words
        self._name_stems = {find_stem(w.text) for name in query.names for w in list_words(name)}
        stems = {find_stem(term): term for term in query.terms}
        is_text = candidates[0].track is PassageTrack.TEXT
        meta = _META_STEMS | {_WRITTEN_STEM} if is_text else _META_STEMS
        if asks_for_duration(query):
            meta |= _DURATION_STEMS
        self.asked = {key: term for key, term in stems.items() if key not in meta}
        """Terms by their stems, without those that only say what kind of answer is wanted."""
        self.unit = self._choose_unit(list(list_units(candidates)))

    def _choose_unit(self, units: Sequence[Unit]) -> Unit:
        """Return the sentence with most of the words; of several, what is nearest in meaning.

        Of somebody there may be several sentences, and a paraphrase shares no more with one of them
        than the name.
        """
        scores = [self._score(unit) for unit in units]
        best = max(scores)
        tied = [unit for unit, score in zip(units, scores, strict=True) if score == best]
        if len(tied) == 1:
            return tied[0]
        return max(tied, key=lambda unit: self._compare_frames(unit) - _RANK_COST * unit.rank)

    def _score(self, unit: Unit) -> float:
        """Return how many of the words a sentence has; those of names and things count twice."""
        matched = (
            _NAME_WEIGHT if stem in self._things else 1.0
            for stem, term in self.asked.items()
            if has_word(unit, stem, term)
        )
        return math.fsum(matched)

    def _compare_frames(self, unit: Unit) -> float:
        shared = {stem for stem, term in self.asked.items() if has_word(unit, stem, term)}
        return self.compare(make_frame(self._query.text, shared), [make_frame(unit.text, shared)])

    @cached_property
    def matched(self) -> list[str]:
        return [stem for stem, term in self.asked.items() if self._is_said(stem, term)]

    @cached_property
    def missing(self) -> list[str]:
        return [stem for stem in self.asked if stem not in self.matched]

    def _is_said(self, stem: str, term: str) -> bool:
        """Return whether the sentence has a word, or what it may be in another form."""
        return self._is_written(stem, term) or stem in self._misheard

    def _is_written(self, stem: str, term: str) -> bool:
        """Return whether the sentence has a word, perhaps misspelled."""
        if has_word(self.unit, stem, term):
            return True
        if len(term) < _LEAST_LETTERS or list_numbers(term):
            return False
        words = [word.folded for word in list_content(self.unit.text)]
        return term in "".join(words) or bool(
            get_close_matches(term, words, n=1, cutoff=_LEAST_LIKENESS)
        )

    @property
    def may_be_misheard(self) -> bool:
        """Return whether the speech model that heard the sentence was unsure of a word of it."""
        unsure = {w.folded for one in self.unit.unsure_words or () for w in list_words(fold(one))}
        return any(word.folded in unsure for word in list_words(self.unit.text))

    @cached_property
    def _misheard(self) -> set[str]:
        """Stems of names and things that a speech model may have taken for something else."""
        if self.unit.unsure_words is None:
            return set()
        return find_misheard(
            self._query.text,
            self.unit.text,
            wanted=self._things & self.asked.keys(),
            said={stem for stem, term in self.asked.items() if self._is_written(stem, term)},
            unsure_words=self.unit.unsure_words,
        )

    @cached_property
    def _things(self) -> set[str]:
        return find_things(self._query.text) | self._name_stems

    @cached_property
    def missing_things(self) -> list[str]:
        """Stems of names and things that the sentence lacks and other passages have.

        Then it is about another thing: "the silver ferry" may be in the next passage. What no
        passage has may be the same in other words.
        """
        unknown = {find_stem(word) for word in self._query.unknown_words}
        return [one for one in self.missing if one in self._things and one not in unknown]

    def measure_top(self) -> float:
        """Return the largest cosine of a passage."""
        found = (one.scores.vector for one in self._candidates)
        return max(0.0, min(1.0, max((one for one in found if one is not None), default=0.0)))

    def measure_names(self) -> float:
        """Return the share of the names' words that the sentence has; 1 without names."""
        if not self._name_stems:
            return 1.0
        return len(
            {s for s in self._name_stems if s in self.matched or s in self.unit.stems}
        ) / len(self._name_stems)

    def measure_words(self) -> float:
        """Return how well each missing word matches one of the sentence, on average; 1 if none.

        As the two measures below, 0 where the sentence states another fact.
        """
        if self.is_contradicted:
            return 0.0
        if not self.missing:
            return 1.0
        said = list(dict.fromkeys(word.folded for word in list_content(self.unit.text)))
        matches = [self.compare(self.asked[stem], said) for stem in self.missing]
        return math.fsum(matches) / len(matches)

    def measure_rest(self) -> float:
        """Return how near what only the question says is to what only the sentence says.

        "Inaugurated" is nearer to "Alice Walker opened … in Oslo" than "how many people work" is.
        1 where the sentence says all that is asked.
        """
        if self.is_contradicted:
            return 0.0
        if not self.missing:
            return 1.0
        content = (word.folded for word in list_content(self.unit.text))
        said = " ".join(word for word in content if find_stem(word) not in self.asked)
        return self.compare(" ".join(self.asked[stem] for stem in self.missing), [said])

    def measure_frames(self) -> float:
        """Return how near both are with everything that they share made "someone" and "it".

        "Who inaugurated it?" is nearer to "Someone opened it in someone" than "Who insured it?"
        is: without the names, the deeds are what is left to compare. 1 where nothing is missing.
        """
        if self.is_contradicted:
            return 0.0
        return self.frame_cosine if self.missing else 1.0

    @cached_property
    def frame_cosine(self) -> float:
        """The same, whatever is missing or contradicted.

        "Who made it?" has no word that is missing, and is still not what the sentence says.
        """
        shared = set(self.matched)
        return self.compare(
            make_frame(self._query.text, shared), [make_frame(self.unit.text, shared)]
        )

    @cached_property
    def is_contradicted(self) -> bool:
        """Whether something makes it another fact: a name, a number, an order, a denial.

        Each kind alone is seldom seen; together, what one kind weighs is learned from the others.
        """
        return (
            not set(self._query.numbers) <= self.unit.numbers
            or self.measure_names() < 1
            or self._is_opposite()
            or self._has_other_count()
            or self._has_other_neighbour()
            or self._has_other_order()
        )

    def _is_opposite(self) -> bool:
        """Return whether one denies what the other says.

        "Why can nobody visit it?" does not deny "It was closed": only of the same deed is a denial
        an opposite, or of "stay" and "remain", which say that nothing happened.
        """
        part = keep_parts(self.unit.text, self.asked)
        if is_denied(self._query.text) == is_denied(part):
            return False
        deeds = [stem for stem in self.matched if stem not in self._things]
        is_same = deeds or all(is_denied(self.asked[stem]) for stem in self.missing)
        return bool(is_same or keeps_still(self._query.text))

    def _has_other_count(self) -> bool:
        """Return whether the sentence counts the same things, and not as many: "one", "three"."""
        asked, said = find_counts(self._query.text), find_counts(self.unit.text)
        return any(said[stem] != asked[stem] for stem in asked.keys() & said.keys())

    def _has_other_neighbour(self) -> bool:
        """Return whether a name of two words has only one of them here, next to another word.

        "The silver ferry" is not "the solar ferry".
        """
        before, after = set(), set()
        for first, second in list_pairs(self.unit.text):
            before.add(second)
            after.add(first)
        return any(
            (second in before and first not in self.matched)
            or (first in after and second not in self.matched)
            for first, second in list_pairs(self._query.text)
            if first in self.asked and second in self.asked and second in self._things
        )

    def _has_other_order(self) -> bool:
        """Return whether two names have changed places: "from Oslo" for "to Oslo", or the deeds."""
        asked, said = (find_relations(text) for text in (self._query.text, self.unit.text))
        turned = (
            asked[stem] != said[stem] and {asked[stem], said[stem]} == {"from", "to"}
            for stem in asked.keys() & said.keys()
        )
        if any(turned):
            return True
        present = [name for name in self._query.names if name in self.unit.text]
        if len(present) != 2 or self.missing:
            return False
        first, second = (find_stem(list_words(name)[0].text) for name in present)
        ways = (asked.get(first, ""), asked.get(second, ""))
        if ways[0] != ways[1]:
            return ways == (said.get(second, ""), said.get(first, ""))
        is_first = self._query.text.find(present[0]) < self._query.text.find(present[1])
        is_said_first = self.unit.text.find(present[0]) < self.unit.text.find(present[1])
        is_plain = not (ways[0] or said.get(first) or said.get(second))
        return is_plain and is_first != is_said_first

    def compare(self, text: str, texts: Sequence[str]) -> float:
        """Return a similarity, 0 to 1; 0 where it cannot be measured."""
        present = [one for one in texts if one]
        if self._compare_words is None or not present or not text:
            return 0.0
        return max(0.0, min(1.0, self._compare_words(text, present)))
