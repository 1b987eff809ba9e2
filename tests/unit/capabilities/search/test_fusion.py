"""Fused rankings and merged hits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.searching import make_candidate

from cinemill.capabilities.search.fusion import (
    MOST_MERGED,
    RankedCandidate,
    fuse,
    fuse_by_rank,
    fuse_by_score,
    merge_adjacent,
    unite,
)
from cinemill.capabilities.search.routing import RetrieverWeights
from cinemill.core.retrieval.hits import Candidate, Scores
from cinemill.core.retrieval.passages import PassageTrack

A = make_candidate("a", number=1, scores=Scores(vector=0.9, text=None))
B = make_candidate("b", number=3, scores=Scores(vector=0.8, text=0.5))
C = make_candidate("c", number=5, scores=Scores(vector=None, text=0.9))


def order(ranked: list[RankedCandidate]) -> str:
    return "".join(one.candidate.text for one in ranked)


def test_ranks_are_fused_as_in_the_paper() -> None:
    ranked = fuse_by_rank([A, B, C])
    most = 3 / 61
    expected = {"a": 2 / 61, "b": 2 / 62 + 1 / 62, "c": 1 / 61}
    assert order(ranked) == "bac"
    for one in ranked:
        assert one.score == pytest.approx(expected[one.candidate.text] / most)


def test_scores_are_stretched_over_the_candidates() -> None:
    weights = RetrieverWeights(vector=0.7, text=0.3)
    scores = {one.candidate.text: one.score for one in fuse_by_score([A, B, C], weights)}
    assert scores == {
        "a": pytest.approx(0.7),
        "b": pytest.approx(0.0),
        "c": pytest.approx(0.3),
    }


def test_searches_combine_scores_with_the_fitted_weights() -> None:
    scores = {one.candidate.text: one.score for one in fuse([A, B, C], RetrieverWeights())}
    assert scores == {
        "a": pytest.approx(0.4),
        "b": pytest.approx(0.0),
        "c": pytest.approx(0.6),
    }


def test_preferred_track_ranks_higher_and_hides_no_other() -> None:
    sign = make_candidate("s", number=7, track=PassageTrack.TEXT, scores=Scores(text=0.8))
    weak = make_candidate("w", number=9, scores=Scores(text=0.1))
    found = [make_candidate("p", number=8, scores=Scores(text=0.9)), sign, weak]
    assert order(fuse(found, RetrieverWeights())) == "psw"
    assert order(fuse(found, RetrieverWeights(), (PassageTrack.TEXT,))) == "spw"
    far = replace(sign, scores=Scores(text=0.3))
    assert order(fuse([found[0], far, weak], RetrieverWeights(), (PassageTrack.TEXT,))) == "psw"


def test_candidates_of_two_searches_are_united_with_all_their_scores() -> None:
    again = replace(A, scores=Scores(vector=None, text=0.7, graph=1.0))
    united = {one.text: one.scores for one in unite([A, B], [again, C])}
    assert united == {
        "a": Scores(vector=0.9, text=0.7, graph=1.0),
        "b": B.scores,
        "c": C.scores,
    }


def test_retriever_without_weight_finds_nothing() -> None:
    only_text = RetrieverWeights(vector=0.0, text=1.0)
    assert order(fuse_by_rank([A, B, C], only_text)) == "cb"
    assert order(fuse_by_score([A, B, C], only_text)) == "cb"


def test_passage_that_two_statements_return_is_ranked_once() -> None:
    assert order(fuse_by_rank([A, A, B])) == "ab"


def test_nothing_is_fused_to_nothing() -> None:
    assert fuse_by_rank([]) == fuse_by_score([]) == []


SCORES = st.one_of(st.none(), st.floats(-1, 1), st.sampled_from([0.0, 0.5]))


@pytest.mark.property
@given(st.lists(st.tuples(SCORES, SCORES, SCORES), max_size=30))
def test_fused_scores_are_0_to_1_and_do_not_depend_on_the_order(
    scores: list[tuple[float | None, float | None, float | None]],
) -> None:
    candidates = [
        make_candidate(f"{at}", number=at, scores=Scores(vector=one[0], text=one[1], graph=one[2]))
        for at, one in enumerate(scores)
    ]
    shuffled = candidates[::-1]
    weights = RetrieverWeights(graph=1.0)
    for combine in (fuse_by_rank, fuse_by_score):
        ranked = combine(candidates, weights)
        assert all(-1e-9 <= one.score <= 1 + 1e-9 for one in ranked)
        assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
        assert order(ranked) == order(combine(shuffled, weights))
        found = {one.passage_id for one in candidates if one.scores != Scores()}
        assert {one.candidate.passage_id for one in ranked} == found


def rank(*pairs: tuple[Candidate, float]) -> list[RankedCandidate]:
    return [RankedCandidate(*pair) for pair in sorted(pairs, key=lambda pair: -pair[1])]


def test_passages_in_a_row_are_one_hit() -> None:
    passages = [make_candidate(f"p{number}", number=number) for number in range(4)]
    far = make_candidate("far", number=9)
    ranked = rank((passages[1], 1.0), (passages[2], 0.9), (passages[0], 0.2), (far, 0.8))
    hits = merge_adjacent(ranked, limit=10)
    assert [hit.text for hit in hits] == ["p1 p2", "far", "p0"]
    assert (hits[0].start_ms, hits[0].end_ms) == (10_000, 29_000)
    assert hits[0].score == 1.0
    assert hits[0].scores == passages[1].scores


def test_only_passages_of_one_track_and_video_are_merged() -> None:
    one, other = make_candidate("one", number=0), make_candidate("two", number=1, asset_id="other")
    assert len(merge_adjacent(rank((one, 1.0), (other, 1.0)), limit=10)) == 2


def test_hit_is_no_longer_than_six_passages_and_no_passage_is_in_two() -> None:
    ranked = rank(*((make_candidate(f"{n}", number=n), 1 - n / 1000) for n in range(20)))
    hits = merge_adjacent(ranked, limit=10)
    assert max(len(hit.passage_ids) for hit in hits) == MOST_MERGED
    keys = [key for hit in hits for key in hit.passage_ids]
    assert len(keys) == len(set(keys)) == 20


def test_hits_are_limited() -> None:
    ranked = rank(*((make_candidate(f"{n}", number=2 * n), 1.0) for n in range(20)))
    assert len(merge_adjacent(ranked, limit=3)) == 3
