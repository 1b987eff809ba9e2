"""The bucket from which Rekognition reads videos: they are uploaded for it, and deleted after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cinemill.core.documents import quote
from cinemill.errors import CinemillError
from cinemill.inference.providers.failures import (
    ProviderDenied,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from cinemill.inference.providers.rekognition.client import (
    CONNECT_SECONDS,
    DENIALS,
    LONGEST_PAUSE_SECONDS,
    READ_SECONDS,
    AwsAccess,
    open_service,
)
from cinemill.inference.providers.text import clean_text

THROTTLES = frozenset({"RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException"})
ATTEMPTS = 3
"""Of each request: parts of a large upload are sent again by themselves."""
VIDEO_TYPE = "video/mp4"


class VideoBucket:
    """One bucket in S3. Raises ProviderDenied, ProviderUnavailable, ProviderRejected."""

    def __init__(self, client: Any, name: str) -> None:
        """Wrap a client of boto3; see :func:`open_bucket`."""
        self._client = client
        self.name = name

    def find_size(self, key: str) -> int | None:
        """Return the size of an object in bytes; None where there is none of this name."""
        from botocore.exceptions import ClientError  # type: ignore[import-untyped]

        with _translated(self.name):
            try:
                reply = self._client.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if _read_status(error) == 404:
                    return None
                raise
        return int(reply["ContentLength"])

    def upload(self, path: Path, key: str, *, on_sent: Callable[[int], None]) -> None:
        """Upload a file under a name, in parts where it is large.

        ``on_sent`` is called with the bytes that were sent since the last call. What it raises ends
        the upload, and nothing is left of it.
        """
        from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]

        with _translated(self.name):
            self._client.upload_file(
                str(path),
                self.name,
                key,
                ExtraArgs={"ContentType": VIDEO_TYPE},
                Callback=on_sent,
                # In this thread: whoever stops the step stops the upload.
                Config=TransferConfig(use_threads=False),
            )

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        with _translated(self.name):
            self._client.delete_object(Bucket=self.name, Key=key)


def open_bucket(access: AwsAccess, name: str) -> VideoBucket:
    """Return a bucket. It connects at the first request.

    Raises ToolMissing (``extra_missing``), ProviderDenied (``provider_region_missing``).
    """
    client = open_service(
        "s3",
        access,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    return VideoBucket(client, name)


@contextmanager
def _translated(bucket: str) -> Iterator[None]:
    """Raise errors of ours in place of boto3's."""
    from boto3.exceptions import S3UploadFailedError  # type: ignore[import-untyped]
    from botocore import exceptions  # type: ignore[import-untyped]

    try:
        yield
    except S3UploadFailedError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, exceptions.ClientError):
            raise _describe(cause, bucket) from error
        raise ProviderUnavailable(f"The upload to {quote(bucket)} failed.") from error
    except exceptions.ClientError as error:
        raise _describe(error, bucket) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise ProviderDenied(f"AWS credentials are missing: {error}") from error
    except exceptions.ParamValidationError as error:
        raise ProviderRejected(f"S3 takes no such request: {error}") from error
    except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError) as error:
        raise ProviderUnavailable("S3 did not reply in time.", code="provider_timeout") from error
    except exceptions.BotoCoreError as error:
        raise ProviderUnavailable(f"S3 cannot be reached: {type(error).__name__}.") from error


def _describe(error: Any, bucket: str) -> CinemillError:
    stated = error.response.get("Error", {})
    code, reason = str(stated.get("Code", "")), clean_text(str(stated.get("Message", "")))
    status = _read_status(error)
    sentence = f"S3 answers {quote(code)} for {quote(bucket)}: {reason or 'without a reason'}"
    if code in THROTTLES or status == 429:
        return ProviderThrottled(sentence, delay_seconds=LONGEST_PAUSE_SECONDS / 10)
    if code in DENIALS or status in (401, 403):
        return ProviderDenied(sentence)
    if code == "NoSuchBucket" or status in (301, 404):
        return ProviderDenied(
            sentence,
            code="provider_bucket_missing",
            hint="Create the bucket in the region of Rekognition, or correct REKOGNITION_BUCKET.",
        )
    return ProviderUnavailable(sentence) if status >= 500 else ProviderRejected(sentence)


def _read_status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
