"""Queues and priorities for the broker: the one place that converts 10-first to 0-first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kombu.entity import Exchange
from kombu.entity import Queue as KombuQueue
from kombu.utils.scheduling import priority_cycle

from cinemill.catalog import QUEUES
from cinemill.core.job import HIGHEST_PRIORITY
from cinemill.jobs.catalog import Queue
from cinemill.storage.sessions import ANSWER_SECONDS

KEY_PREFIX = "cinemill:"
"""Prefix of all keys of the broker in Redis, which other programs may use too."""
REDIS_STEPS = 10
"""Lists that kombu keeps in Redis for a queue, one for each priority."""


def to_broker_priority(priority: int, broker_url: str) -> int:
    """Convert a priority, 10 first, to the broker's: Redis takes 0 first, AMQP the highest."""
    if broker_url.startswith("amqp"):
        return priority
    return min(REDIS_STEPS - 1, HIGHEST_PRIORITY - priority)


def requested_priority(priority: int | None) -> int | None:
    """Return the job priority that the sender of a bare message requested, or None.

    The number is used as written, 10 first, although Redis orders the message itself 0 first.
    kombu writes 0 if the sender gave no priority, so 0 is not a request for the lowest one.
    """
    return priority or None


def declare_queues(queues: Mapping[str, Queue]) -> list[KombuQueue]:
    """Declare the queues by priority, then by the shortest time limits.

    Among messages of equal priority a worker takes that of the first queue.
    """
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
    """A worker's queues, the highest priority first.

    kombu 5.7 keeps the queues of Redis in a set, and so in another order in each process.
    """

    def consume(self, n: int) -> list[str]:
        """Return the first ``n`` queues."""
        return sorted(self.items, key=_rank)[:n]


def _rank(name: str) -> tuple[int, str]:
    queue = QUEUES.get(name)
    return (-queue.priority if queue else 0, name)


ADOPTION_MARGIN_SECONDS = 45
VISIBILITY_TIMEOUT_SECONDS = round(ANSWER_SECONDS) + ADOPTION_MARGIN_SECONDS
"""Seconds after which a message that a worker holds is queued again.

Only a bare message is held, while its row is created (runs are acknowledged before they work). If
its worker dies meanwhile, the message is the only record of the job, so it must not wait for long.
The timeout is longer than a worker waits for a frozen database, since such a worker is alive and
returns the message itself.
"""
RESTORE_LOCK_SECONDS = 10
"""Seconds after which the lock of a worker that queues held messages again is free.

A worker that dies with it, or whose command arrives after a network fault, never releases it.
kombu's own 300 seconds once kept every held message from every worker for that long. If it runs out
while its holder still works, no message is queued twice: each one is moved in a transaction.
"""


def broker_options() -> dict[str, Any]:
    """Return the transport options of the broker, chosen by measurement.

    Unless both ``socket_timeout`` and ``health_check_interval`` are set, a half-open connection
    silently blocks a worker for minutes.
    """
    return {
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": RESTORE_LOCK_SECONDS,
        "priority_steps": list(range(REDIS_STEPS)),
        "global_keyprefix": KEY_PREFIX,
        "queue_order_strategy": f"{__name__}:PriorityFirstCycle",
    }
