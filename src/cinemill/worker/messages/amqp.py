"""Celery's view of the queues, which knows the names that other systems give them.

``-Q render_queue`` consumes the queues that renders go through, and a message that is sent to
``render_queue`` goes where every worker adopts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery.app.amqp import AMQP, Queues
from kombu.utils.functional import maybe_list

from cinemill.catalog import QUEUES
from cinemill.jobs.adoption.names import expand_queue, expand_queues

ADOPTION_QUEUE = "default"


class AdoptingQueues(Queues):
    """Queues by name, and by the names of the adoption table."""

    def __missing__(self, name: str) -> Any:
        if expand_queue(name, QUEUES) and ADOPTION_QUEUE in self:
            return self[ADOPTION_QUEUE]
        return super().__missing__(name)

    def select(self, include: Any) -> None:
        """Consume only these. Raises KeyError for a name that nobody knows."""
        super().select(self._expand(include))

    def deselect(self, exclude: Any) -> None:
        """Do not consume these."""
        super().deselect(self._expand(exclude))

    def _expand(self, names: Any) -> Any:
        if not names:
            return names
        given: Iterable[str] = maybe_list(names)
        own = [name for name in given if name in self]
        found, unknown = expand_queues((name for name in given if name not in self), QUEUES)
        if unknown and not self.create_missing:
            raise KeyError(unknown[0])
        return list(dict.fromkeys([*own, *(name for name in found if name in self), *unknown]))


class AdoptingAMQP(AMQP):
    queues_cls = AdoptingQueues
