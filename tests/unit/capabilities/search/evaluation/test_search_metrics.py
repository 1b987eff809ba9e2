"""Figures of retrieval, abstention and citations, against values worked out by hand."""

from __future__ import annotations

import json
import math

import pytest

from cinemill.capabilities.search.evaluation.making.truth import TrueScene, TrueSentence, TrueVideo
from cinemill.capabilities.search.evaluation.metrics.citations import (
    TimeError,
    is_claim_supported,
    is_within,
    measure_time_error,
)
from cinemill.capabilities.search.evaluation.metrics.intervals import (
    bootstrap_mean,
    bootstrap_ratio,
)
from cinemill.capabilities.search.evaluation.metrics.ranking import (
    count_gains,
    is_right,
    measure_ndcg,
    measure_recall,
    measure_reciprocal_rank,
)
from cinemill.capabilities.search.evaluation.metrics.records import (
    AskedQuestion,
    CitedClaim,
    Moment,
    Outcome,
)
from cinemill.capabilities.search.evaluation.metrics.report import (
    ALL,
    measure_abstention,
    measure_answers,
    measure_retrieval,
)
from cinemill.capabilities.search.evaluation.plan.records import Picture, Split

SENTENCE = Moment("v01", 10_000, 14_000)
OTHER = Moment("v02", 0, 5_000)
WRONG = Moment("v09", 10_000, 14_000)


def make_video(name: str) -> TrueVideo:
    """Return a video of 20 s: a neutral sentence, then one that states a fact."""
    scenes = (
        TrueScene(
            0,
            "opening",
            0,
            8_000,
            Picture("red"),
            "OSLO 107",
            "en",
            (TrueSentence(300, 2_000, "Good evening and welcome back."),),
            None,
        ),
        TrueScene(
            1,
            "budget",
            8_000,
            20_000,
            Picture("blue", "star", 3),
            "KYOTO 205",
            "en",
            (
                TrueSentence(
                    10_000, 14_000, "Harbor Bank will spend 47 million euros on the solar ferry."
                ),
            ),
            0,
        ),
    )
    return TrueVideo(name, Split.TUNE, 12, 240, scenes)


VIDEOS = {"v01": make_video("v01")}


@pytest.mark.parametrize(
    ("hit", "right"),
    [
        (Moment("v01", 10_000, 14_000), True),
        (Moment("v02", 10_000, 14_000), False),
        (Moment("v01", 5_000, 15_000), True),
        (Moment("v01", 11_000, 13_000), True),
        (Moment("v01", 2_000, 12_000), True),  # half of the sentence
        (Moment("v01", 2_000, 11_900), False),
        (Moment("v01", 14_000, 20_000), False),
        (Moment("v01", 0, 30_000), True),
        (Moment("v01", 0, 30_001), False),  # citing whole videos is citing nothing
        (Moment("v01", 12_000, 12_000), False),
    ],
)
def test_hit_is_right_if_it_shares_half_of_the_shorter_range(hit: Moment, right: bool) -> None:
    assert is_right(hit, SENTENCE) is right


def test_long_hit_is_right_for_long_evidence() -> None:
    evidence = Moment("v01", 0, 40_000)
    assert is_right(Moment("v01", 0, 80_000), evidence)
    assert not is_right(Moment("v01", 0, 80_001), evidence)


def test_evidence_counts_for_the_first_hit_that_shows_it() -> None:
    halves = [Moment("v01", 8_000, 12_000), Moment("v01", 12_000, 16_000)]
    assert count_gains([WRONG, *halves], [SENTENCE]) == [0, 1, 0]
    assert count_gains([Moment("v01", 0, 20_000)], [SENTENCE, Moment("v01", 15_000, 16_000)]) == [2]


