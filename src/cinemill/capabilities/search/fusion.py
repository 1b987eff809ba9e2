"""One ranking out of those of several retrievers, and hits that follow each other as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cinemill.capabilities.search.routing import RetrieverWeights
from cinemill.core.retrieval.hits import Candidate, Hit, Scores
from cinemill.core.retrieval.passages import PassageTrack

RANK_OFFSET = 60
"""k of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009)."""
MOST_MERGED = 6
"""Passages of one hit."""
NEIGHBOUR_SHARE = 0.6
"""A neighbour that scores less than this share of the best does not make a hit longer."""
OTHER_SHARE = 0.7
"""Of the score of a passage that is in none of the tracks that a query prefers."""
FITTED_WEIGHTS = RetrieverWeights()
"""For :func:`fuse_by_score`: of nine combinations, the one that was best on questions of families
that nothing else was fitted on, and that no class of them lost by, also where speech was misheard;
see ``docs/explanation/retrieval.md``."""
RANK_WEIGHTS = RetrieverWeights(vector=2.0, text=1.0)
"""For :func:`fuse_by_rank`, which nothing was fitted for."""

_Place = tuple[str, PassageTrack, int]
"""Asset, track and number."""

_READERS: Sequence[tuple[str, Callable[[Scores], float | None]]] = (
    ("vector", lambda scores: scores.vector),
    ("text", lambda scores: scores.text),
    ("trigram", lambda scores: scores.trigram),
    ("graph", lambda scores: scores.graph),
)


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate with its score after fusion, 0 to 1."""

    candidate: Candidate
    score: float


def fuse_by_rank(
    candidates: Sequence[Candidate], weights: RetrieverWeights | None = None
) -> list[RankedCandidate]:
    """Return the candidates by weighted reciprocal ranks, the best first.

    Needs nothing that was fitted, and sees only the order within each retriever. Equal scores of a
    retriever have the same rank. 1 is the first of every retriever that has a weight and found
    something.
    """
    used = weights or RANK_WEIGHTS
    totals: dict[str, float] = defaultdict(float)
    most = 0.0
    for name, read in _READERS:
        weight = _get_weight(used, name)
        found = [(score, one) for one in candidates if (score := read(one.scores)) is not None]
        if weight <= 0 or not found:
            continue
        most += weight / (RANK_OFFSET + 1)
        ranks = {
            score: rank
            for rank, score in reversed(
                list(enumerate(sorted((score for score, _ in found), reverse=True), start=1))
            )
        }
        for score, one in found:
            totals[one.passage_id] += weight / (RANK_OFFSET + ranks[score])
    return _sort(candidates, {key: total / most for key, total in totals.items()})


def fuse_by_score(
    candidates: Sequence[Candidate], weights: RetrieverWeights = FITTED_WEIGHTS
) -> list[RankedCandidate]:
    """Return the candidates by a convex combination of their scores, the best first.

    Each retriever's scores are first stretched to 0 to 1 over the candidates; one that a retriever
    did not find has 0 there. Weights are divided by their sum over the retrievers that found
    something.
    """
    totals: dict[str, float] = defaultdict(float)
    whole = 0.0
    for name, read in _READERS:
        weight = _get_weight(weights, name)
        found = [(score, one) for one in candidates if (score := read(one.scores)) is not None]
        if weight <= 0 or not found:
            continue
        whole += weight
        least = min(score for score, _ in found)
        spread = max(score for score, _ in found) - least
        for score, one in found:
            totals[one.passage_id] += weight * ((score - least) / spread if spread > 0 else 1.0)
    return _sort(candidates, {key: total / whole for key, total in totals.items()})


def fuse(
    candidates: Sequence[Candidate],
    weights: RetrieverWeights,
    preferred: Collection[PassageTrack] = (),
) -> list[RankedCandidate]:
    """Return the candidates as searches rank them, the best first.

    ``weights`` and ``preferred`` are a route's. Passages of other tracks than the preferred ones
    count 0.7 of their score.
    """
    ranked = fuse_by_score(candidates, weights)
    if not preferred:
        return ranked
    return _order(
        one if one.candidate.track in preferred else replace(one, score=OTHER_SHARE * one.score)
        for one in ranked
    )


