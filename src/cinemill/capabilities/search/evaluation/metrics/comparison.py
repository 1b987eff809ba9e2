"""A ranking against the best of several others, question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinemill.capabilities.search.evaluation.metrics.intervals import (
    Interval,
    bootstrap_mean,
    bootstrap_ratio,
)
from cinemill.capabilities.search.evaluation.metrics.ranking import measure_ndcg
from cinemill.capabilities.search.evaluation.metrics.records import Outcome
from cinemill.capabilities.search.evaluation.metrics.report import ALL


@dataclass(frozen=True, slots=True)
class Difference:
    """Of nDCG@10 between a ranking and the best other one of this group of questions."""

    value: float
    """Over 0 where the ranking is better."""
    best_other: str
    count: int
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of two means of nDCG@10 over the same questions."""

    value: float
    count: int
    interval: Interval | None


def compare_with_best(
    outcomes: Sequence[Outcome], others: Mapping[str, Sequence[Outcome]]
) -> dict[str, Difference]:
    """Return the difference for all questions and for each group of them.

    Each group is compared with the ranking that is best in it: a harder test than with one ranking
    for all. All rankings are of the same questions in the same order. Questions without an answer
    do not count. Raises ValueError where the questions differ.
    """
    questions = [one.question for one in outcomes]
    if any([one.question for one in listed] != questions for listed in others.values()):
        raise ValueError("the rankings are of different questions")
    rows = _group_rows(outcomes)
    own = _measure(outcomes)
    measured = {name: _measure(listed) for name, listed in others.items()}
    compared: dict[str, Difference] = {}
    for group, chosen in rows.items():
        means = {name: float(values[chosen].mean()) for name, values in measured.items()}
        best = max(means, key=lambda name: means[name])
        differences = own[chosen] - measured[best][chosen]
        compared[group] = Difference(
            float(differences.mean()),
            best,
            len(chosen),
            bootstrap_mean([questions[at].video for at in chosen], differences.tolist()),
        )
    return compared


def measure_ratio(outcomes: Sequence[Outcome], others: Sequence[Outcome]) -> Ratio:
    """Return the mean nDCG@10 of outcomes over that of others, of the same questions.

    Raises ValueError where the questions differ, or nothing was found in the others.
    """
    if [one.question for one in outcomes] != [one.question for one in others]:
        raise ValueError("the rankings are of different questions")
    chosen = _group_rows(outcomes)[ALL]
    upper, lower = _measure(outcomes)[chosen].tolist(), _measure(others)[chosen].tolist()
    if not sum(lower):
        raise ValueError("nothing was found")
    videos = [outcomes[at].question.video for at in chosen]
    return Ratio(sum(upper) / sum(lower), len(chosen), bootstrap_ratio(videos, upper, lower))


def _group_rows(outcomes: Sequence[Outcome]) -> dict[str, list[int]]:
    """Return which of the outcomes belong to each group and have an answer; all come first."""
    rows: dict[str, list[int]] = {ALL: []}
    for at, one in enumerate(outcomes):
        if one.question.is_answerable:
            for group in (ALL, *one.question.groups):
                rows.setdefault(group, []).append(at)
    return {group: rows[group] for group in (ALL, *sorted(rows.keys() - {ALL})) if rows[group]}


def _measure(outcomes: Sequence[Outcome]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(
        [
            measure_ndcg(one.hits, one.question.evidence) if one.question.is_answerable else 0.0
            for one in outcomes
        ],
        np.float64,
    )