@pytest.mark.parametrize(
    ("hits", "evidence", "ndcg", "reciprocal"),
    [
        ([SENTENCE], [SENTENCE], 1.0, 1.0),
        ([WRONG, SENTENCE], [SENTENCE], 1 / math.log2(3), 1 / 2),
        ([WRONG, WRONG, SENTENCE, SENTENCE], [SENTENCE], 1 / math.log2(4), 1 / 3),
        ([WRONG], [SENTENCE], 0.0, 0.0),
        ([], [SENTENCE], 0.0, 0.0),
        ([SENTENCE, WRONG, OTHER], [OTHER, SENTENCE], 1.5 / (1 + 1 / math.log2(3)), 1.0),
        ([WRONG] * 10 + [SENTENCE], [SENTENCE], 0.0, 1 / 11),
        # Two pieces of evidence in one hit: nothing could be better.
        ([Moment("v01", 0, 20_000)], [SENTENCE, Moment("v01", 15_000, 16_000)], 1.0, 1.0),
    ],
)
def test_ranking_figures(
    hits: list[Moment], evidence: list[Moment], ndcg: float, reciprocal: float
) -> None:
    assert measure_ndcg(hits, evidence) == pytest.approx(ndcg)
    assert measure_reciprocal_rank(hits, evidence) == pytest.approx(reciprocal)


def test_recall_is_the_share_of_evidence_in_the_first_hits() -> None:
    hits, evidence = [SENTENCE, WRONG, OTHER], [OTHER, SENTENCE]
    assert [measure_recall(hits, evidence, cutoff) for cutoff in (1, 2, 3)] == [0.5, 0.5, 1.0]


def test_ranking_without_evidence_is_refused() -> None:
    for measure in (measure_ndcg, measure_reciprocal_rank):
        with pytest.raises(ValueError, match="without an answer"):
            measure([SENTENCE], [])


def test_interval_draws_videos_not_questions() -> None:
    """A hundred questions about each of ten videos inform about ten videos."""
    few = [str(number) for number in range(10)]
    values = [float(number % 2) for number in range(10)]
    once = bootstrap_mean(few, values)
    often = bootstrap_mean(few * 100, values * 100)
    apart = bootstrap_mean([str(number) for number in range(1000)], values * 100)
    assert once is not None
    assert often is not None
    assert apart is not None
    assert (often.lower, often.upper) == pytest.approx((once.lower, once.upper))
    assert apart.upper - apart.lower < 0.25 * (once.upper - once.lower)
    assert once.lower < 0.5 < once.upper
    assert (once.videos, once.level) == (10, 0.95)


def test_interval_is_the_same_each_time_and_needs_five_videos() -> None:
    videos, values = list("abcde"), [0.1, 0.9, 0.4, 0.7, 0.2]
    assert bootstrap_mean(videos, values) == bootstrap_mean(videos, values)
    assert bootstrap_mean(videos[:4], values[:4]) is None
    same = bootstrap_mean(videos, [0.25] * 5)
    assert same is not None
    assert (same.lower, same.upper) == (0.25, 0.25)


def test_interval_of_a_ratio_pairs_questions() -> None:
    videos = list("abcdefgh")
    true = [0.5, 1.0, 0.25, 1.0, 0.75, 0.5, 1.0, 0.2]
    ratio = bootstrap_ratio(videos, [0.9 * value for value in true], true)
    assert ratio is not None
    assert (ratio.lower, ratio.upper) == pytest.approx((0.9, 0.9))
    assert bootstrap_ratio(videos, true, [0.0] * 8) is None


def ask(identifier: str, *, answerable: bool = True, group: str = "class: who") -> AskedQuestion:
    return AskedQuestion(
        id=identifier,
        text="How much will Harbor Bank spend?",
        video="v01",
        evidence=(SENTENCE,) if answerable else (),
        groups=(group,),
        answer="47" if answerable else "",
    )


def test_retrieval_report_leaves_out_questions_without_an_answer() -> None:
    report = measure_retrieval(
        [
            Outcome(ask("1"), (SENTENCE,)),
            Outcome(ask("2", group="class: when"), (WRONG, SENTENCE), abstained=True),
            Outcome(ask("3", answerable=False), (SENTENCE,)),
        ]
    )
    figures = report.groups[ALL]
    assert figures["ndcg_at_10"].value == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert figures["mrr"].value == 0.75
    assert [figures[f"recall_at_{cutoff}"].value for cutoff in (1, 5, 10)] == [0.5, 1.0, 1.0]
    assert figures["mrr"].count == 2
    assert figures["mrr"].interval is None
    assert report.groups["class: when"]["mrr"].value == 0.5
    assert list(report.groups) == [ALL, "class: when", "class: who"]
    json.dumps(report.to_json())


