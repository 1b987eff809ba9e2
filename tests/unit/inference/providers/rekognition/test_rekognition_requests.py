"""Requests to Rekognition against the service model of botocore, and the limits of a video."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rekognition_double import MODEL, find_problems

from cinemill.errors import InputRejected
from cinemill.inference.providers.rekognition.features import OPERATIONS, Feature
from cinemill.inference.providers.rekognition.requests import (
    LONGEST_VIDEO_MS,
    MOST_VIDEO_BYTES,
    NotificationChannel,
    S3Video,
    build_get_request,
    build_start_request,
    check_video,
    make_token,
)

VIDEO = S3Video("films", "2026/talk.mp4", 5_000_000, 60_000)
CHANNEL = NotificationChannel(
    "arn:aws:sns:eu-west-1:123456789012:rekognition", "arn:aws:iam::123456789012:role/publish"
)


def name_operation(method: str) -> str:
    return "".join(part.title() for part in method.split("_"))


def list_problems(method: str, request: object) -> list[str]:
    return find_problems(request, MODEL.operation_model(name_operation(method)).input_shape)


@pytest.mark.parametrize("channel", [None, CHANNEL], ids=["polled", "sns"])
@pytest.mark.parametrize("percent", [50.0, 82.5, 100.0])
@pytest.mark.parametrize("feature", Feature)
def test_start_request_fits_the_service_model(
    feature: Feature, percent: float, channel: NotificationChannel | None
) -> None:
    request = build_start_request(
        feature,
        VIDEO,
        make_token("step", feature),
        channel=channel,
        min_confidence_percent=percent,
    )
    assert list_problems(OPERATIONS[feature].start, request) == []
    assert ("NotificationChannel" in request) is (channel is not None)


@pytest.mark.parametrize("next_token", [None, "t" * 255])
@pytest.mark.parametrize("feature", Feature)
def test_get_request_fits_the_service_model(feature: Feature, next_token: str | None) -> None:
    for view in OPERATIONS[feature].views:
        request = build_get_request(feature, "j" * 64, view=view, next_token=next_token)
        assert list_problems(OPERATIONS[feature].get, request) == []


def test_check_of_requests_sees_what_botocore_leaves_to_the_service() -> None:
    request = {"Video": {"S3Object": {"Bucket": "films", "Name": "x"}}}
    assert list_problems("start_label_detection", request) == []
    for wrong in (
        {"ClientRequestToken": "not allowed: spaces"},
        {"ClientRequestToken": "t" * 65},
        {"MinConfidence": 101.0},
        {"Features": ["NO_SUCH_FEATURE"]},
    ):
        assert list_problems("start_label_detection", request | wrong) != [], wrong


def test_no_feature_tracks_persons() -> None:
    methods = {name for one in OPERATIONS.values() for name in (one.start, one.get)}
    assert not any("person" in name for name in methods)


@given(key=st.text(), other=st.text())
def test_token_follows_from_step_feature_and_restarts(key: str, other: str) -> None:
    tokens = {make_token(key, feature) for feature in Feature}
    tokens.add(make_token(key, Feature.LABELS, restarts=1))
    assert len(tokens) == len(Feature) + 1
    assert all(len(one) == 64 and set(one) <= set(string.hexdigits) for one in tokens)
    assert (make_token(key, Feature.TEXT) == make_token(other, Feature.TEXT)) is (key == other)


def test_video_at_the_limits_is_accepted() -> None:
    check_video(S3Video("abc", "k" * 1024, MOST_VIDEO_BYTES, LONGEST_VIDEO_MS))


@pytest.mark.parametrize(
    ("video", "code"),
    [
        (S3Video("films", "a.mp4", MOST_VIDEO_BYTES + 1, 1000), "video_too_large"),
        (S3Video("films", "a.mp4", 1000, LONGEST_VIDEO_MS + 1), "video_too_long"),
        (S3Video("films", "a.mp4", 0, 1000), "video_empty"),
        (S3Video("films", "a.mp4", 1000, 0), "video_empty"),
        (S3Video("a bucket", "a.mp4", 1000, 1000), "s3_object_invalid"),
        (S3Video("ab", "a.mp4", 1000, 1000), "s3_object_invalid"),
        (S3Video("films", "", 1000, 1000), "s3_object_invalid"),
        (S3Video("films", "ä" * 513, 1000, 1000), "s3_object_invalid"),
    ],
)
def test_video_beyond_a_limit_is_refused_before_anything_is_sent(video: S3Video, code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        build_start_request(Feature.LABELS, video, "t")
    assert refused.value.code == code


@pytest.mark.parametrize("percent", [49.9, 100.1, float("nan")])
def test_confidence_out_of_range_is_refused(percent: float) -> None:
    with pytest.raises(InputRejected) as refused:
        build_start_request(Feature.LABELS, VIDEO, "t", min_confidence_percent=percent)
    assert refused.value.code == "confidence_invalid"


@pytest.mark.parametrize(
    "channel",
    [
        NotificationChannel("arn:aws:sns:eu-west-1:123456789012:t", "nonsense"),
        NotificationChannel("nonsense", "arn:aws:iam::123456789012:role/r"),
    ],
)
def test_channel_without_arns_is_refused(channel: NotificationChannel) -> None:
    with pytest.raises(InputRejected) as refused:
        build_start_request(Feature.LABELS, VIDEO, "t", channel=channel)
    assert refused.value.code == "sns_channel_invalid"
