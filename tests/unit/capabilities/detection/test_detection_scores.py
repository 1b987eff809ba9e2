"""From features to the result: scores of faces, members and the video, and the document."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.detection import (
    ENOUGH_FACES,
    STATEMENT,
    make_calibration_videos,
    make_features,
    make_head,
)

from cinemill.capabilities.detection.build_result import build_empty_result, build_result
from cinemill.capabilities.detection.ensemble.features import (
    FeatureLevel,
    FeatureSpace,
    Normalization,
    join_levels,
)
from cinemill.capabilities.detection.ensemble.fusion import (
    Ensemble,
    WeightSource,
    make_ensemble,
    make_ensemble_of_one,
)
from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.scoring import (
    EnsembleScores,
    TrackFeatures,
    score_tracks,
)
from cinemill.capabilities.detection.ensemble.training_statement import Grade
from cinemill.capabilities.detection.results import DetectionResult
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import (
    CalibrationOptions,
    CalibrationVideo,
    fit_calibration,
)
from cinemill.capabilities.detection.verdict.evidence import FaceCounts
from cinemill.capabilities.detection.verdict.reasons import Reason
from cinemill.capabilities.detection.verdict.verdict import NO_MODEL
from cinemill.core.faces import FaceBox, FaceTrack, TrackedFace

pytestmark = pytest.mark.property

DETECTOR_SPACE = FeatureSpace(
    model="my-detector",
    revision="c" * 64,
    preprocessing="crop-1.3-v1",
    levels=(FeatureLevel(name="logit", dimension=1),),
    normalization=Normalization.NONE,
)
DETECTOR = Head(
    name="my-detector",
    grade=Grade.TRAINED,
    space=DETECTOR_SPACE,
    weights=np.ones(1, np.float32),
    bias=0.0,
    temperature=1.0,
    training=STATEMENT,
)


def make_track(number: int, faces: int, *, start_ms: int = 0) -> FaceTrack:
    box = FaceBox(left=10, top=20, width=100, height=120, score=0.9)
    return FaceTrack(number, tuple(TrackedFace(start_ms + 100 * at, box) for at in range(faces)))


def make_tracks(*logits: Sequence[float]) -> list[TrackFeatures]:
    """Tracks for which a whole detector returned these logits."""
    return [
        TrackFeatures(
            make_track(number, len(row), start_ms=10_000 * number),
            {"mine": join_levels({"logit": np.array(row)[:, None]}, DETECTOR_SPACE)},
        )
        for number, row in enumerate(logits, start=1)
    ]


def make_detector(**weights: float) -> Ensemble:
    """A user's own detector, calibrated."""
    bare = make_ensemble_of_one("mine", DETECTOR)
    options = CalibrationOptions(subject=bare.subject, data="videos of a test")
    videos = [replace(video, distances={}) for video in make_calibration_videos()]
    return replace(bare, calibration=fit_calibration(videos, options))


DETECTOR_ENSEMBLE = make_detector()


def build(ensemble: Ensemble, tracks: list[TrackFeatures], faces: FaceCounts | None = None) -> Any:
    """The result as it is after JSON; numbers that JSON does not know are refused."""
    usable = sum(len(one.track.faces) for one in tracks)
    counts = faces or FaceCounts(frames=32, frames_without_face=0, usable=usable)
    result = build_result(ensemble, score_tracks(ensemble, tracks), counts, bits_per_pixel=1.0)
    return json.loads(json.dumps(result.to_json(), allow_nan=False))


def test_own_detector_joins_with_a_calibration_of_its_own() -> None:
    document = build(make_detector(), make_tracks([6.0] * 8, [-3.0] * 8))
    assert document["verdict"] == "likely_manipulated"
    assert [reason["code"] for reason in document["reasons"]] == ["score_high"]
    (member,) = document["members"]
    assert member["model"] == "my-detector"
    assert member["logit"] == 6.0
    assert [track["score"] > 0.9 for track in document["tracks"]] == [True, False]
    assert [track["band"] for track in document["tracks"]] == [
        "likely_manipulated",
        "no_manipulation_found",
    ]
    (region,) = document["regions"]
    assert (region["track"], region["start_ms"], region["end_ms"]) == (1, 10_000, 10_701)
    assert (region["left"], region["width"]) == (10, 100)
    assert document["calibration"]["unmanipulated_groups"] == 50


