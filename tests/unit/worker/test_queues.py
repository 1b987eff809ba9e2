"""Queues and priorities for the broker."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.scheduling import cycle_by_name

from cinemill.catalog import CATALOG
from cinemill.storage.database import CONNECT_TIMEOUT_SECONDS
from cinemill.storage.sessions import ANSWER_SECONDS
from cinemill.worker.messages.queues import (
    REDIS_STEPS,
    PriorityFirstCycle,
    broker_options,
    declare_queues,
    requested_priority,
    to_broker_priority,
)
from cinemill.worker.task_registry import ADOPTION_PAUSE_SECONDS

priorities = st.integers(0, 10)
REDIS = "redis://localhost:6379/0"
SENTINEL = "sentinel://localhost:26379"
AMQP = "amqp://localhost"


@pytest.mark.parametrize("url", [REDIS, SENTINEL])
@given(one=priorities, other=priorities)
def test_redis_priority_is_the_inverse_of_ours(url: str, one: int, other: int) -> None:
    higher, lower = max(one, other), min(one, other)
    assert to_broker_priority(higher, url) <= to_broker_priority(lower, url)


@given(priorities)
def test_every_priority_has_a_list_in_redis(priority: int) -> None:
    assert to_broker_priority(priority, REDIS) in broker_options()["priority_steps"]


def test_highest_priority_is_first_on_redis() -> None:
    assert to_broker_priority(10, REDIS) == 0
    assert to_broker_priority(9, REDIS) == 1
    assert to_broker_priority(0, REDIS) == REDIS_STEPS - 1


@given(priorities)
def test_rabbitmq_priority_equals_ours(priority: int) -> None:
    assert to_broker_priority(priority, AMQP) == priority


@given(st.integers(1, 10))
def test_requested_priority_is_used_as_written(priority: int) -> None:
    assert requested_priority(priority) == priority


@pytest.mark.parametrize("nothing", [None, 0])
def test_missing_priority_is_not_a_request(nothing: int | None) -> None:
    assert requested_priority(nothing) is None


def test_all_queues_are_declared_by_priority() -> None:
    declared = [queue.name for queue in declare_queues(CATALOG.queues)]
    assert set(declared) == set(CATALOG.queues)
    levels = [CATALOG.queues[name].priority for name in declared]
    assert levels == sorted(levels, reverse=True)
    assert declared[0] == "runtime"


def test_broker_options_limit_half_open_connections() -> None:
    options = broker_options()
    assert options["socket_timeout"] == 10
    assert options["health_check_interval"] == 10


def test_visibility_timeout_is_short() -> None:
    assert broker_options()["visibility_timeout"] <= 120


def test_visibility_timeout_exceeds_the_wait_for_a_frozen_database() -> None:
    waits_seconds = CONNECT_TIMEOUT_SECONDS + ANSWER_SECONDS + ADOPTION_PAUSE_SECONDS
    assert broker_options()["visibility_timeout"] >= waits_seconds + 30


@given(st.permutations(list(CATALOG.queues)))
def test_priority_cycle_starts_with_the_highest_priority_queue(names: list[str]) -> None:
    order = PriorityFirstCycle(set(names)).consume(len(names))
    urgency = [CATALOG.queues[name].priority for name in order]
    assert urgency == sorted(urgency, reverse=True)
    assert set(order) == set(names)


def test_broker_options_name_the_priority_cycle() -> None:
    assert isinstance(cycle_by_name(broker_options()["queue_order_strategy"])(), PriorityFirstCycle)


def test_queues_of_equal_priority_are_declared_by_shortest_limits() -> None:
    declared = [CATALOG.queues[one.name] for one in declare_queues(CATALOG.queues)]
    for first, second in pairwise(declared):
        if first.priority == second.priority:
            assert first.soft_seconds <= second.soft_seconds
