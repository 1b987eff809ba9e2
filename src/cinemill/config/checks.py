"""Checks between settings: contradictions.

A contradiction is found by a validator of the last of the fields concerned: pydantic passes it the
valid ones before it, so that an invalid setting causes no second problem.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from cinemill.config.fields import Count, DatabaseUrl, Seconds, Share
from cinemill.config.parsers import is_loopback

CONFLICT = "conflict"
CHECKED_DEFAULT: Any = Field(validate_default=True)
"""Marks a default that another setting may contradict."""


def _conflict(name: str, sentence: str) -> PydanticCustomError:
    # Braces in the template of an error are replaced, so that the sentence is passed by itself.
    return PydanticCustomError(CONFLICT, "{sentence}", {"name": name, "sentence": sentence})


def check_auth(auth: str, info: ValidationInfo) -> str:
    """Reject 'off' on a host that other machines can reach."""
    host = info.data.get("host", "localhost")
    if auth == "off" and not is_loopback(host):
        raise _conflict(
            "CINEMILL_AUTH",
            f"'off' is allowed on a loopback host only, but CINEMILL_HOST is {host}: anyone could"
            " upload, read and delete videos; use 'token', or 127.0.0.1",
        )
    return auth


def check_direct_url(url: str | None, info: ValidationInfo) -> str | None:
    """Reject the address of a server next to which no other address of it is set."""
    if url is not None and info.data.get("database_url", url) is None:
        raise _conflict(
            "DATABASE_DIRECT_URL",
            "needs DATABASE_URL, the pooler's address; without a pooler set DATABASE_URL alone",
        )
    return url


def check_soft_limit(soft: int, info: ValidationInfo) -> int:
    """Reject a soft limit that is not below the hard limit."""
    hard = info.data.get("celery_task_time_limit", math.inf)
    if soft >= hard:
        raise _conflict(
            "CELERY_TASK_SOFT_TIME_LIMIT",
            f"must be below CELERY_TASK_TIME_LIMIT ({hard} s), and is {soft} s",
        )
    return soft


def check_pool(pool: str, info: ValidationInfo) -> str:
    """Reject scaling of a pool that has one process."""
    if info.data.get("celery_worker_autoscale") is not None and pool != "prefork":
        raise _conflict(
            "CELERY_WORKER_AUTOSCALE",
            f"needs CELERY_WORKER_POOL 'prefork': '{pool}' has one process",
        )
    return pool


def check_heartbeat(heartbeat: float, info: ValidationInfo) -> float:
    """Reject a heartbeat with which two lost messages would cost the lease."""
    longest = info.data.get("lease_seconds", math.inf) / 3
    if heartbeat > longest * (1 + 1e-9):
        raise _conflict(
            "CINEMILL_HEARTBEAT_SECONDS",
            f"must be at most a third of CINEMILL_LEASE_SECONDS ({longest:g} s), so that two lost"
            f" heartbeats cost no lease, and is {heartbeat:g} s",
        )
    return heartbeat


def check_weights(clip: float, info: ValidationInfo) -> float:
    """Reject weights of the detection models that do not sum to 1."""
    total = clip + info.data.get("ensemble_weight_resnet50", 1 - clip)
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise _conflict(
            "ENSEMBLE_WEIGHT_RESNET50",
            f"and ENSEMBLE_WEIGHT_CLIP must sum to 1, and sum to {total:g}",
        )
    return clip


def check_topic_role(role: str | None, info: ValidationInfo) -> str | None:
    """Reject a topic without a role, and a role without a topic."""
    topic = info.data.get("rekognition_topic", role)
    if (role is None) != (topic is None):
        raise _conflict("REKOGNITION_TOPIC", "and REKOGNITION_ROLE must be set both or neither")
    return role


def check_language_model(name: str, info: ValidationInfo) -> str:
    """Reject a language model without a server, or without the key that its server requires."""
    if info.data.get("language_model_api", "anthropic") == "openai":
        if info.data.get("language_model_url", "") is None:
            raise _conflict(
                "CINEMILL_LANGUAGE_MODEL",
                "needs CINEMILL_LANGUAGE_MODEL_URL, such as http://127.0.0.1:8000/v1",
            )
    elif info.data.get("language_model_key", "") is None:
        raise _conflict(
            "CINEMILL_LANGUAGE_MODEL",
            "needs CINEMILL_LANGUAGE_MODEL_KEY with CINEMILL_LANGUAGE_MODEL_API 'anthropic'",
        )
    return name


def check_language_model_use(is_used: bool, info: ValidationInfo) -> bool:
    """Reject the use of a language model where none is set."""
    if is_used and info.data.get("language_model", "") is None:
        raise _conflict("CINEMILL_LANGUAGE_MODEL_ENTITIES", "needs CINEMILL_LANGUAGE_MODEL")
    return is_used


TopicRole = Annotated[str | None, AfterValidator(check_topic_role), CHECKED_DEFAULT]
DirectUrl = Annotated[DatabaseUrl | None, AfterValidator(check_direct_url)]
Auth = Annotated[Literal["token", "off"], AfterValidator(check_auth)]
Pool = Annotated[Literal["prefork", "solo"], AfterValidator(check_pool)]
SoftLimit = Annotated[Count, AfterValidator(check_soft_limit)]
Heartbeat = Annotated[Seconds, AfterValidator(check_heartbeat), CHECKED_DEFAULT]
ClipWeight = Annotated[Share, AfterValidator(check_weights), CHECKED_DEFAULT]
LanguageModelName = Annotated[str, Field(min_length=1), AfterValidator(check_language_model)]
LanguageModelUse = Annotated[bool, AfterValidator(check_language_model_use)]