def unite(first: Iterable[Candidate], second: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates of two searches for the same, each once, with the scores of both."""
    united: dict[str, Candidate] = {}
    for one in (*first, *second):
        known = united.get(one.passage_id)
        united[one.passage_id] = one if known is None else _add_scores(known, one.scores)
    return list(united.values())


def _add_scores(candidate: Candidate, more: Scores) -> Candidate:
    """Return a candidate with the scores that it lacks. Those of a retriever are the same."""
    have = candidate.scores
    scores = Scores(
        vector=more.vector if have.vector is None else have.vector,
        text=more.text if have.text is None else have.text,
        trigram=more.trigram if have.trigram is None else have.trigram,
        graph=more.graph if have.graph is None else have.graph,
    )
    return replace(candidate, scores=scores)


def _get_weight(weights: RetrieverWeights, name: str) -> float:
    return {
        "vector": weights.vector,
        "text": weights.text,
        "trigram": weights.trigram,
        "graph": weights.graph,
    }[name]


def _sort(candidates: Iterable[Candidate], totals: dict[str, float]) -> list[RankedCandidate]:
    """Return each passage once; those that no retriever with a weight found are left out."""
    unique = {one.passage_id: one for one in candidates if one.passage_id in totals}
    return _order(RankedCandidate(one, totals[key]) for key, one in unique.items())


def _order(ranked: Iterable[RankedCandidate]) -> list[RankedCandidate]:
    # Ties are broken by place, so that the same search always has the same order.
    return sorted(
        ranked,
        key=lambda one: (
            -one.score,
            one.candidate.asset_id,
            one.candidate.start_ms,
            one.candidate.passage_id,
        ),
    )


def merge_adjacent(ranked: Sequence[RankedCandidate], *, limit: int) -> list[Hit]:
    """Return at most ``limit`` hits, the best first; passages in a row are one hit.

    A hit has up to six passages of one track, each with at least 0.6 of the best one's score, and
    the score and the reasons of its best. Merging looks at as many candidates as there are.
    """
    by_place = {
        (one.candidate.asset_id, one.candidate.track, one.candidate.number): one for one in ranked
    }
    used: set[str] = set()
    hits: list[Hit] = []
    for best in ranked:
        if len(hits) == limit:
            break
        if best.candidate.passage_id in used:
            continue
        group = _grow(best, by_place, used)
        used.update(one.candidate.passage_id for one in group)
        hits.append(_make_hit(best, group))
    return hits


def _grow(
    best: RankedCandidate, by_place: Mapping[_Place, RankedCandidate], used: set[str]
) -> list[RankedCandidate]:
    """Return the best passage with its neighbours on both sides, in order of time."""
    asset_id, track = best.candidate.asset_id, best.candidate.track
    group = [best]
    first = last = best.candidate.number
    while len(group) < MOST_MERGED:
        around = [
            found
            for number in (first - 1, last + 1)
            if (found := by_place.get((asset_id, track, number))) is not None
            and found.candidate.passage_id not in used
            and found.score >= NEIGHBOUR_SHARE * best.score
        ]
        if not around:
            break
        chosen = max(around, key=lambda one: (one.score, -one.candidate.number))
        group.append(chosen)
        first = min(first, chosen.candidate.number)
        last = max(last, chosen.candidate.number)
    return sorted(group, key=lambda one: one.candidate.number)


def _make_hit(best: RankedCandidate, group: Sequence[RankedCandidate]) -> Hit:
    passages = [one.candidate for one in group]
    return Hit(
        asset_id=best.candidate.asset_id,
        passage_ids=tuple(one.passage_id for one in passages),
        start_ms=passages[0].start_ms,
        end_ms=max(one.end_ms for one in passages),
        text=" ".join(one.text for one in passages),
        score=best.score,
        scores=best.candidate.scores,
    )
