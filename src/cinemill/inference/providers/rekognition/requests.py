"""Requests to Rekognition: built here, and checked for what the service would refuse."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from cinemill.core.documents import JsonObject, quote
from cinemill.errors import InputRejected, TooLarge
from cinemill.inference.providers.rekognition.features import OPERATIONS, Feature, View

MOST_VIDEO_BYTES = 10 * 1024**3
LONGEST_VIDEO_MS = 6 * 3600 * 1000
"""Both are Amazon's limits for a stored video."""
PAGE_ITEMS = 1000
"""The most that a page may hold."""
MIN_CONFIDENCE_PERCENT = 50.0
LONGEST_KEY_BYTES = 1024
_BUCKET = re.compile(r"[0-9A-Za-z.\-_]{3,255}")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[^:]*:\w{12}:.+")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/?[\w+=,.@\-/]+")


@dataclass(frozen=True, slots=True)
class S3Video:
    """A video in Amazon S3, where Rekognition reads it: in the region of the client."""

    bucket: str
    key: str
    size_bytes: int
    duration_ms: int
    version: str | None = None


@dataclass(frozen=True, slots=True)
class NotificationChannel:
    """An SNS topic on which Rekognition announces the end of a job. Polling works without one."""

    topic_arn: str
    role_arn: str
    """A role that Rekognition may assume to publish on the topic."""


def check_video(video: S3Video) -> None:
    """Check a video against the service's limits, before anything is started.

    Raises InputRejected (``s3_object_invalid``, ``video_empty``), TooLarge
    (``video_too_large``, ``video_too_long``).
    """
    if not _BUCKET.fullmatch(video.bucket) or not 0 < len(video.key.encode()) <= LONGEST_KEY_BYTES:
        raise InputRejected(
            f"{quote(video.bucket)} and {quote(video.key)} do not name an object in S3.",
            code="s3_object_invalid",
            hint="Give the bucket's name (3 to 255 characters) and the object's key.",
        )
    if video.size_bytes <= 0 or video.duration_ms <= 0:
        raise InputRejected("The video has no bytes or no duration.", code="video_empty")
    if video.size_bytes > MOST_VIDEO_BYTES:
        raise TooLarge(
            f"The video has {video.size_bytes} bytes; Rekognition takes 10 GB.",
            code="video_too_large",
            hint="Upload a smaller rendition to S3, such as the proxy.",
        )
    if video.duration_ms > LONGEST_VIDEO_MS:
        raise TooLarge(
            f"The video lasts {video.duration_ms / 3_600_000:.1f} h; Rekognition takes 6 h.",
            code="video_too_long",
            hint="Cut the video into parts of at most 6 hours, or analyze it locally.",
        )


def make_token(step_key: str, feature: Feature, *, restarts: int = 0) -> str:
    """Return the ``ClientRequestToken`` of a step: 64 characters.

    The same token starts the same job once only, however often it is sent. It also returns a job
    that failed, so a step that starts over after a failure counts its ``restarts``.
    """
    return hashlib.sha256(f"{step_key}\n{feature.value}\n{restarts}".encode()).hexdigest()


def build_start_request(
    feature: Feature,
    video: S3Video,
    token: str,
    *,
    channel: NotificationChannel | None = None,
    min_confidence_percent: float = MIN_CONFIDENCE_PERCENT,
) -> JsonObject:
    """Return the parameters of the operation that starts a job.

    ``min_confidence_percent`` is 50 to 100: findings of less confidence are not returned. Raises
    what :func:`check_video` raises, and InputRejected (``sns_channel_invalid``,
    ``confidence_invalid``).
    """
    check_video(video)
    if not 50 <= min_confidence_percent <= 100:
        raise InputRejected("The confidence must be 50 to 100 percent.", code="confidence_invalid")
    s3_object = {"Bucket": video.bucket, "Name": video.key}
    if video.version is not None:
        s3_object["Version"] = video.version
    request: dict[str, object] = {
        "Video": {"S3Object": s3_object},
        "ClientRequestToken": token,
        "JobTag": token,
    }
    if channel is not None:
        request["NotificationChannel"] = _describe_channel(channel)
    return request | _feature_options(feature, min_confidence_percent)  # type: ignore[return-value]


def build_get_request(
    feature: Feature,
    job_id: str,
    *,
    view: View | None = None,
    next_token: str | None = None,
    page_items: int = PAGE_ITEMS,
) -> JsonObject:
    """Return the parameters of the operation that reads a job's state, or a page of results."""
    request: dict[str, str | int] = {"JobId": job_id, "MaxResults": page_items}
    aggregate_by = (view or OPERATIONS[feature].views[0]).aggregate_by
    if aggregate_by is not None:
        request |= {"AggregateBy": aggregate_by, "SortBy": "TIMESTAMP"}
    if next_token is not None:
        request["NextToken"] = next_token
    return request


def _describe_channel(channel: NotificationChannel) -> JsonObject:
    if not _TOPIC.fullmatch(channel.topic_arn) or not _ROLE.fullmatch(channel.role_arn):
        raise InputRejected(
            "The SNS channel needs the ARN of a topic and the ARN of a role.",
            code="sns_channel_invalid",
            hint="Leave both out, and jobs are polled; or copy both ARNs from the AWS console.",
        )
    return {"SNSTopicArn": channel.topic_arn, "RoleArn": channel.role_arn}


def _feature_options(feature: Feature, percent: float) -> dict[str, object]:
    match feature:
        case Feature.LABELS:
            return {"MinConfidence": percent, "Features": ["GENERAL_LABELS"]}
        case Feature.MODERATION:
            return {"MinConfidence": percent}
        case Feature.FACES:
            return {"FaceAttributes": "DEFAULT"}
        case Feature.TEXT:
            return {"Filters": {"WordFilter": {"MinConfidence": percent}}}
        case Feature.SEGMENTS:
            return {
                "SegmentTypes": ["SHOT", "TECHNICAL_CUE"],
                "Filters": {
                    "ShotFilter": {"MinSegmentConfidence": percent},
                    "TechnicalCueFilter": {"MinSegmentConfidence": percent},
                },
            }
