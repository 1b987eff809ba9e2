"""Jobs of Rekognition over HTTP: started once, polled, and every way to fail."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tests.rekognition_double import (
    VIDEO,
    Exchange,
    RekognitionDouble,
    connect,
    fail,
    half,
    run_double,
    send,
)

from cinemill.errors import CinemillError, ToolMissing
from cinemill.inference.providers.failures import (
    ProviderDenied,
    ProviderJobFailed,
    ProviderRejected,
    ProviderReplyInvalid,
    ProviderThrottled,
    ProviderUnavailable,
)
from cinemill.inference.providers.jobs import RunState
from cinemill.inference.providers.rekognition.client import (
    AwsAccess,
    RekognitionClient,
    open_client,
)
from cinemill.inference.providers.rekognition.features import Feature
from cinemill.inference.providers.rekognition.jobs import (
    MOST_POLLS,
    RekognitionJob,
    StartOptions,
    poll_job,
    start_job,
)

START, GET = "StartLabelDetection", "GetLabelDetection"


def start_labels(client: RekognitionClient, step_key: str = "step") -> RekognitionJob:
    return start_job(client, Feature.LABELS, VIDEO, step_key)


@pytest.mark.parametrize("feature", Feature)
def test_step_that_starts_twice_has_one_job(
    client: RekognitionClient, double: RekognitionDouble, feature: Feature
) -> None:
    first = start_job(client, feature, VIDEO, "step")
    assert start_job(client, feature, VIDEO, "step") == first
    assert start_job(client, feature, VIDEO, "another step") != first
    assert len(double.jobs) == 2


def test_step_that_starts_over_after_a_failure_has_another_job(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    failed = start_labels(client)
    again = start_job(client, Feature.LABELS, VIDEO, "step", options=StartOptions(restarts=1))
    assert again != failed
    assert len(double.jobs) == 2


def test_same_step_with_other_parameters_is_refused(client: RekognitionClient) -> None:
    start_labels(client)
    with pytest.raises(ProviderRejected) as refused:
        start_job(
            client,
            Feature.LABELS,
            VIDEO,
            "step",
            options=StartOptions(min_confidence_percent=80),
        )
    assert refused.value.code == "provider_token_reused"


def test_poll_asks_once_and_states_the_next_pause(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    double.script.running_polls = 2
    job = start_labels(client)
    results = [poll_job(client, job, polls=number) for number in range(3)]
    assert [one.state for one in results] == [
        RunState.RUNNING,
        RunState.RUNNING,
        RunState.SUCCEEDED,
    ]
    assert double.count(GET) == 3
    assert 2.5 <= results[0].delay_seconds <= 5 <= results[1].delay_seconds <= 10


def test_pause_between_polls_is_bounded(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    double.script.running_polls = 10
    job = start_labels(client)
    pauses = [poll_job(client, job, polls=number).delay_seconds for number in (20, 500, 2999)]
    assert all(30 <= pause <= 60 for pause in pauses)


def test_job_without_an_end_is_given_up_without_a_request(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    job = start_labels(client)
    result = poll_job(client, job, polls=MOST_POLLS)
    assert result.state is RunState.FAILED
    assert result.failure is not None
    assert result.failure.code == "provider_stalled"
    assert double.count(GET) == 0


def test_failed_job_states_the_services_reason(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    double.script.end, double.script.status_message = "FAILED", "codec not\x00 supported"
    result = poll_job(client, start_labels(client), polls=0)
    assert result.state is RunState.FAILED
    assert result.failure is not None
    assert result.failure.code == "provider_job_failed"
    assert "codec not supported" in result.failure.message


def test_job_that_the_service_has_forgotten_is_lost(client: RekognitionClient) -> None:
    with pytest.raises(ProviderJobFailed) as lost:
        poll_job(client, RekognitionJob(Feature.LABELS, "gone"), polls=0)
    assert lost.value.code == "provider_job_lost"


@pytest.mark.parametrize(
    "code",
    ["ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException"],
)
def test_throttled_start_is_retryable_after_a_growing_pause(
    client: RekognitionClient, double: RekognitionDouble, code: str
) -> None:
    double.script.faults[START] = [lambda exchange: exchange.fail(code)] * 2
    pauses = []
    for attempts in (0, 3):
        with pytest.raises(ProviderThrottled) as throttled:
            start_job(client, Feature.LABELS, VIDEO, "step", attempts=attempts)
        assert (throttled.value.code, throttled.value.is_retryable) == ("provider_throttled", True)
        pauses.append(throttled.value.delay_seconds)
    assert 0 < pauses[0] < pauses[1] <= 300
    assert double.count(START) == 2, "no request is repeated while a worker waits"
    assert start_labels(client).job_id


def test_throttled_poll_is_a_job_that_runs(
    client: RekognitionClient, double: RekognitionDouble
) -> None:
    job = start_labels(client)
    double.script.faults[GET] = [lambda exchange: exchange.fail("ThrottlingException", status=500)]
    result = poll_job(client, job, polls=4)
    assert result.state is RunState.RUNNING
    assert result.delay_seconds >= 30
    assert poll_job(client, job, polls=5).state is RunState.SUCCEEDED


def cut_off(exchange: Exchange) -> None:
    exchange.send(200, b'{"JobStatus": "SUCC', stated_bytes=4000)


@pytest.mark.parametrize(
    ("fault", "kind", "code", "is_retryable"),
    [
        (half, ProviderReplyInvalid, "provider_reply_invalid", True),
        (cut_off, ProviderReplyInvalid, "provider_reply_invalid", True),
        (send({}), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send({"JobId": 7}), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send({"JobId": "a/b"}), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send(["JobId"]), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send("JobId"), ProviderReplyInvalid, "provider_reply_invalid", True),
        (fail("InternalServerError", 500), ProviderUnavailable, "provider_unavailable", True),
        (fail("ServiceUnavailable", 503), ProviderUnavailable, "provider_unavailable", True),
        (fail("AccessDeniedException"), ProviderDenied, "provider_denied", False),
        (fail("UnrecognizedClientException"), ProviderDenied, "provider_denied", False),
        (fail("InvalidS3ObjectException"), ProviderRejected, "s3_object_unreadable", False),
        (fail("VideoTooLargeException"), ProviderRejected, "video_too_large", False),
        (fail("InvalidParameterException"), ProviderRejected, "provider_rejected", False),
        (fail("SomethingNew"), ProviderRejected, "provider_rejected", False),
        (
            lambda exchange: exchange.send(400, b"<html>"),
            ProviderReplyInvalid,
            "provider_reply_invalid",
            True,
        ),
        (
            lambda exchange: exchange.send(502, b"<html>"),
            ProviderUnavailable,
            "provider_unavailable",
            True,
        ),
    ],
)
def test_failure_of_a_start_has_a_stable_code(
    client: RekognitionClient,
    double: RekognitionDouble,
    fault: Any,
    kind: type[CinemillError],
    code: str,
    is_retryable: bool,
) -> None:
    double.script.faults[START] = [fault]
    with pytest.raises(kind) as failed:
        start_labels(client)
    assert (failed.value.code, failed.value.is_retryable) == (code, is_retryable)


def test_service_that_is_away_is_unavailable() -> None:
    with run_double() as double:
        client = connect(double)
    with pytest.raises(ProviderUnavailable) as away:
        start_labels(client)
    assert away.value.code == "provider_unavailable"


def test_missing_credentials_are_named(
    double: RekognitionDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    client = open_client(AwsAccess(region="eu-west-1", endpoint_url=double.url))
    with pytest.raises(ProviderDenied) as denied:
        start_labels(client)
    assert "credentials" in denied.value.message
    assert double.seen == []


def test_missing_region_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ProviderDenied) as denied:
        open_client(AwsAccess())
    assert denied.value.code == "provider_region_missing"


def test_missing_boto3_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ToolMissing) as missing:
        open_client(AwsAccess(region="eu-west-1"))
    assert missing.value.code == "extra_missing"
    assert "pip install 'cinemill[rekognition]'" in missing.value.hint


def test_secrets_are_not_in_what_is_printed() -> None:
    access = AwsAccess("eu-west-1", None, "AKID", "hush", "hush too")
    assert "hush" not in repr(access)
