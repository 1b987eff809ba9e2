"""Celery's countdown, eta and expires as the times of a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cinemill.errors import InputRejected
from cinemill.jobs.adoption.timing import read_timing
from cinemill.storage.jobs.new_jobs import AT_ONCE

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def read(**options: object) -> Any:
    return read_timing(options, now=NOW)


def test_without_options_it_begins_at_once() -> None:
    assert read() == AT_ONCE
    assert read(countdown=None, eta=None, expires=None) == AT_ONCE


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({"time_limit": 60}, 60.0),
        ({"soft_time_limit": 0.5, "time_limit": 60}, 0.5),
        ({"soft_time_limit": 90, "time_limit": 60}, 60.0),
        ({"soft_time_limit": None, "time_limit": None}, None),
    ],
)
def test_shorter_time_limit_counts(options: dict[str, object], seconds: float | None) -> None:
    assert read(**options).time_limit_seconds == seconds


@pytest.mark.parametrize("value", [0, -1, "soon", True, 1e12])
@pytest.mark.parametrize("name", ["time_limit", "soft_time_limit"])
def test_what_is_no_time_limit_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputRejected, match=name):
        read(**{name: value})


@pytest.mark.parametrize(("countdown", "seconds"), [(0, 0.0), (60, 60.0), (0.5, 0.5), (-5, 0.0)])
def test_countdown_is_seconds(countdown: float, seconds: float) -> None:
    assert read(countdown=countdown).delay_seconds == seconds


@pytest.mark.parametrize(
    "eta",
    [
        LATER,
        LATER.replace(tzinfo=None),
        LATER.isoformat(),
        "2030-01-31T13:00:00",
        "2030-01-31T13:00:00Z",
        LATER.astimezone(timezone(timedelta(hours=5))),
    ],
)
def test_eta_is_a_time_and_utc_without_a_zone(eta: object) -> None:
    assert read(eta=eta).due_at == LATER


def test_countdown_goes_before_eta_as_with_celery() -> None:
    timing = read(countdown=5, eta=LATER)
    assert (timing.delay_seconds, timing.due_at) == (5.0, None)


@pytest.mark.parametrize("expires", [3600, 3600.0, LATER, LATER.isoformat()])
def test_expires_is_seconds_or_a_time(expires: object) -> None:
    assert read(expires=expires).expires_at == LATER


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": "60"},
        {"countdown": float("nan")},
        {"countdown": float("inf")},
        {"countdown": 10**12},
        {"countdown": True},
        {"countdown": 10**400},
        {"eta": "tomorrow"},
        {"eta": "9999-12-31T23:59:59-14:00"},
        {"eta": 5},
        {"eta": {}},
        {"expires": "soon"},
        {"expires": float("nan")},
        {"expires": []},
    ],
)
def test_what_is_no_time_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputRejected) as refused:
        read(**options)
    assert refused.value.code == "arguments_invalid"
    assert next(iter(options)) in refused.value.message
