"""Totals of all attempts and analyses that ever ended.

The rows of the last minutes are counted when someone asks; older ones have been added to
``metric_total`` by :func:`count_ended`, which a periodic job calls. Deleting rows changes no total:
see migration 0011.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from cinemill.storage.database import Database

BOUNDS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)
"""Upper bounds of the histograms' buckets. The database's function ``metric_bucket`` has the same;
stored counts depend on them."""
SETTLED = "interval '5 minutes'"
"""After which no transaction can still add a row with an earlier time: statements end after one
minute, and idle transactions after 15 seconds."""
AT_ONCE = "interval '1 hour'"
"""What is counted in one transaction, which deletions wait for."""

_READ = text(
    """
    SELECT metric, labels, bucket, sum(count)::bigint AS count, sum(sum)::float8 AS sum
    FROM (
        SELECT metric, labels, bucket, count, sum FROM metric_total
        UNION ALL
        SELECT metric, labels, metric_bucket(value), count(*), sum(value)
        FROM metric_observation WHERE at > :since GROUP BY 1, 2, 3
    ) AS parts
    GROUP BY 1, 2, 3
    """
)
_ADD = text(
    """
    INSERT INTO metric_total AS total (metric, labels, bucket, count, sum)
    SELECT metric, labels, metric_bucket(value), count(*), sum(value)
    FROM metric_observation WHERE at > :since AND at <= :until
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (metric, labels, bucket)
    DO UPDATE SET count = total.count + excluded.count, sum = total.sum + excluded.sum
    """
)
_LOCK = text(
    f"""
    SELECT counted_until AS since, settled, least(settled, counted_until + {AT_ONCE}) AS until
    FROM metric_watermark CROSS JOIN LATERAL (SELECT clock_timestamp() - {SETTLED}) AS now (settled)
    FOR NO KEY UPDATE OF metric_watermark
    """  # noqa: S608 - made of constants
)


@dataclass(frozen=True, slots=True)
class Total:
    """Observations of one metric with the same labels, within one bucket of values."""

    metric: str
    """``attempt``, ``wait``, ``analysis``, ``frames`` or ``stage``."""
    labels: tuple[str, ...]
    bucket: int
    """Number of bounds in ``BOUNDS`` that the values are not under."""
    count: int
    sum: float


def read_totals(connection: Connection) -> list[Total]:
    """Return all totals as of now.

    The transaction must be a repeatable read: what is counted meanwhile would count twice.
    """
    since = connection.execute(text("SELECT counted_until FROM metric_watermark")).scalar_one()
    rows = connection.execute(_READ, {"since": since}).mappings()
    return [Total(**{**row, "labels": tuple(row["labels"])}) for row in rows]


def count_ended(database: Database) -> None:
    """Add what has ended to the totals, up to five minutes ago. Safe to run twice at a time.

    Raises DatabaseUnavailable, and LockTimeout where deletions hold it up: the next call goes on.
    """
    while _count_some(database):
        pass


def _count_some(database: Database) -> bool:
    """Count an hour at most; whether there is more."""
    with database.begin() as connection:
        window = connection.execute(_LOCK).one()
        since: datetime = window.since
        if window.until <= since:
            return False
        period = {"since": since, "until": window.until}
        connection.execute(_ADD, period)
        connection.execute(text("UPDATE metric_watermark SET counted_until = :until"), period)
        return bool(window.until < window.settled)
