"""A running attempt: its limits, its lease, and the reasons that stop it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.jobs.samples import make_run

from cinemill.catalog import CATALOG
from cinemill.errors import (
    CommandFailed,
    CommandStalled,
    InputRejected,
    JobCancelled,
    LeaseLost,
    WorkerStopping,
    WorkFailed,
)
from cinemill.jobs.catalog import GIB, RetryPolicy, StepKind
from cinemill.jobs.runs.attempt import Attempt, Limits, choose_limits, find_exceeded_limit

LIMITS = Limits(
    lease_seconds=60,
    heartbeat_seconds=15,
    stall_seconds=120,
    soft_seconds=3300,
    memory_bytes=GIB,
)
START = 1000.0


def make_watch(**changes: Any) -> Attempt:
    watch = Attempt(make_run(), LIMITS, deadline=START + 1e6, started=START, moved_at=START)
    return replace(watch, **changes)


def test_attempt_with_progress_in_time_exceeds_no_limit() -> None:
    assert find_exceeded_limit(make_watch(), START + 60, memory_bytes=GIB) is None


def test_attempt_without_progress_is_stalled() -> None:
    breach = find_exceeded_limit(make_watch(), START + 121, memory_bytes=0)
    assert isinstance(breach, CommandStalled)
    assert breach.code == "command_stalled"
    assert "120 seconds" in breach.message


def test_slow_attempt_with_progress_is_not_stalled() -> None:
    watch = make_watch(moved_at=START + 3000)
    assert find_exceeded_limit(watch, START + 3100, memory_bytes=0) is None


def test_attempt_over_the_limit_of_its_call_is_not_tried_again() -> None:
    run = replace(make_run(), time_limit_seconds=60)
    watch = make_watch(run=run, moved_at=START + 60)
    assert find_exceeded_limit(watch, START + 60, memory_bytes=0) is None
    breach = find_exceeded_limit(watch, START + 61, memory_bytes=0)
    assert isinstance(breach, InputRejected)
    assert breach.code == "time_limit"
    assert "60 seconds" in breach.message


def test_attempt_over_its_time_limit_is_stopped() -> None:
    breach = find_exceeded_limit(make_watch(moved_at=START + 3300), START + 3301, memory_bytes=0)
    assert isinstance(breach, CommandFailed)
    assert breach.code == "time_limit"


def test_attempt_over_its_memory_limit_is_stopped_with_the_figures() -> None:
    breach = find_exceeded_limit(make_watch(), START + 1, memory_bytes=3 * GIB)
    assert isinstance(breach, WorkFailed)
    assert breach.code == "memory_limit"
    assert "3072 MiB" in breach.message
    assert "1024 MiB" in breach.message


def test_expired_lease_precedes_every_other_stop_reason() -> None:
    watch = make_watch(deadline=START + 60)
    assert isinstance(find_exceeded_limit(watch, START + 9999, memory_bytes=9 * GIB), LeaseLost)


def test_first_stop_reason_is_kept() -> None:
    watch = make_watch(deadline=time.monotonic() + 60)
    watch.request_stop(JobCancelled("Cancelled: by Ann"))
    watch.request_stop(WorkerStopping("The worker was asked to stop."))
    assert isinstance(watch.should_stop(), JobCancelled)


def test_handler_sees_expired_lease_without_the_heartbeat_thread() -> None:
    watch = make_watch(deadline=time.monotonic() - 1)
    assert isinstance(watch.should_stop(), LeaseLost)


def test_heartbeat_extends_the_lease_from_before_its_request() -> None:
    watch = make_watch(deadline=START)
    watch.renew(asked_at=START + 15)
    assert watch.deadline == START + 75


def test_first_heartbeat_is_due_as_the_lease_is_counted() -> None:
    """From before the claim was asked for: its answer may have taken most of the lease."""
    asked_at = START - 50
    watch = make_watch(deadline=asked_at + LIMITS.lease_seconds)
    assert watch.renewal_due == asked_at + LIMITS.heartbeat_seconds
    watch.renew(asked_at=START + 2)
    assert watch.renewal_due == START + 2 + LIMITS.heartbeat_seconds


@pytest.mark.parametrize("change", [(10.0, "Working"), (0.0, "Importing the video")])
def test_changed_fraction_or_message_counts_as_progress(change: tuple[float, str]) -> None:
    before = time.monotonic()
    watch = make_watch(moved_at=before - 1)
    watch.move(*change)
    assert watch.moved_at >= before


def test_repeated_report_is_not_progress() -> None:
    watch = make_watch()
    watch.move(0.0, "Working")
    assert watch.moved_at == START


def test_step_kind_limits_override_the_settings() -> None:
    kind = StepKind("encode", "proxy", stall_seconds=7)
    limits = choose_limits(kind, CATALOG.queues["proxy"], RetryPolicy(stall_seconds=120))
    assert limits.stall_seconds == 7
    assert limits.memory_bytes == 2 * GIB


def test_step_kind_without_limits_uses_queue_and_settings() -> None:
    queue = CATALOG.queues["proxy"]
    limits = choose_limits(StepKind("encode", "proxy"), queue, RetryPolicy(lease_seconds=33))
    assert (limits.stall_seconds, limits.lease_seconds) == (120, 33)
    assert limits.soft_seconds == queue.soft_seconds


def test_settings_override_the_time_limit_of_a_queue() -> None:
    limits = choose_limits(
        StepKind("encode", "proxy"),
        CATALOG.queues["proxy"],
        RetryPolicy(queue_seconds={"proxy": (5, 6)}),
    )
    assert limits.soft_seconds == 5
