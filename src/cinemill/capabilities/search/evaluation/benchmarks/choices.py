"""The share of questions for which the right option was chosen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from cinemill.capabilities.search.evaluation.benchmarks.records import (
    ChoiceBenchmark,
    ChoiceQuestion,
)
from cinemill.capabilities.search.evaluation.metrics.intervals import bootstrap_mean
from cinemill.capabilities.search.evaluation.metrics.report import (
    ALL,
    EvaluationReport,
    Figure,
)


def measure_choices(
    benchmark: ChoiceBenchmark, chosen: Mapping[str, int | None]
) -> EvaluationReport:
    """Return the accuracy, for all questions and for each group.

    ``chosen`` is the number of an option, from 0, by the ID of a question. None, or no entry, is no
    answer, which counts as a wrong one.
    """
    by_group: defaultdict[str, list[ChoiceQuestion]] = defaultdict(list)
    for question in benchmark.questions:
        for group in (ALL, *question.groups):
            by_group[group].append(question)
    ordered = sorted(by_group, key=lambda group: (group != ALL, group))
    return EvaluationReport(
        {group: {"accuracy": _measure(by_group[group], chosen)} for group in ordered}
    )


def _measure(questions: list[ChoiceQuestion], chosen: Mapping[str, int | None]) -> Figure:
    right = [float(chosen.get(one.id) == one.answer) for one in questions]
    videos = [one.video for one in questions]
    return Figure(sum(right) / len(right), len(right), bootstrap_mean(videos, right))
