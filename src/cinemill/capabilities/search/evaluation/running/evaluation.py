"""Everything that is measured of searches in a corpus, for one split of its questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from cinemill.capabilities.search.evaluation.metrics.comparison import (
    Difference,
    compare_with_best,
)
from cinemill.capabilities.search.evaluation.metrics.records import Outcome
from cinemill.capabilities.search.evaluation.metrics.report import (
    EvaluationReport,
    measure_abstention,
    measure_retrieval,
)
from cinemill.capabilities.search.evaluation.running.library import CorpusLibrary
from cinemill.capabilities.search.evaluation.running.relevance import judge_outcomes
from cinemill.capabilities.search.evaluation.running.searches import (
    DEFAULT_RANKING,
    RANKINGS,
    ROUTED,
    SINGLE_RANKINGS,
    SearchedQuestion,
    rank_outcomes,
)
from cinemill.capabilities.search.relevance_features import CompareWords
from cinemill.core.documents import JsonObject


@dataclass(frozen=True, slots=True)
class RetrievalEvaluation:
    """Figures of one split and track."""

    rankings: Mapping[str, EvaluationReport]
    """By the name of a ranking."""
    differences: Mapping[str, Difference]
    """Of the default fusion from the best single retriever, by the name of a group."""
    abstention: EvaluationReport
    fused: Sequence[Outcome]
    """By the default fusion."""

    def to_json(self) -> JsonObject:
        """Return plain JSON values."""
        return {
            "rankings": {name: report.to_json() for name, report in self.rankings.items()},
            "fused_over_best_single": {
                group: asdict(one) for group, one in self.differences.items()
            },
            "abstention": self.abstention.to_json(),
        }


def evaluate_retrieval(
    library: CorpusLibrary,
    searched: Sequence[SearchedQuestion],
    compare_words: CompareWords | None,
) -> RetrievalEvaluation:
    """Return the figures of these questions."""
    outcomes = {name: rank_outcomes(library, searched, name) for name in (*RANKINGS, ROUTED)}
    fused = outcomes[DEFAULT_RANKING]
    return RetrievalEvaluation(
        rankings={name: measure_retrieval(found) for name, found in outcomes.items()},
        differences=compare_with_best(fused, {name: outcomes[name] for name in SINGLE_RANKINGS}),
        abstention=measure_abstention(judge_outcomes(searched, compare_words)),
        fused=fused,
    )
