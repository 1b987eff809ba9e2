"""Verdicts: every outcome, the order of abstention, and what never happens."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.detection import (
    ENOUGH_FACES,
    OPTIONS,
    make_calibration,
    make_calibration_videos,
    make_scores,
)

from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import fit_calibration
from cinemill.capabilities.detection.verdict.evidence import FaceCounts, VideoScores
from cinemill.capabilities.detection.verdict.reasons import Reason, find_face_reason
from cinemill.capabilities.detection.verdict.statements import (
    LIMIT,
    describe_error_rate,
    describe_verdict,
)
from cinemill.capabilities.detection.verdict.verdict import (
    FAILED,
    NO_MODEL,
    Verdict,
    decide_by_score,
    decide_verdict,
)

pytestmark = pytest.mark.property

CALIBRATION = make_calibration()
TWO_MEMBERS = make_calibration(members=("tiny", "other"))
COUNTS = st.integers(0, 40)
FACES = st.builds(
    FaceCounts,
    frames=COUNTS,
    frames_without_face=COUNTS,
    usable=COUNTS,
    excluded=st.dictionaries(
        st.sampled_from(["face_too_small", "face_blurred", "face_turned_away", "odd"]), COUNTS
    ),
)
SCORES = st.one_of(
    st.none(),
    st.builds(
        make_scores,
        st.floats(),
        tracks=st.integers(1, 50),
        distance=st.floats(),
        disagreement=st.one_of(st.none(), st.floats()),
        missing=st.sampled_from([(), ("clip",)]),
        subject=st.sampled_from(["5" * 64, "6" * 64]),
    ),
)
BITS = 1.0
"""For each pixel; no video of the calibration is compressed less."""


def decide(score: float, **changes: object) -> Verdict:
    scores = replace(make_scores(score), **changes)  # type: ignore[arg-type]
    return decide_verdict(ENOUGH_FACES, scores, CALIBRATION, bits_per_pixel=BITS)


@given(FACES, SCORES, st.sampled_from([None, CALIBRATION, TWO_MEMBERS]), st.none() | st.floats(0))
def test_no_abstention_has_a_confidence_and_no_number_comes_without_faces(
    faces: FaceCounts, scores: object, calibration: object, bits: float | None
) -> None:
    if scores is None and faces.usable:
        return
    verdict = decide_verdict(faces, scores, calibration, bits_per_pixel=bits)  # type: ignore[arg-type]
    assert (verdict.confidence is not None) == verdict.band.is_decided
    assert verdict.reasons
    if verdict.band.is_decided:
        assert verdict.confidence is not None
        assert verdict.score is not None
        assert 0.5 <= verdict.confidence <= CALIBRATION.most_confidence
    if verdict.score is not None:
        assert faces.usable >= CALIBRATION.least_faces
        assert 0 <= verdict.score <= 1


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_verdict_rises_with_the_score(one: float, other: float) -> None:
    order = [Band.NO_MANIPULATION_FOUND, Band.INCONCLUSIVE, Band.LIKELY_MANIPULATED]
    low, high = (decide_by_score(logit, CALIBRATION) for logit in sorted((one, other)))
    assert order.index(low.band) <= order.index(high.band)
    if low.score is not None and high.score is not None:
        assert low.score <= high.score


def test_high_score_is_likely_manipulated() -> None:
    verdict = decide(8.0)
    assert verdict.band is Band.LIKELY_MANIPULATED
    assert verdict.reasons == (Reason.SCORE_HIGH,)
    assert verdict.score == verdict.confidence
    # 50 videos of each class: nobody can know that it is more than 1 - 1/51.
    assert verdict.confidence == pytest.approx(1 - 1 / 51)


def test_low_score_is_no_manipulation_found() -> None:
    verdict = decide(-8.0)
    assert verdict.band is Band.NO_MANIPULATION_FOUND
    assert verdict.reasons == (Reason.SCORE_LOW,)
    assert verdict.score == pytest.approx(1 / 51)
    assert verdict.confidence == pytest.approx(1 - 1 / 51)


def test_score_between_the_thresholds_is_inconclusive() -> None:
    verdict = decide_by_score((CALIBRATION.flag_logit + CALIBRATION.clear_logit) / 2, CALIBRATION)
    assert verdict.band is Band.INCONCLUSIVE
    is_between = verdict.reasons == (Reason.BETWEEN_THRESHOLDS,)
    assert is_between or verdict.reasons == (Reason.UNLIKE_BOTH_CLASSES,)
    assert (verdict.score is not None) is is_between
    assert verdict.confidence is None


def test_calibration_of_a_few_videos_supports_no_number() -> None:
    few = fit_calibration(make_calibration_videos(count=4), OPTIONS)
    verdict = decide_by_score(9.0, few)
    assert verdict.reasons == (Reason.CALIBRATION_TOO_SMALL,)
    assert (verdict.score, verdict.confidence) == (None, None)


def test_analysis_of_other_frames_than_calibrated_is_not_decided() -> None:
    verdict = decide(9.0, frames=8)
    assert verdict.reasons == (Reason.CALIBRATED_FOR_OTHER_FRAMES,)
    assert (verdict.band, verdict.score) == (Band.INCONCLUSIVE, None)


def test_faces_that_were_not_looked_at_allow_no_verdict() -> None:
    crowd = FaceCounts(32, 0, 1280, {"too_many_faces": 3})
    verdict = decide_verdict(crowd, make_scores(-9.0), CALIBRATION, bits_per_pixel=BITS)
    assert (verdict.band, verdict.reasons) == (Band.INCONCLUSIVE, (Reason.TOO_MANY_FACES,))


@pytest.mark.parametrize(
    ("faces", "band", "reasons"),
    [
        (FaceCounts(0, 0, 0), Band.FAILED, [Reason.FAILED]),
        (FaceCounts(32, 32, 0), Band.NO_FACE, [Reason.NO_FACES_FOUND]),
        (
            FaceCounts(32, 0, 0, {"face_too_small": 32}),
            Band.INCONCLUSIVE,
            [Reason.TOO_FEW_FACES, Reason.FACES_TOO_SMALL],
        ),
        (
            FaceCounts(32, 0, 3, {"face_blurred": 9, "face_too_small": 20, "face_turned_away": 0}),
            Band.INCONCLUSIVE,
            [Reason.TOO_FEW_FACES, Reason.FACES_TOO_SMALL, Reason.FACES_BLURRED],
        ),
        (
            FaceCounts(32, 0, 3, {"unknown flaw": 1}),
            Band.INCONCLUSIVE,
            [Reason.TOO_FEW_FACES, Reason.FACES_UNUSABLE],
        ),
    ],
)
def test_video_without_enough_faces_is_not_scored(
    faces: FaceCounts, band: Band, reasons: list[Reason]
) -> None:
    scores = make_scores(9.0) if faces.usable else None
    for calibration in (CALIBRATION, None):
        verdict = decide_verdict(faces, scores, calibration, bits_per_pixel=BITS)
        assert verdict == Verdict(band, tuple(reasons))


def test_usable_faces_without_a_score_are_a_fault() -> None:
    with pytest.raises(ValueError, match="none was scored"):
        decide_verdict(ENOUGH_FACES, None, CALIBRATION, bits_per_pixel=BITS)


@pytest.mark.parametrize("logit", [-9.0, 0.0, 9.0])
@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"missing": ("clip",)}, [Reason.MEMBER_MISSING]),
        ({"subject": "6" * 64}, [Reason.CALIBRATED_FOR_OTHERS]),
        ({"aggregation": "mean-0"}, [Reason.CALIBRATED_FOR_OTHERS]),
        ({"logit": math.nan}, [Reason.SCORES_UNUSABLE]),
        ({"distances": {"tiny": math.inf}}, [Reason.SCORES_UNUSABLE]),
        ({"tracks": 40}, [Reason.MORE_FACES_THAN_CALIBRATED]),
        ({"distances": {"tiny": 3.0}}, [Reason.FAR_FROM_TRAINING_DATA]),
        (
            {"distances": {"tiny": 3.0}, "tracks": 40},
            [Reason.MORE_FACES_THAN_CALIBRATED, Reason.FAR_FROM_TRAINING_DATA],
        ),
    ],
)
def test_video_outside_the_calibration_gets_no_number(
    logit: float, changes: dict[str, object], reasons: list[Reason]
) -> None:
    assert decide(logit, **changes) == Verdict(Band.INCONCLUSIVE, tuple(reasons))


def test_uncalibrated_ensemble_decides_nothing() -> None:
    verdict = decide_verdict(ENOUGH_FACES, make_scores(9.0), None)
    assert verdict == Verdict(Band.INCONCLUSIVE, (Reason.NOT_CALIBRATED,))


def test_uncalibrated_ensemble_with_a_missing_member_says_both() -> None:
    verdict = decide_verdict(ENOUGH_FACES, make_scores(9.0, missing=("clip",)), None)
    assert verdict.reasons == (Reason.MEMBER_MISSING, Reason.NOT_CALIBRATED)


@pytest.mark.parametrize(("bits", "is_refused"), [(0.04, True), (0.06, False), (None, True)])
def test_stronger_compression_than_calibrated_abstains(
    bits: float | None, is_refused: bool
) -> None:
    verdict = decide_verdict(ENOUGH_FACES, make_scores(9.0), CALIBRATION, bits_per_pixel=bits)
    assert (Reason.TOO_COMPRESSED in verdict.reasons) is is_refused
    assert verdict.band.is_decided is not is_refused


def test_members_that_contradict_each_other_abstain_and_keep_the_score() -> None:
    scores = replace(make_scores(9.0), disagreement=4.0)
    verdict = decide_verdict(ENOUGH_FACES, scores, TWO_MEMBERS, bits_per_pixel=BITS)
    assert verdict.band is Band.INCONCLUSIVE
    assert verdict.reasons == (Reason.MEMBERS_DISAGREE,)
    assert verdict.score == pytest.approx(1 - 1 / 51)
    agreed = decide_verdict(
        ENOUGH_FACES, replace(scores, disagreement=0.5), TWO_MEMBERS, bits_per_pixel=BITS
    )
    assert agreed.band is Band.LIKELY_MANIPULATED


def test_abstention_has_a_fixed_order() -> None:
    def explain(faces: FaceCounts, scores: VideoScores) -> tuple[Reason, ...]:
        return decide_verdict(faces, scores, TWO_MEMBERS, bits_per_pixel=BITS).reasons

    worst = replace(make_scores(9.0), missing=("clip",), distances={"tiny": 9.0}, disagreement=9.0)
    few = FaceCounts(32, 0, 1, {"face_too_small": 1})
    assert explain(few, worst)[0] is Reason.TOO_FEW_FACES
    assert explain(ENOUGH_FACES, worst) == (Reason.MEMBER_MISSING,)
    far = replace(worst, missing=())
    assert explain(ENOUGH_FACES, far) == (Reason.FAR_FROM_TRAINING_DATA,)
    near = replace(far, distances={"tiny": 1.0})
    assert explain(ENOUGH_FACES, near) == (Reason.MEMBERS_DISAGREE,)


def test_every_band_and_reason_has_a_sentence_that_promises_nothing() -> None:
    sentences = [one.sentence for one in (*Band, *Reason)] + [LIMIT]
    assert len(set(sentences)) == len(Band) + len(Reason) + 1
    for sentence in sentences:
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        for word in ("authentic", "genuine", "original", "trustworthy"):
            assert word not in sentence.lower()


def test_flaws_of_faces_have_reasons() -> None:
    for flaw in ("face_too_small", "face_blurred", "face_turned_away", "face_cut_off"):
        assert find_face_reason(flaw).value == flaw.replace("face_", "faces_")
    assert find_face_reason("unknown flaw") is Reason.FACES_UNUSABLE


def test_decision_says_how_often_it_errs_and_for_which_videos() -> None:
    sentences = describe_verdict(decide(9.0), CALIBRATION)
    assert sentences == (
        "A face in this video is likely manipulated.",
        Reason.SCORE_HIGH.sentence,
        "At most 5% of unmanipulated videos like those that it was calibrated with are expected to "
        "get this verdict (used: 50 such videos of 50 people or sources).",
        LIMIT,
    )
    assert "of manipulated videos" in describe_error_rate(Band.NO_MANIPULATION_FOUND, CALIBRATION)


@pytest.mark.parametrize("verdict", [NO_MODEL, FAILED])
def test_abstention_says_no_error_rate(verdict: Verdict) -> None:
    sentences = describe_verdict(verdict, CALIBRATION)
    assert sentences == (verdict.band.sentence, verdict.reasons[0].sentence)
    with pytest.raises(ValueError, match="no decision"):
        describe_error_rate(verdict.band, CALIBRATION)