def test_cleared_video_has_no_regions() -> None:
    document = build(make_detector(), make_tracks([-6.0] * 28 + [5.0, 5.0]))
    assert document["verdict"] == "no_manipulation_found"
    assert document["regions"] == []
    (track,) = document["tracks"]
    assert {face["band"] for face in track["faces"]} == {"no_manipulation_found", "inconclusive"}


def test_short_track_is_not_decided_on_its_own() -> None:
    document = build(make_detector(), make_tracks([6.0] * 8, [6.0] * 3))
    assert [track["band"] for track in document["tracks"]] == ["likely_manipulated", "inconclusive"]


@given(st.lists(st.lists(st.floats(-9, 9), min_size=1, max_size=6), min_size=1, max_size=3))
def test_no_part_accuses_more_than_the_video(logits: list[list[float]]) -> None:
    document = build(DETECTOR_ENSEMBLE, make_tracks(*logits))
    bands = {track["band"] for track in document["tracks"]}
    bands |= {face["band"] for track in document["tracks"] for face in track["faces"]}
    if document["verdict"] != "likely_manipulated":
        assert "likely_manipulated" not in bands
    if document["verdict"] == "inconclusive":
        assert bands == {"inconclusive"}


def test_video_without_faces_has_no_numbers() -> None:
    document = build(make_detector(), [], FaceCounts(32, 32, 0))
    assert document["verdict"] == "no_face"
    assert (document["score"], document["confidence"], document["tracks"]) == (None, None, [])


def test_faces_of_an_uncalibrated_detector_have_logits_and_no_scores() -> None:
    document = build(replace(make_detector(), calibration=None), make_tracks([6.0] * 8))
    assert document["verdict"] == "inconclusive"
    (track,) = document["tracks"]
    assert track["score"] is None
    assert {(face["score"], face["logit"]) for face in track["faces"]} == {(None, 6.0)}
    assert document["calibration"] is None


def test_logits_that_are_not_numbers_give_no_verdict() -> None:
    tracks = make_tracks([6.0] * 8)
    tracks[0].features["mine"][3] = math.nan
    document = build(make_detector(), tracks)
    assert [reason["code"] for reason in document["reasons"]] == ["scores_unusable"]
    assert (document["score"], document["confidence"]) == (None, None)


def test_missing_member_is_stated_and_never_made_up_for() -> None:
    detector = make_detector()
    half = make_ensemble(
        {"mine": DETECTOR, "clip": None},
        {"mine": 0.6, "clip": 0.4},
        WeightSource.SETTINGS,
        detector.calibration,
    )
    document = build(half, make_tracks([6.0] * 8))
    assert document["verdict"] == "inconclusive"
    assert [reason["code"] for reason in document["reasons"]] == ["member_missing"]
    assert document["score"] is None
    weights = {one["name"]: (one["weight"], one["is_missing"]) for one in document["members"]}
    assert weights == {"mine": (0.6, False), "clip": (0.4, True)}
    assert document["weights_from"] == "settings"


def test_ensemble_without_any_member_is_no_model() -> None:
    empty = make_ensemble({"clip": None}, {"clip": 1.0}, WeightSource.DEFAULT)
    result = build_result(empty, score_tracks(empty, make_tracks([1.0])), ENOUGH_FACES)
    assert result.verdict is Band.NO_MODEL
    assert result.reasons[0].code is Reason.NO_MODEL
    bare = build_empty_result(NO_MODEL, ENOUGH_FACES)
    assert (bare.verdict, bare.score, bare.members) == (Band.NO_MODEL, None, ())


def test_track_without_faces_is_not_counted() -> None:
    assert score_tracks(make_detector(), []) == EnsembleScores((), {}, None)
    scores = score_tracks(make_detector(), [*make_tracks([], [1.0] * 4)])
    assert scores.video is not None
    assert scores.video.tracks == 1


