"""The client of Rekognition (extra ``rekognition``), and what its errors mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cinemill.core.documents import JsonObject, quote
from cinemill.errors import CinemillError, ToolMissing
from cinemill.inference.providers.backoff import choose_delay_seconds
from cinemill.inference.providers.failures import (
    ProviderDenied,
    ProviderJobFailed,
    ProviderRejected,
    ProviderReplyInvalid,
    ProviderThrottled,
    ProviderUnavailable,
)
from cinemill.inference.providers.text import clean_text

CONNECT_SECONDS = 5
READ_SECONDS = 30
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0
THROTTLES = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
DENIALS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SubscriptionRequiredException",
        "UnrecognizedClientException",
    }
)
REJECTIONS = {
    "IdempotentParameterMismatchException": "provider_token_reused",
    "InvalidS3ObjectException": "s3_object_unreadable",
    "VideoTooLargeException": "video_too_large",
}


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Where Rekognition is, and as whom it is asked; empty fields are found as AWS' tools do."""

    region: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


class RekognitionClient:
    """Rekognition's operations: one request a call, no retries, so that no worker waits."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def call(
        self, method: str, request: JsonObject, *, attempts: int = 0, key: str = ""
    ) -> JsonObject:
        """Return the reply to one request, as botocore parses it; its members may be missing.

        ``attempts`` and ``key`` choose the pause after a throttled request. Raises
        ProviderThrottled, ProviderUnavailable, ProviderDenied, ProviderRejected,
        ProviderJobFailed (``provider_job_lost``), ProviderReplyInvalid.
        """
        from botocore import exceptions, parsers  # type: ignore[import-untyped]

        try:
            reply: JsonObject = getattr(self._client, method)(**request)
        except exceptions.ClientError as error:
            raise _translate(error, attempts, key) from error
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise ProviderDenied(f"AWS credentials are missing: {error}") from error
        except exceptions.ParamValidationError as error:
            raise ProviderRejected(f"Rekognition takes no such request: {error}") from error
        except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError) as error:
            raise ProviderUnavailable(
                "Rekognition did not reply in time.", code="provider_timeout"
            ) from error
        except exceptions.BotoCoreError as error:
            raise ProviderUnavailable(
                f"Rekognition cannot be reached: {type(error).__name__}."
            ) from error
        # A reply of another shape fails inside botocore's parser, in whichever way.
        except (parsers.ResponseParserError, AttributeError, TypeError, ValueError) as error:
            raise ProviderReplyInvalid(
                "Rekognition's reply does not have the documented shape."
            ) from error
        return reply


def open_client(access: AwsAccess) -> RekognitionClient:
    """Return a client of Rekognition. It connects at the first request.

    Raises ToolMissing (``extra_missing``), ProviderDenied (``provider_region_missing``).
    """
    return RekognitionClient(
        open_service(
            "rekognition",
            access,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
    )


def open_service(service: str, access: AwsAccess, **config: Any) -> Any:
    """Return boto3's client of a service; ``config`` are arguments of botocore's ``Config``.

    Raises ToolMissing (``extra_missing``), ProviderDenied (``provider_region_missing``).
    """
    try:
        import boto3  # type: ignore[import-untyped]
        from botocore import exceptions
        from botocore.config import Config  # type: ignore[import-untyped]
    except ModuleNotFoundError as missing:
        raise ToolMissing(
            "Amazon Rekognition needs boto3, which is not installed.",
            code="extra_missing",
            hint="Install it with: pip install 'cinemill[rekognition]'.",
        ) from missing
    session = boto3.session.Session(
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        aws_session_token=access.session_token,
        region_name=access.region,
    )
    try:
        return session.client(service, endpoint_url=access.endpoint_url, config=Config(**config))
    except (exceptions.BotoCoreError, ValueError) as error:
        raise ProviderDenied(
            f"Rekognition cannot be reached as configured: {error}",
            code="provider_region_missing",
            hint="Set AWS_REGION, and an endpoint only where it is not Amazon's own.",
        ) from error


def _translate(error: Any, attempts: int, key: str) -> CinemillError:
    """Return what an error reply of the service means for us."""
    stated = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code, reason = str(stated.get("Code", "")), clean_text(str(stated.get("Message", "")))
    sentence = f"Rekognition answers {quote(code)}: {reason or 'without a reason'}"
    if code in THROTTLES or status == 429:
        pause = choose_delay_seconds(
            attempts, key, first_seconds=FIRST_PAUSE_SECONDS, longest_seconds=LONGEST_PAUSE_SECONDS
        )
        return ProviderThrottled(sentence, delay_seconds=pause)
    if status >= 500:
        return ProviderUnavailable(sentence)
    if code in DENIALS or status in (401, 403):
        return ProviderDenied(sentence)
    if code == "ResourceNotFoundException":
        return ProviderJobFailed(
            sentence,
            code="provider_job_lost",
            hint="Rekognition keeps results for some days only; retry the job to start it again.",
        )
    if code == "InvalidPaginationTokenException":
        return ProviderReplyInvalid(sentence, code="provider_reply_changed")
    if not code or code.isdecimal():  # its body was no JSON, so nothing is known of the reason
        return ProviderReplyInvalid(f"Rekognition answers {status} with a body that is no JSON.")
    return ProviderRejected(sentence, code=REJECTIONS.get(code))
