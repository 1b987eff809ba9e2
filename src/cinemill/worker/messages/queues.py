"""Queues and priorities as the broker wants them; the one place where 10-first meets 0-first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kombu.entity import Exchange
from kombu.entity import Queue as KombuQueue
from kombu.utils.scheduling import priority_cycle

from cinemill.catalog import QUEUES
from cinemill.core.job import HIGHEST_PRIORITY
from cinemill.jobs.catalog import Queue
from cinemill.storage.database import ANSWER_SECONDS

KEY_PREFIX = "cinemill:"
"""Before each key of the broker in Redis, which others may use too."""
REDIS_STEPS = 10
"""Lists that Redis keeps for a queue, one a priority."""


def to_broker_priority(priority: int, broker_url: str) -> int:
    """0–10, 10 first, in the broker's words: Redis takes its list 0 first, AMQP the highest."""
    if broker_url.startswith("amqp"):
        return priority
    return min(REDIS_STEPS - 1, HIGHEST_PRIORITY - priority)


def requested_priority(priority: int | None) -> int | None:
    """What a sender of a bare message wishes for its job; None for nothing in particular.

    The number is taken as written, 10 first, though Redis took the message itself by its own order.
    0 is what kombu writes where nobody gave a number, and so it is no wish for the last place.
    """
    return priority or None


def declare_queues(queues: Mapping[str, Queue]) -> list[KombuQueue]:
    """Declare the most urgent first, and of equal ones those with the shortest limits: of equal
    messages a worker takes that of the first queue."""
    ordered = sorted(queues.values(), key=lambda one: (-one.priority, one.soft_seconds))
    return [_declare(queue.name) for queue in ordered]


def _declare(name: str) -> KombuQueue:
    return KombuQueue(
        name,
        Exchange(name, type="direct"),
        routing_key=name,
        queue_arguments={"x-max-priority": HIGHEST_PRIORITY},
    )


class PriorityFirstCycle(priority_cycle):
    """A worker's queues, the most urgent first. kombu 5.7 keeps those of Redis in a set, and so in
    another order in each process."""

    def consume(self, n: int) -> list[str]:
        """The first ``n`` of them."""
        return sorted(self.items, key=_rank)[:n]


def _rank(name: str) -> tuple[int, str]:
    queue = QUEUES.get(name)
    return (-queue.priority if queue else 0, name)


ADOPTION_MARGIN_SECONDS = 45
UNSEEN_SECONDS = round(ANSWER_SECONDS) + ADOPTION_MARGIN_SECONDS
"""After so long a message that a worker holds is queued again. Only a bare message is held, for the
moment in which it gets its row (runs are acknowledged before they work), and if its worker dies
in that moment nobody else knows of it: it must not wait for a day. Longer than a worker waits for a
database that is frozen: it is alive, and gives the message back itself."""


def broker_options() -> dict[str, Any]:
    """Chosen by measurement: without both ``socket_timeout`` and ``health_check_interval`` a
    half-open connection hangs a worker for minutes, in silence."""
    return {
        "visibility_timeout": UNSEEN_SECONDS,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "priority_steps": list(range(REDIS_STEPS)),
        "global_keyprefix": KEY_PREFIX,
        "queue_order_strategy": f"{__name__}:PriorityFirstCycle",
    }
