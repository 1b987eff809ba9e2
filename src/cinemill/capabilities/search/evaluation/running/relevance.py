"""Fitting of relevance on a corpus, and how often it abstains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cinemill.capabilities.search.evaluation.metrics.records import Outcome
from cinemill.capabilities.search.evaluation.running.searches import SearchedQuestion
from cinemill.capabilities.search.relevance import RelevanceModel, judge
from cinemill.capabilities.search.relevance_features import CompareWords, measure_features
from cinemill.capabilities.search.relevance_fit import RelevanceExample

FAMILY_GROUP = "family: "


def make_examples(
    searched: Iterable[SearchedQuestion], compare_words: CompareWords | None
) -> list[RelevanceExample]:
    """Return the questions as examples for ``fit_relevance``."""
    return [_make_example(one, compare_words) for one in searched]


def _make_example(one: SearchedQuestion, compare_words: CompareWords | None) -> RelevanceExample:
    candidates = [ranked.candidate for ranked in one.ranked]
    measured = measure_features(one.query, candidates, compare_words=compare_words)
    return RelevanceExample(
        features=measured.features,
        is_answerable=one.asked.is_answerable,
        query_class=one.query.query_class,
        video=one.asked.video,
        family=_find_family(one),
        is_heard=measured.is_heard,
    )


def judge_outcomes(
    searched: Sequence[SearchedQuestion],
    compare_words: CompareWords | None,
    *,
    model: RelevanceModel | None = None,
) -> list[Outcome]:
    """Return for each question whether its search abstains; without a model, by the package's."""
    return [
        Outcome(
            one.asked,
            abstained=not judge(
                one.query,
                [ranked.candidate for ranked in one.ranked],
                model,
                compare_words=compare_words,
            ).is_answerable,
        )
        for one in searched
    ]


def _find_family(one: SearchedQuestion) -> str:
    names = (group for group in one.asked.groups if group.startswith(FAMILY_GROUP))
    return next(names, "").removeprefix(FAMILY_GROUP)
