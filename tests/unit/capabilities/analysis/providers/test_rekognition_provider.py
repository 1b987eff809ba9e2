"""Rekognition as a provider, end to end against a server on a local port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.provider_steps import WHOLE, run, store
from tests.rekognition_double import VIDEO, RekognitionDouble, connect, run_double

from cinemill.capabilities.analysis.providers.protocol import AnalysisRequest
from cinemill.capabilities.analysis.providers.rekognition import RekognitionProvider
from cinemill.core.findings.finding import FindingKind
from cinemill.errors import InputRejected
from cinemill.inference.providers.failures import ProviderJobFailed, ProviderThrottled
from cinemill.inference.providers.jobs import RunState
from cinemill.inference.providers.rekognition.features import Feature
from cinemill.steps.costs.cost import DEFAULT_PRICES, estimate_cost

ALL = tuple(Feature)
BOX = {"Left": 0.25, "Top": 0.5, "Width": 0.25, "Height": 0.25}


@pytest.fixture
def double() -> Iterator[RekognitionDouble]:
    with run_double() as running:
        yield running


def fill(double: RekognitionDouble) -> None:
    car = {"Name": "Car", "Confidence": 90}
    cue = {"Type": "EndCredits", "Confidence": 95}
    double.script.results = {
        ("GetLabelDetection", "SEGMENTS"): [
            {"Label": car, "StartTimestampMillis": 1000, "EndTimestampMillis": 2000}
        ],
        ("GetLabelDetection", "TIMESTAMPS"): [
            {
                "Label": car | {"Instances": [{"BoundingBox": BOX, "Confidence": 80}]},
                "Timestamp": 1000,
            }
        ],
        ("GetSegmentDetection", None): [
            {
                "Type": "TECHNICAL_CUE",
                "StartTimestampMillis": 50_000,
                "EndTimestampMillis": 60_000,
                "TechnicalCueSegment": cue,
            },
            {
                "Type": "SHOT",
                "StartTimestampMillis": 0,
                "EndTimestampMillis": 60_400,
                "ShotSegment": {"Index": 0, "Confidence": 99},
            },
        ],
        ("GetFaceDetection", None): [
            {"Timestamp": 1500, "Face": {"BoundingBox": BOX, "Confidence": 99}}
        ],
        ("GetTextDetection", None): [
            {
                "Timestamp": moment,
                "TextDetection": {
                    "DetectedText": "EXIT",
                    "Type": "LINE",
                    "Id": 0,
                    "Confidence": 90,
                    "Geometry": {"BoundingBox": BOX},
                },
            }
            for moment in (3000, 3500, 4000)
        ],
        ("GetContentModeration", "SEGMENTS"): [
            {
                "ModerationLabel": {"Name": "Alcohol", "ParentName": "", "Confidence": 70},
                "StartTimestampMillis": 7000,
                "EndTimestampMillis": 8000,
            }
        ],
    }


def test_rekognition_finds_all_kinds_in_a_video(double: RekognitionDouble) -> None:
    fill(double)
    double.script.running_polls, double.script.page_items = 2, 2
    collected = run(RekognitionProvider(connect(double), ALL), WHOLE)
    found = {
        one.kind: [(f.start_ms, f.end_ms, f.label) for f in one.findings] for one in collected.sets
    }
    assert found == {
        FindingKind.TAG: [(1000, 2000, "Car")],
        FindingKind.OBJECT: [(1000, 1500, "Car")],
        FindingKind.SHOT: [(0, 60_000, "shot")],
        FindingKind.CUE: [(50_000, 60_000, "end credits")],
        FindingKind.FACE: [(1500, 2000, "face")],
        FindingKind.TEXT: [(3000, 4500, "EXIT")],
        FindingKind.MODERATION: [(7000, 8000, "Alcohol")],
    }
    revisions = {one.kind: one.model.revision for one in collected.sets}
    assert revisions[FindingKind.SHOT] == "SHOT:2.0,TECHNICAL_CUE:2.0"
    assert revisions[FindingKind.FACE] == ""
    assert len(double.jobs) == len(ALL)


def test_rekognition_that_finds_nothing_has_empty_sets(double: RekognitionDouble) -> None:
    collected = run(RekognitionProvider(connect(double), ALL), WHOLE)
    assert [one.findings for one in collected.sets] == [[]] * 7


def test_rekognition_start_that_is_throttled_in_the_middle_goes_on(
    double: RekognitionDouble,
) -> None:
    provider = RekognitionProvider(connect(double), ALL)
    double.script.faults["StartTextDetection"] = [
        lambda exchange: exchange.fail("LimitExceededException")
    ]
    with pytest.raises(ProviderThrottled):
        provider.start(WHOLE)
    provider.start(WHOLE, attempts=1)
    assert len(double.jobs) == len(ALL)


def test_rekognition_asks_ended_jobs_no_more(double: RekognitionDouble) -> None:
    provider = RekognitionProvider(connect(double), (Feature.LABELS, Feature.TEXT))
    ticket = provider.start(WHOLE)
    double.script.faults["GetTextDetection"] = [
        lambda exchange: exchange.succeed("GetTextDetection", {"JobStatus": "IN_PROGRESS"})
    ]
    first = provider.poll(ticket)
    assert (first.state, double.count("GetLabelDetection")) == (RunState.RUNNING, 1)
    second = provider.poll(store(first.ticket))
    assert (second.state, double.count("GetLabelDetection")) == (RunState.SUCCEEDED, 1)


def test_rekognition_job_that_failed_starts_over_on_request(double: RekognitionDouble) -> None:
    provider = RekognitionProvider(connect(double), (Feature.FACES,))
    double.script.end = "FAILED"
    with pytest.raises(ProviderJobFailed):
        run(provider, WHOLE)
    double.script.end = "SUCCEEDED"
    again = AnalysisRequest("step", 0, 60_000, VIDEO, restarts=1)
    assert len(run(provider, again).sets) == 1
    assert len(double.jobs) == 2


def test_rekognition_costs_its_length_for_each_feature(double: RekognitionDouble) -> None:
    provider = RekognitionProvider(connect(double), ALL)
    estimate = estimate_cost(provider.list_consumption(WHOLE), DEFAULT_PRICES)
    assert (estimate.micros, estimate.unpriced) == (500_000, ())


@pytest.mark.parametrize("features", [(), (Feature.TEXT, Feature.TEXT)])
def test_rekognition_features_are_named_once(
    double: RekognitionDouble, features: tuple[Feature, ...]
) -> None:
    with pytest.raises(InputRejected) as refused:
        RekognitionProvider(connect(double), features)
    assert refused.value.code == "features_invalid"