def test_abstention_report_keeps_both_rates_apart() -> None:
    outcomes = [
        *[Outcome(ask(f"a{n}"), abstained=n < 1) for n in range(4)],
        *[
            Outcome(ask(f"b{n}", answerable=False, group="near miss: absent"), abstained=n < 4)
            for n in range(5)
        ],
    ]
    groups = measure_abstention(outcomes).groups
    assert (groups[ALL]["false_abstention"].value, groups[ALL]["abstention"].value) == (0.25, 0.8)
    assert "abstention" not in groups["class: who"]
    assert "false_abstention" not in groups["near miss: absent"]
    assert groups["near miss: absent"]["abstention"].count == 5


@pytest.mark.parametrize(
    ("citation", "within"),
    [
        (Moment("v01", 0, 20_000), True),
        (Moment("v01", 0, 20_001), False),
        (Moment("v01", -1, 20_000), False),
        (Moment("v01", 5_000, 5_000), False),
        (Moment("v02", 0, 1_000), False),
    ],
)
def test_citation_is_within_its_video(citation: Moment, within: bool) -> None:
    assert is_within(citation, VIDEOS) is within


@pytest.mark.parametrize(
    ("citation", "error"),
    [
        (SENTENCE, TimeError(0, 0)),
        (Moment("v01", 8_000, 20_000), TimeError(0, 2_000)),
        (Moment("v01", 11_000, 13_500), TimeError(1_500, 1_000)),
        (Moment("v01", 0, 10_500), TimeError(3_500, 10_000)),
        (Moment("v01", 0, 3_000), TimeError(4_000, 10_000)),
        (Moment("v01", 15_000, 18_000), TimeError(4_000, 5_000)),
        (OTHER, None),
    ],
)
def test_time_error_is_what_is_missed_and_how_early_it_starts(
    citation: Moment, error: TimeError | None
) -> None:
    assert measure_time_error(citation, SENTENCE) == error


@pytest.mark.parametrize(
    ("text", "cited", "supported"),
    [
        ("Harbor Bank will spend forty-seven million euros.", SENTENCE, True),
        ("Harbor Bank will spend 48 million euros.", SENTENCE, False),
        ("Harbor Foods will spend 47 million euros.", SENTENCE, False),
        ("The sign says KYOTO 205.", Moment("v01", 9_000, 10_000), True),
        ("It shows three white stars.", Moment("v01", 9_000, 10_000), True),
        ("Harbor Bank will spend 47 million euros.", Moment("v01", 0, 7_000), False),
        ("Harbor Bank will spend 47 million euros.", Moment("v02", 10_000, 14_000), False),
        ("Harbor Bank will spend 47 million euros.", Moment("v01", 10_000, 24_000), False),
    ],
)
def test_claim_is_checked_against_what_is_said_where_it_cites(
    text: str, cited: Moment, supported: bool
) -> None:
    assert is_claim_supported(CitedClaim(text, (cited,)), VIDEOS) is supported


def test_claim_without_a_citation_is_not_supported() -> None:
    assert not is_claim_supported(CitedClaim("It is so.", ()), VIDEOS)


def test_answer_report_counts_claims_and_citations() -> None:
    right = CitedClaim("Harbor Bank will spend 47 million euros.", (SENTENCE,))
    late = CitedClaim("The solar ferry receives 47 million.", (Moment("v01", 12_000, 20_000),))
    beyond = CitedClaim("Harbor Bank pays 99 million.", (Moment("v01", 30_000, 40_000),))
    figures = measure_answers(
        [
            Outcome(ask("1"), claims=(right, late)),
            Outcome(ask("2"), claims=(beyond,)),
            Outcome(ask("3"), abstained=True, claims=(right,)),
            Outcome(ask("4", answerable=False), claims=(beyond,)),
        ],
        VIDEOS,
    ).groups[ALL]
    assert figures["citations_within"].value == 0.5
    assert figures["claims_supported"].value == 0.5
    assert figures["claims_in_right_video"].value == 1.0
    assert figures["right_answers"].value == 0.5
    assert figures["claims_supported"].count == 4
    assert figures["time_missed_p95_ms"].count == 3
    # Of 0, 2,000 and 4,000 ms; linear between the last two.
    assert figures["time_missed_p95_ms"].value == pytest.approx(3_800)
