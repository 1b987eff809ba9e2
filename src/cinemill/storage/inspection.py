"""What the servers say of themselves: for ``cinemill doctor``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text

from cinemill.errors import RedisUnavailable
from cinemill.storage.clock import ClockJump, read_last_jump
from cinemill.storage.database import Database, check_route, check_version
from cinemill.storage.redis_servers import REFUSALS, measure_fullness, open_redis
from cinemill.storage.redis_trial import find_refusal

CONNECT_SECONDS = 5.0
TRIAL_KEYS = ("cinemill:doctor", "task_events:doctor")
SKEW_SECONDS = 2.0
"""Clocks that differ by less are synchronized."""
RECENT_JUMP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    version: str
    revision: str | None
    """Of the schema; None where it is still empty."""
    extensions: frozenset[str]
    """Names of those that are installed or can be."""
    clock_skew_seconds: float
    """How far this machine's clock is ahead of the database's."""
    round_trip_seconds: float
    clock_jump: ClockJump | None = None
    """The last time that the database's clock was set, as far as relays noticed."""
    pooler: str = ""
    """What is between here and PostgreSQL; empty: nothing."""

    def describe_clock(self) -> tuple[str, bool]:
        """Return what is to be said about the database's clock, and whether all is well with it."""
        message = f"{self.clock_skew_seconds:+.2f} s off from the database's clock"
        is_well = abs(self.clock_skew_seconds) < SKEW_SECONDS
        if (jump := self.clock_jump) is not None:
            message += f", which was set by {jump.seconds:+,.0f} s on {jump.at:%Y-%m-%d %H:%M} UTC"
            is_well = is_well and datetime.now(UTC) - jump.at > RECENT_JUMP
        return message, is_well


@dataclass(frozen=True, slots=True)
class RedisFacts:
    version: str
    keeps_every_write: bool | None
    """An append-only file; None where the server does not report it."""
    eviction_policy: str | None
    round_trip_seconds: float
    product: str = "Redis"
    """What the server is: Redis or Valkey, which speak the same protocol."""
    refusal: str | None = None
    """Why it takes no write; None where it does."""
    fullness: float | None = None
    """The share of its memory that is used, 0 to 1; None where it has no limit."""


def inspect_database(url: str, *, direct_url: str | None = None) -> DatabaseFacts:
    """Inspect PostgreSQL, through the pooler that ``url`` leads to where there is a direct URL.

    Raises DatabaseUnavailable; DatabasePooled where a pooler is in between that Cinemill cannot
    work through as it is set up; DatabaseNewer where a newer Cinemill wrote the data.
    """
    name = "cinemill doctor"
    database = Database(url, direct_url=direct_url, pool_size=1, application_name=name)
    try:
        check_route(database)
        revision = check_version(database.direct_url)
        with database.begin() as connection:
            connection.execute(text("SELECT 1"))
            asked = time.time()
            row = connection.execute(
                text(
                    "SELECT extract(epoch FROM clock_timestamp())::float8 AS now,"
                    " current_setting('server_version') AS version"
                )
            ).one()
            answered = time.time()
            has_clock = connection.execute(text("SELECT to_regclass('engine_clock')")).scalar()
            jump = read_last_jump(connection) if has_clock else None
            names = connection.execute(text("SELECT name FROM pg_available_extensions")).scalars()
            return DatabaseFacts(
                version=str(row.version),
                revision=revision,
                extensions=frozenset(names),
                # The server looked at its clock about half-way between question and answer.
                clock_skew_seconds=(asked + answered) / 2 - float(row.now),
                round_trip_seconds=answered - asked,
                clock_jump=jump,
                pooler="a pooler in transaction mode" if direct_url else "",
            )
    finally:
        database.close()


def inspect_redis(url: str) -> RedisFacts:
    """Inspect Redis. Raises RedisUnavailable where it lets nobody in or does not answer."""
    try:
        with open_redis(
            url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
        ) as client:
            _measure_round_trip(client)  # which connects
            round_trip_seconds = _measure_round_trip(client)
            refusal = find_refusal(client, TRIAL_KEYS)
            server, persistence, memory = (
                _ask_info(client, section) for section in ("server", "persistence", "memory")
            )
    except (RedisError, ValueError) as error:
        raise RedisUnavailable(f"Redis does not respond ({error}).") from error
    enabled = persistence.get("aof_enabled")
    return RedisFacts(
        version=str(server.get("valkey_version") or server.get("redis_version") or "unknown"),
        keeps_every_write=None if enabled is None else bool(enabled),
        eviction_policy=memory.get("maxmemory_policy"),
        round_trip_seconds=round_trip_seconds,
        product="Valkey" if "valkey_version" in server else "Redis",
        refusal=refusal,
        fullness=measure_fullness(memory),
    )


def _measure_round_trip(client: Redis) -> float:
    asked = time.monotonic()
    with suppress(*REFUSALS):  # an answer as well
        client.time()  # not PING, which a server refuses that cannot save
    return time.monotonic() - asked


def _ask_info(client: Redis, section: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = client.info(section)
    except REFUSALS:
        return {}  # an access list may forbid to ask
    return found
