"""When a job may begin, until when it must have begun, and how long its steps may work.

Celery's ``countdown``, ``eta``, ``expires``, ``time_limit`` and ``soft_time_limit``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cinemill.core.documents import quote
from cinemill.errors import InputRejected
from cinemill.storage.jobs.new_jobs import Timing

TIME_LIMITS = ("time_limit", "soft_time_limit")
LONGEST = timedelta(days=10 * 365)
LONGEST_SECONDS = LONGEST.total_seconds()


def read_timing(options: Mapping[str, object], *, now: datetime | None = None) -> Timing:
    """Return the times that a call's options ask for, relative to ``now``. Raises InputRejected.

    ``countdown`` is seconds and goes before ``eta``, a time; ``expires`` is either. Times are
    datetimes or ISO 8601; without a zone they are UTC. Of the two time limits, which are seconds,
    the shorter one counts.
    """
    now = now or datetime.now(UTC)
    countdown, eta, expires = (options.get(name) for name in ("countdown", "eta", "expires"))
    delay_seconds = None if countdown is None else _read_seconds(countdown, "countdown")
    due_at = None if eta is None or countdown is not None else _read_time(eta, "eta", now)
    return Timing(
        delay_seconds=max(0.0, delay_seconds) if delay_seconds is not None else None,
        due_at=due_at,
        expires_at=None if expires is None else _read_deadline(expires, now),
        time_limit_seconds=min(_read_limits(options), default=None),
    )


def _read_limits(options: Mapping[str, object]) -> list[float]:
    limits = []
    for name in TIME_LIMITS:
        if options.get(name) is not None:
            seconds = _read_seconds(options[name], name)
            if seconds <= 0:
                raise InputRejected(
                    f"'{name}' must be more than 0 seconds.",
                    code="arguments_invalid",
                    hint="Leave it out: each kind of step has a limit of its own.",
                )
            limits.append(seconds)
    return limits


def _read_deadline(value: object, now: datetime) -> datetime:
    if isinstance(value, int | float):
        return now + timedelta(seconds=_read_seconds(value, "expires"))
    return _read_time(value, "expires", now)


def _read_seconds(value: object, name: str) -> float:
    # The comparison is false for what is no number, too.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -LONGEST_SECONDS <= value <= LONGEST_SECONDS:  # type: ignore[operator]
        raise InputRejected(
            f"'{name}' must be a number of seconds, at most ten years, not {quote(value)}.",
            code="arguments_invalid",
            hint="Times are eta and expires, such as 2030-01-31T12:00:00+00:00.",
        )
    return float(value)  # type: ignore[arg-type]


def _read_time(value: object, name: str, now: datetime) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        is_near = abs(time - now) <= LONGEST
    except (ValueError, OverflowError):
        is_near = False
    if not is_near:
        raise InputRejected(
            f"'{name}' is no time within ten years: {quote(value)}.",
            code="arguments_invalid",
            hint="Times are ISO 8601, such as 2030-01-31T12:00:00+00:00.",
        )
    return time.astimezone(UTC)
