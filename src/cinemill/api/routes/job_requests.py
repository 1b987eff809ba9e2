"""Bodies of requests about jobs, which the fake client of ``cinemill.testing`` reads as well."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from cinemill.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY

STORABLE = r"^[^\x00]*$"
"""Texts without the character that PostgreSQL cannot store."""
MAX_KEY_LENGTH = 255
"""Characters of an idempotency key."""

Name = Annotated[str, Field(max_length=255, pattern=STORABLE)]


class CancelRequest(BaseModel):
    reason: Annotated[str, Field(max_length=500, pattern=STORABLE)] = ""


class NewJob(BaseModel):
    """A job whose parameters name its videos, such as a render."""

    kind: Name
    params: dict[str, Any] = Field(default_factory=dict)
    priority: Annotated[int | None, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)] = None


class RetryRequest(BaseModel):
    """Which failed jobs to retry; without filters, all of them."""

    kind: Name | None = None
    code: Name | None = None
