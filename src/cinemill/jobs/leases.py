"""When a lease has run out: by elapsed time, as the process that closes crashed runs sees it. Pure.

A timestamp alone does not show it. The database's clock may be set, which lets every lease run out
at once or none for hours; and after PostgreSQL was away, all leases are over before their owners
had a chance to renew them. So each lease is watched over the observer's own monotonic clock: one
that changes is renewed, whatever the figures say, and one counts as expired only after it stood
still. Only of leases that nobody watched, before the observer began or while it stood still, does
the timestamp count as a hint that less patience is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cinemill.storage.jobs.dispatch import Lease

LOOK_SHARE = 1 / 6
"""Of a lease: how often leases are to be looked at, at least."""
GAP_SHARE = 1 / 3
"""Of a lease. Looks further apart than this mean that the database, or the observer itself, stood
still for long enough to have kept owners from renewing in time."""
RECONNECT_SECONDS = 5.0
"""Within which an owner whose renewal failed has tried again."""


@dataclass(frozen=True, slots=True)
class LeaseTimeouts:
    """How long a lease must have stood still, in seconds of the observer's clock."""

    lease_seconds: float
    """Then it is expired, whatever the database's clock says."""
    grace_seconds: float
    """Then it is expired if it was over when the observer began: its owner had time to renew."""
    gap_seconds: float
    """Observations further apart than this start over."""


IMPATIENT = LeaseTimeouts(lease_seconds=float("inf"), grace_seconds=0.0, gap_seconds=0.0)
"""Relies on the database's clock alone."""


def lease_timeouts(lease_seconds: float, heartbeat_seconds: float) -> LeaseTimeouts:
    """Return timeouts that close a dead worker's run when its lease ends, and no live one's."""
    return LeaseTimeouts(
        lease_seconds=lease_seconds,
        grace_seconds=min(heartbeat_seconds + RECONNECT_SECONDS, lease_seconds - heartbeat_seconds),
        gap_seconds=lease_seconds * GAP_SHARE,
    )


@dataclass(frozen=True, slots=True)
class _Stillness:
    """A lease that has not changed, in the observer's time."""

    token: str
    until: datetime
    since: float
    """The first look at it, or the end of the last gap."""
    watched_seconds: float = 0.0
    """Since the first look; of each gap only its bound, as nobody could renew in it. An observer
    that is late again and again comes to an end all the same."""
    was_over: bool = False
    """Whether the database's clock said that it is over when nobody had watched it. A lease that is
    watched from its renewal on is over only if that clock was set."""


@dataclass(slots=True)
class LeaseObserver:
    """Remembers since when each lease has stood still. For one thread."""

    patience: LeaseTimeouts = IMPATIENT
    _looked_at: float | None = None
    _seen: dict[str, _Stillness] = field(default_factory=dict)
    """By run."""

    def observe(self, leases: Sequence[Lease], now: float) -> list[Lease]:
        """Record all leases as they are at monotonic ``now`` and return the expired ones.

        These start over: what kept their runs from being closed may have kept their owners from
        renewing too.
        """
        passed_seconds = float("inf") if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        self._seen = {lease.run_id: self._note(lease, now, passed_seconds) for lease in leases}
        expired = [lease for lease in leases if self._is_expired(lease, now)]
        for lease in expired:
            again = replace(self._seen[lease.run_id], since=now, watched_seconds=0.0)
            self._seen[lease.run_id] = again
        return expired

    def _note(self, lease: Lease, now: float, passed_seconds: float) -> _Stillness:
        gap_seconds = self.patience.gap_seconds
        is_gap = passed_seconds > gap_seconds
        seen = self._seen.get(lease.run_id)
        if seen is None or (seen.token, seen.until) != (lease.token, lease.until):
            return _Stillness(lease.token, lease.until, now, was_over=is_gap and lease.is_over)
        return replace(
            seen,
            since=now if is_gap else seen.since,
            watched_seconds=seen.watched_seconds + min(passed_seconds, gap_seconds),
            was_over=lease.is_over if is_gap else seen.was_over,
        )

    def _is_expired(self, lease: Lease, now: float) -> bool:
        seen = self._seen[lease.run_id]
        if seen.watched_seconds >= self.patience.lease_seconds:
            return True
        return seen.was_over and now - seen.since >= self.patience.grace_seconds
