"""What analyses by services cost: reserved before they start, settled once they have ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from cinemill.errors import NotFound

# No two transactions read totals and enter a charge at once; readers are not held up.
_LOCK = text("LOCK TABLE provider_cost IN SHARE ROW EXCLUSIVE MODE")
_TOTALS = text(
    """
    SELECT coalesce(sum(micros) FILTER (WHERE asset_id = :asset_id), 0) AS video_micros,
           coalesce(sum(micros) FILTER (WHERE day = :day AND provider = :provider), 0)
               AS day_micros,
           coalesce(sum(requests) FILTER (WHERE day = :day AND provider = :provider), 0)
               AS day_requests
    FROM provider_cost WHERE asset_id = :asset_id OR (day = :day AND provider = :provider)
    """
)
_ENTER = text(
    """
    INSERT INTO provider_cost (key, owner, asset_id, provider, day, micros, requests)
    SELECT :key, owner, id, :provider, :day, :micros, :requests FROM asset WHERE id = :asset_id
    """
)


@dataclass(frozen=True, slots=True)
class CostEntry:
    """One charge in the books. Money is in whole millionths of a US dollar."""

    key: str
    provider: str
    asset_id: str
    day: date
    """In UTC."""
    micros: int
    requests: int


@dataclass(frozen=True, slots=True)
class CostSums:
    """What is reserved or spent: for a video by all services, and on a day by one of them."""

    video_micros: int
    day_micros: int
    day_requests: int


def lock_costs(connection: Connection) -> None:
    """Lock the books until the transaction ends: what is summed and entered then belongs together.

    Raises LockTimeout.
    """
    connection.execute(_LOCK)


def is_entered(connection: Connection, key: str) -> bool:
    """Check whether a charge is in the books."""
    query = text("SELECT 1 FROM provider_cost WHERE key = :key")
    return connection.execute(query, {"key": key}).first() is not None


def sum_costs(connection: Connection, entry: CostEntry) -> CostSums:
    """Return the sums that a charge would be added to."""
    values = {"asset_id": entry.asset_id, "day": entry.day, "provider": entry.provider}
    row = connection.execute(_TOTALS, values).one()
    return CostSums(int(row.video_micros), int(row.day_micros), int(row.day_requests))


def enter_cost(connection: Connection, entry: CostEntry) -> None:
    """Enter a charge for the owner of its video. Raises NotFound (``asset_not_found``)."""
    values = {
        "key": entry.key,
        "asset_id": entry.asset_id,
        "provider": entry.provider,
        "day": entry.day,
        "micros": entry.micros,
        "requests": entry.requests,
    }
    if not connection.execute(_ENTER, values).rowcount:
        raise NotFound(f"There is no asset {entry.asset_id}.", code="asset_not_found")


def settle_cost(connection: Connection, key: str, *, micros: int, requests: int) -> None:
    """Replace the estimate of a charge by what it came to; nothing if it is not in the books."""
    connection.execute(
        text(
            "UPDATE provider_cost SET micros = :micros, requests = :requests, is_settled = true "
            "WHERE key = :key"
        ),
        {"key": key, "micros": micros, "requests": requests},
    )


def release_cost(connection: Connection, key: str) -> None:
    """Take a charge out that is not settled: the service was not asked."""
    connection.execute(
        text("DELETE FROM provider_cost WHERE key = :key AND NOT is_settled"), {"key": key}
    )
