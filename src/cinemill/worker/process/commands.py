"""Celery's remote control of workers, for jobs and for the queues that other systems name.

Celery's own commands know its tasks alone: a job is none while it waits or runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker import state as worker_state
from celery.worker.control import Panel, ok
from kombu.utils.functional import maybe_list

from cinemill.catalog import QUEUES
from cinemill.jobs.adoption.names import expand_queue, list_released
from cinemill.jobs.adoption.revocation import begin_cancelling
from cinemill.worker.messages.consumer import JobRequest

Command = Callable[..., Any]
ADAPTED = "adapted_for_jobs"


def adapt_commands() -> None:
    """Have the workers of this process follow commands about jobs and about other systems' queues.

    Once: a second call changes nothing.
    """
    commands = Panel.data
    if getattr(commands["revoke"], ADAPTED, False):
        return
    revoke = _adapt_revoke(commands["revoke"])
    commands["revoke"] = revoke
    commands["terminate"] = _adapt_terminate(revoke)
    commands["add_consumer"] = _adapt_add_consumer(commands["add_consumer"])
    commands["cancel_consumer"] = _adapt_cancel_consumer(commands["cancel_consumer"])


def _adapt_revoke(standard: Command) -> Command:
    def revoke(
        state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **options: Any
    ) -> Any:
        ids = [one for one in maybe_list(task_id) or () if isinstance(one, str)]
        # A message with such an id may be yet to come, or be adopted just now.
        worker_state.revoked.update(ids)
        begin_cancelling(state.app.context.service, ids, terminate=bool(terminate))
        # Celery asks the database for each id, in the loop that reads messages: so only for tasks
        # of its own. The process that adopts a message must not be ended: the job would be lost.
        of_celery = [one for one in ids if _is_task(worker_state.requests.get(one))]
        if of_celery:
            return standard(state, of_celery, terminate, signal, **options)
        return ok(f"tasks {ids} flagged as revoked")

    setattr(revoke, ADAPTED, True)
    return revoke


def _is_task(request: Any) -> bool:
    return request is not None and not isinstance(request, JobRequest)


def _adapt_terminate(revoke: Command) -> Command:
    def terminate(state: Any, signal: Any, task_id: Any, **_: Any) -> Any:
        return revoke(state, task_id, terminate=True, signal=signal)

    return terminate


def _adapt_add_consumer(standard: Command) -> Command:
    def add_consumer(state: Any, queue: str, *args: Any, **options: Any) -> Any:
        names = _expand(state, queue)
        if not names:
            return standard(state, queue, *args, **options)
        for name in names:
            standard(state, name)
        return ok(f"add consumer {', '.join(names)}")

    return add_consumer


def _adapt_cancel_consumer(standard: Command) -> Command:
    def cancel_consumer(state: Any, queue: str, **options: Any) -> Any:
        names = _expand(state, queue)
        if not names:
            return standard(state, queue, **options)
        consumed = set(state.app.amqp.queues.consume_from)
        released = list_released(names, consumed)
        for name in released:
            standard(state, name, **options)
        return ok(f"no longer consuming from {', '.join(released)}")

    return cancel_consumer


def _expand(state: Any, queue: str) -> list[str]:
    """Return our queues that another system's name means; none where it is no such name."""
    queues = state.app.amqp.queues
    if queue in queues:
        return []
    return [name for name in expand_queue(queue, QUEUES) if name in queues]