def test_features_that_do_not_belong_to_the_faces_are_a_fault() -> None:
    (track,) = make_tracks([1.0] * 4)
    with pytest.raises(ValueError, match="more or fewer"):
        score_tracks(make_detector(), [replace(track, track=make_track(1, 3))])
    with pytest.raises(ValueError, match="no features of mine"):
        score_tracks(make_detector(), [replace(track, features={})])


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.floats(-9, 9), min_size=1, max_size=6), min_size=1, max_size=5),
    st.integers(),
)
def test_verdict_does_not_depend_on_the_order_of_tracks(
    logits: list[list[float]], seed: int
) -> None:
    tracks = make_tracks(*logits)
    shuffled = Random(seed).sample(tracks, len(tracks))
    one, other = build(DETECTOR_ENSEMBLE, tracks), build(DETECTOR_ENSEMBLE, shuffled)
    assert other["verdict"] == one["verdict"]
    assert other["score"] == pytest.approx(one["score"])


def test_members_are_scored_on_the_same_faces_with_their_own_features() -> None:
    pair = make_ensemble(
        {"mine": DETECTOR, "tiny": make_head()},
        {"mine": 0.5, "tiny": 0.5},
        WeightSource.TRAINING,
    )
    (track,) = make_tracks([2.0] * 4)
    features = {**track.features, "tiny": make_features(4)}
    scores = score_tracks(pair, [replace(track, features=features)])
    assert scores.video is not None
    tiny = make_head().score(make_features(4))
    fused = [face.logit for face in scores.tracks[0].faces]
    assert fused == pytest.approx(1.0 + tiny / 2)
    assert set(scores.video.distances) == {"tiny"}
    assert scores.video.disagreement == pytest.approx(
        abs(scores.member_logits["mine"] - scores.member_logits["tiny"]) / 2
    )


def draw_video(random: np.random.Generator, is_manipulated: bool) -> list[TrackFeatures]:
    """One to three tracks of a detector that is far from perfect, with an error for each video."""
    mean = random.normal(1.0 if is_manipulated else -1.0, 0.8)
    tracks = int(random.integers(1, 4))
    return make_tracks(*(random.normal(mean, 1.0, 32 // tracks).tolist() for _ in range(tracks)))


def test_error_rates_and_probabilities_hold_on_videos_that_were_held_out() -> None:
    random = np.random.default_rng(11)
    bare = make_ensemble_of_one("mine", DETECTOR)

    def measure(count: int) -> list[tuple[EnsembleScores, bool]]:
        truths = [bool(at % 2) for at in range(count)]
        return [(score_tracks(bare, draw_video(random, truth)), truth) for truth in truths]

    known = [
        CalibrationVideo(scores.video.logit, truth, at, scores.video.tracks)
        for at, (scores, truth) in enumerate(measure(600))
        if scores.video is not None
    ]
    options = CalibrationOptions(subject=bare.subject, data="videos of a test")
    ensemble = replace(bare, calibration=fit_calibration(known, options))
    held_out = measure(1000)
    results = [(build_result(ensemble, scores, ENOUGH_FACES), truth) for scores, truth in held_out]
    flagged = [result.verdict is Band.LIKELY_MANIPULATED for result, truth in results if not truth]
    cleared = [result.verdict is Band.NO_MANIPULATION_FOUND for result, truth in results if truth]
    assert np.mean(flagged) <= 0.05 * 1.5
    assert np.mean(cleared) <= 0.05 * 1.5
    found = [result.verdict is Band.LIKELY_MANIPULATED for result, truth in results if truth]
    assert np.mean(found) > 0.3
    error = measure_calibration_error(results)
    assert error <= 0.04


def measure_calibration_error(results: Sequence[tuple[DetectionResult, bool]]) -> float:
    """Mean difference of probability and frequency over ten groups of equal size."""
    pairs = sorted((result.score, truth) for result, truth in results)
    groups = np.array_split(np.array(pairs, float), 10)
    return float(np.mean([abs(group[:, 0].mean() - group[:, 1].mean()) for group in groups]))


def test_module_of_results_loads_no_arrays() -> None:
    code = "import sys, cinemill.capabilities.detection.results; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
