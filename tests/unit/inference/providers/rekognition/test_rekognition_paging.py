"""Pages of results: read to the last, within bounds, and never believed against each other."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rekognition_double import VIDEO, RekognitionDouble, fail, half, send

from cinemill.inference.providers.failures import (
    ProviderRejected,
    ProviderReplyInvalid,
    ProviderThrottled,
)
from cinemill.inference.providers.rekognition.client import RekognitionClient
from cinemill.inference.providers.rekognition.features import OPERATIONS, Feature
from cinemill.inference.providers.rekognition.jobs import RekognitionJob, poll_job, start_job
from cinemill.inference.providers.rekognition.paging import MOST_TRIES, PageLimits, read_results

TAGS, _ = OPERATIONS[Feature.LABELS].views
GET = "GetLabelDetection"


def start_labels(client: RekognitionClient) -> RekognitionJob:
    return start_job(client, Feature.LABELS, VIDEO, "step")


def make_tag(number: int) -> dict[str, Any]:
    return {
        "Label": {"Name": f"Thing {number}", "Confidence": 90.5, "Instances": []},
        "Timestamp": number,
        "StartTimestampMillis": number,
        "EndTimestampMillis": number + 10,
        "DurationMillis": 10,
    }


@pytest.mark.parametrize("page_items", [1, 3, 7, 1000])
def test_pages_are_read_to_the_last(
    client: RekognitionClient, double: RekognitionDouble, page_items: int
) -> None:
    found = [make_tag(number) for number in range(7)]
    double.script.results[GET, "SEGMENTS"] = found
    double.script.page_items = page_items
    pages: list[int] = []
    job = start_labels(client)
    results = read_results(client, Feature.LABELS, job.job_id, TAGS, on_page=pages.append)
    assert results.items == found
    assert results.revision == "3.0"
    assert pages == list(range(1, -(-7 // page_items) + 1))


def test_reading_ends_where_its_caller_stops_it(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    double.script.results[GET, "SEGMENTS"] = [make_tag(number) for number in range(9)]
    double.script.page_items = 1

    def stop(pages: int) -> None:
        if pages == 2:
            raise KeyboardInterrupt

    job = start_labels(client)
    with pytest.raises(KeyboardInterrupt):
        read_results(client, Feature.LABELS, job.job_id, TAGS, on_page=stop)
    assert double.count(GET) == 2


@pytest.mark.parametrize(
    "limits", [PageLimits(most_pages=3), PageLimits(most_items=3)], ids=["pages", "items"]
)
def test_results_beyond_a_bound_are_refused_as_a_whole(
    client: RekognitionClient, double: RekognitionDouble, limits: PageLimits
) -> None:
    double.script.results[GET, "SEGMENTS"] = [make_tag(number) for number in range(5)]
    double.script.page_items = 1
    job = start_labels(client)
    with pytest.raises(ProviderRejected) as refused:
        read_results(client, Feature.LABELS, job.job_id, TAGS, limits=limits)
    assert refused.value.code == "provider_reply_too_large"
    assert double.count(GET) <= 4


SUCCEEDED = {"JobStatus": "SUCCEEDED", "Labels": [], "LabelModelVersion": "3.0"}


@pytest.mark.parametrize(
    ("replies", "code"),
    [
        ([{"JobStatus": "IN_PROGRESS"}], "provider_reply_changed"),
        ([{"JobStatus": "FAILED"}], "provider_reply_changed"),
        ([SUCCEEDED | {"NextToken": "a"}] * 2, "provider_reply_changed"),
        (
            [SUCCEEDED | {"NextToken": "a"}, SUCCEEDED | {"LabelModelVersion": "4.0"}],
            "provider_reply_changed",
        ),
        ([{"JobStatus": "SUCCEEDED", "LabelModelVersion": "3.0"}], "provider_reply_invalid"),
        ([SUCCEEDED | {"JobStatus": "DONE"}], "provider_reply_invalid"),
        ([SUCCEEDED | {"NextToken": ""}], "provider_reply_invalid"),
        ([SUCCEEDED | {"Labels": {"0": {}}}], "provider_reply_invalid"),
        ([SUCCEEDED | {"Labels": None}], "provider_reply_invalid"),
        ([SUCCEEDED | {"Labels": ["Car"]}], "provider_reply_invalid"),
    ],
)
def test_service_that_contradicts_itself_is_not_believed(
    client: RekognitionClient, double: RekognitionDouble, replies: list[Any], code: str
) -> None:
    job = start_labels(client)
    double.script.faults[GET] = [send(reply) for reply in replies]
    with pytest.raises(ProviderReplyInvalid) as failed:
        read_results(client, Feature.LABELS, job.job_id, TAGS)
    assert failed.value.code == code


def test_half_of_a_page_is_not_an_empty_page(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    job = start_labels(client)
    double.script.faults[GET] = [half, half]
    with pytest.raises(ProviderReplyInvalid):
        poll_job(client, job, polls=0)
    with pytest.raises(ProviderReplyInvalid):
        read_results(client, Feature.LABELS, job.job_id, TAGS)


def test_throttled_page_is_asked_for_again_without_the_earlier_pages(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    double.script.results[GET, "SEGMENTS"] = [make_tag(number) for number in range(3)]
    double.script.page_items = 1
    job, pauses = start_labels(client), list[float]()

    def throttle_next(pages: int) -> None:
        if pages == 2:
            double.script.faults[GET] = [fail("ProvisionedThroughputExceededException")] * 3

    results = read_results(
        client, Feature.LABELS, job.job_id, TAGS, on_page=throttle_next, pause=pauses.append
    )
    assert len(results.items) == 3
    assert double.count(GET) == 6
    assert len(pauses) == 3
    assert 0.25 <= pauses[0] <= pauses[1] <= pauses[2] <= 2


def test_page_that_stays_throttled_is_left_to_the_caller(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    job, pauses = start_labels(client), list[float]()
    double.script.faults[GET] = [fail("ThrottlingException")] * 100
    with pytest.raises(ProviderThrottled) as throttled:
        read_results(client, Feature.LABELS, job.job_id, TAGS, pause=pauses.append)
    assert double.count(GET) == MOST_TRIES
    assert sum(pauses) <= 16
    assert throttled.value.delay_seconds > 60


def test_expired_page_token_is_a_reply_that_changed(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    job = start_labels(client)
    double.script.faults[GET] = [fail("InvalidPaginationTokenException")]
    with pytest.raises(ProviderReplyInvalid) as failed:
        read_results(client, Feature.LABELS, job.job_id, TAGS)
    assert failed.value.code == "provider_reply_changed"
