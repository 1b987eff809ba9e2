"""Queues and priorities in the broker's words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.scheduling import cycle_by_name

from cinemill.catalog import CATALOG
from cinemill.storage.database import ANSWER_SECONDS, CONNECT_TIMEOUT_SECONDS
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
def test_redis_takes_its_lowest_number_first_and_we_our_highest(
    url: str, one: int, other: int
) -> None:
    higher, lower = max(one, other), min(one, other)
    assert to_broker_priority(higher, url) <= to_broker_priority(lower, url)


@given(priorities)
def test_every_priority_has_its_list_in_redis(priority: int) -> None:
    assert to_broker_priority(priority, REDIS) in broker_options()["priority_steps"]


def test_ten_is_first_on_redis() -> None:
    assert to_broker_priority(10, REDIS) == 0
    assert to_broker_priority(9, REDIS) == 1
    assert to_broker_priority(0, REDIS) == REDIS_STEPS - 1


@given(priorities)
def test_rabbitmq_counts_as_we_do(priority: int) -> None:
    assert to_broker_priority(priority, AMQP) == priority


@given(st.integers(1, 10))
def test_a_senders_wish_is_taken_as_written(priority: int) -> None:
    assert requested_priority(priority) == priority


@pytest.mark.parametrize("nothing", [None, 0])
def test_no_number_is_no_wish(nothing: int | None) -> None:
    assert requested_priority(nothing) is None


def test_every_queue_is_declared_and_the_urgent_ones_come_first() -> None:
    declared = [queue.name for queue in declare_queues(CATALOG.queues)]
    assert set(declared) == set(CATALOG.queues)
    levels = [CATALOG.queues[name].priority for name in declared]
    assert levels == sorted(levels, reverse=True)
    assert declared[0] == "runtime"


def test_a_half_open_connection_cannot_hang_a_worker() -> None:
    options = broker_options()
    assert options["socket_timeout"] == 10
    assert options["health_check_interval"] == 10


def test_what_a_dead_worker_held_is_seen_again_soon() -> None:
    assert broker_options()["visibility_timeout"] <= 120


def test_a_worker_that_waits_for_a_frozen_database_keeps_its_message() -> None:
    waits_seconds = CONNECT_TIMEOUT_SECONDS + ANSWER_SECONDS + ADOPTION_PAUSE_SECONDS
    assert broker_options()["visibility_timeout"] >= waits_seconds + 30


@given(st.permutations(list(CATALOG.queues)))
def test_a_worker_looks_into_its_most_urgent_queue_first(names: list[str]) -> None:
    order = PriorityFirstCycle(set(names)).consume(len(names))
    urgency = [CATALOG.queues[name].priority for name in order]
    assert urgency == sorted(urgency, reverse=True)
    assert set(order) == set(names)


def test_the_broker_is_told_to_look_so() -> None:
    assert isinstance(cycle_by_name(broker_options()["queue_order_strategy"])(), PriorityFirstCycle)


def test_queues_of_one_priority_are_declared_shortest_limits_first() -> None:
    declared = [CATALOG.queues[one.name] for one in declare_queues(CATALOG.queues)]
    for first, second in pairwise(declared):
        if first.priority == second.priority:
            assert first.soft_seconds <= second.soft_seconds
