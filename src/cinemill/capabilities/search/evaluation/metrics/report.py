"""All figures of a run over questions: for all of them, and for each class and family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from cinemill.capabilities.search.evaluation.making.truth import TrueVideo
from cinemill.capabilities.search.evaluation.metrics.citations import (
    TimeError,
    is_claim_supported,
    is_within,
    measure_time_error,
)
from cinemill.capabilities.search.evaluation.metrics.intervals import Interval, bootstrap_mean
from cinemill.capabilities.search.evaluation.metrics.ranking import (
    measure_ndcg,
    measure_recall,
    measure_reciprocal_rank,
)
from cinemill.capabilities.search.evaluation.metrics.records import CitedClaim, Outcome
from cinemill.capabilities.search.evaluation.metrics.wording import contains_answer
from cinemill.core.documents import JsonObject

ALL = "all"
RECALL_CUTOFFS = (1, 5, 10)
_PERCENTILE = 95


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over questions, claims or citations."""

    value: float
    count: int
    """How many it is the mean of."""
    interval: Interval | None = None
    """None where there are too few videos."""


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Figures by the name of a group, and of the figure. What has no count is left out."""

    groups: Mapping[str, Mapping[str, Figure]]

    def to_json(self) -> JsonObject:
        """Return plain JSON values."""
        return {
            group: {name: asdict(figure) for name, figure in figures.items()}
            for group, figures in self.groups.items()
        }


def measure_retrieval(outcomes: Sequence[Outcome]) -> EvaluationReport:
    """Return nDCG, recall and reciprocal rank of the questions that have an answer.

    Hits count even where the answer abstained.
    """
    return _report(outcomes, _rank)


def measure_abstention(outcomes: Sequence[Outcome]) -> EvaluationReport:
    """Return how often answers abstain: where nothing is to be found, and where something is."""
    return _report(outcomes, _count_abstentions)


def measure_answers(
    outcomes: Sequence[Outcome], videos: Mapping[str, TrueVideo]
) -> EvaluationReport:
    """Return whether answers are right, and whether their citations hold.

    ``videos`` are the true videos by name. Answers that abstained make no claims.
    """
    return _report(outcomes, partial(_check_answers, videos=videos))


_Values = dict[str, list[tuple[str, float]]]
"""By figure: the video and the value of each question, claim or citation."""


def _report(outcomes: Sequence[Outcome], collect: Callable[[Outcome], _Values]) -> EvaluationReport:
    values: defaultdict[str, defaultdict[str, list[tuple[str, float]]]]
    values = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        for name, found in collect(outcome).items():
            for group in (ALL, *outcome.question.groups):
                values[group][name] += found
    ordered = sorted(values, key=lambda group: (group != ALL, group))
    return EvaluationReport(
        {
            group: {name: _figure(name, found) for name, found in values[group].items() if found}
            for group in ordered
        }
    )


def _figure(name: str, found: Sequence[tuple[str, float]]) -> Figure:
    videos, values = [video for video, _ in found], [value for _, value in found]
    if name.endswith(f"_p{_PERCENTILE}_ms"):
        return Figure(float(np.percentile(values, _PERCENTILE)), len(values))
    return Figure(float(np.mean(values)), len(values), bootstrap_mean(videos, values))


def _rank(outcome: Outcome) -> _Values:
    question, hits = outcome.question, outcome.hits
    if not question.is_answerable:
        return {}
    figures = {
        "ndcg_at_10": measure_ndcg(hits, question.evidence),
        "mrr": measure_reciprocal_rank(hits, question.evidence),
    }
    for cutoff in RECALL_CUTOFFS:
        figures[f"recall_at_{cutoff}"] = measure_recall(hits, question.evidence, cutoff)
    return {name: [(question.video, value)] for name, value in figures.items()}


def _count_abstentions(outcome: Outcome) -> _Values:
    name = "false_abstention" if outcome.question.is_answerable else "abstention"
    return {name: [(outcome.question.video, float(outcome.abstained))]}


def _check_answers(outcome: Outcome, *, videos: Mapping[str, TrueVideo]) -> _Values:
    if outcome.abstained:
        return {}
    question = outcome.question
    citations = [one for claim in outcome.claims for one in claim.citations]
    found: _Values = {
        "citations_within": [(question.video, float(is_within(one, videos))) for one in citations],
        "claims_supported": [
            (question.video, float(is_claim_supported(claim, videos))) for claim in outcome.claims
        ],
    }
    if question.is_answerable:
        errors = [_best_error(outcome, claim) for claim in outcome.claims]
        known = [one for one in errors if one is not None]
        found["claims_in_right_video"] = [
            (question.video, float(one is not None)) for one in errors
        ]
        found["time_missed_p95_ms"] = [(question.video, one.missed_ms) for one in known]
        found["start_error_p95_ms"] = [(question.video, one.start_ms) for one in known]
    if question.is_answerable and question.answer:
        text = " ".join(claim.text for claim in outcome.claims)
        found["right_answers"] = [(question.video, float(contains_answer(text, question.answer)))]
    return found


def _best_error(outcome: Outcome, claim: CitedClaim) -> TimeError | None:
    """Return the error of the claim's citation that is nearest to the evidence."""
    errors = [
        error
        for citation in claim.citations
        for evidence in outcome.question.evidence
        if (error := measure_time_error(citation, evidence)) is not None
    ]
    return min(errors, key=lambda error: (error.missed_ms, error.start_ms), default=None)
