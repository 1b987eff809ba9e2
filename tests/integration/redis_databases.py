"""Numbered databases of one Redis, so that suites with workers of their own do not meet."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import pytest
import redis


def take_redis_database(url: str, number: int) -> str:
    """The URL of that database, emptied; an external one only where that was allowed."""
    if os.environ.get("REDIS_URL") and os.environ.get("CINEMILL_TEST_EXTERNAL") != "1":
        pytest.skip(f"CINEMILL_TEST_EXTERNAL=1 allows to empty database {number} of that Redis")
    address = urlsplit(url)._replace(path=f"/{number}").geturl()
    with redis.Redis.from_url(address) as client:
        client.flushdb()
    return address
