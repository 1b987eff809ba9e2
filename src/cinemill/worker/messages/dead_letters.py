"""The relay's work on messages that no worker processed.

These are refused messages, and messages in lists that none of our workers reads.
"""

from __future__ import annotations

import time

from celery import Celery

from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import DEFAULT_OWNER
from cinemill.errors import DependencyUnavailable, InputRejected, NotFound
from cinemill.jobs.adoption.abandoned import cancel_abandoned
from cinemill.jobs.adoption.names import find_kind, list_queue_names, list_task_names
from cinemill.storage.jobs.claims import is_run
from cinemill.storage.jobs.dead_messages import insert_dead_message, prune_dead_messages
from cinemill.storage.jobs.ready_steps import hold
from cinemill.storage.jobs.refused_messages import RefusedMessages, parse_entry
from cinemill.storage.jobs.stray_messages import (
    ANY_TASK,
    MOST_LOOKED_AT,
    StrayMessages,
    open_stray_messages,
    queue_of,
)
from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.guard import STEP_PREFIX, TASK_UNKNOWN
from cinemill.worker.messages.queues import KEY_PREFIX

MOVE_BATCH = 200
SCAN_SECONDS = 5.0
UNREAD_SECONDS = 10.0
"""A list whose oldest message has been there for so long is read by no worker."""
ROUNDS = 10
STEP_RETRY_SECONDS = 10.0
"""After which a step that one worker could not run is offered to all of them again."""

log = get_logger(__name__)


class DeadLetterWriter:
    """Moves refused messages from Redis into PostgreSQL."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._refused = RefusedMessages(context.redis_url)

    def move(self) -> int:
        """Move a batch and return its size; safe to run twice.

        Raises RedisUnavailable, DatabaseUnavailable.
        """
        entries = self._refused.peek(MOVE_BATCH)
        for entry in entries:
            message = parse_entry(entry)
            if message is not None:
                self._write(message)
            self._refused.remove(entry)
        if entries:
            with self._context.database.begin() as connection:
                prune_dead_messages(connection)
        return len(entries)

    def _write(self, message: DeadMessage) -> None:
        try:
            if self._hold_step(message):
                return
            if not self._fail_job(message):
                with self._context.database.begin() as connection:
                    insert_dead_message(connection, message)
            self._cancel_followers(message)
        except DependencyUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - any client may write into Redis; the others go on
            log.warning("a dead message was not kept", why=type(error).__name__)

    def _hold_step(self, message: DeadMessage) -> bool:
        """Offer a step again later if the worker that took its message does not know the step.

        This happens while packages are installed on one machine after the other. Returns whether
        the message is that of such a step.
        """
        is_step = message.task.startswith(STEP_PREFIX) and message.failure.code == TASK_UNKNOWN
        if not is_step or not message.task_id:
            return False
        kind = message.task.removeprefix(STEP_PREFIX)
        with self._context.database.begin() as connection:
            hold(
                connection,
                [message.task_id],
                message=f"Waiting for a worker that can do the step '{kind}'.",
                delay_seconds=STEP_RETRY_SECONDS,
            )
            return is_run(connection, message.task_id)

    def _fail_job(self, message: DeadMessage) -> bool:
        """Create a failed job if the message was meant to be a new job; return whether it was."""
        kind = find_kind(message.task, self._context.catalog.jobs)
        if kind is None or not message.task_id:
            return False
        try:
            self._context.service.get_job(message.task_id)
        except NotFound:
            reason = message.failure
            error = InputRejected(reason.message, code=reason.code, hint=reason.hint)
            return self._reject(kind, error, message.task_id)
        return False  # a job with this id exists, and this is another message

    def _cancel_followers(self, message: DeadMessage) -> None:
        """Cancel what was to follow a job that was refused; what is there goes on."""
        database, why = self._context.database, message.failure.message
        cancel_abandoned(database, message.followers, after=message.task_id, why=why)

    def _reject(self, kind: str, error: InputRejected, job_id: str) -> bool:
        try:
            self._context.service.create_rejected(kind, error, owner=DEFAULT_OWNER, job_id=job_id)
        except DependencyUnavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - it is kept as a dead message then
            why = type(fault).__name__
            log.warning("no failed job could be created for a dead message", why=why)
            return False
        return True


class StrayCollector:
    """Adopts messages from lists that no worker of ours reads.

    These are lists without our key prefix, of which only messages of our kinds of job are taken,
    and lists with it under the names that other systems give to queues.
    """

    def __init__(self, app: Celery, *, unread_seconds: float = UNREAD_SECONDS) -> None:
        """Read a list once its oldest message has been there for ``unread_seconds``."""
        context: WorkerContext = app.context
        self._unread_seconds = unread_seconds
        self._tasks = sorted(list_task_names(context.catalog.jobs))
        names = list_queue_names(context.catalog.queues)
        theirs = [name for name in names if name not in context.catalog.queues]
        # Clients with our prefix write to queues under their own names too.
        self._prefixed = [f"{KEY_PREFIX}{name}" for name in theirs]
        self._unprefixed = names if context.settings.adopt_unprefixed else []
        self._ours = context.catalog.queues
        self._messages = open_stray_messages(context.settings.celery_broker_url, prefix=KEY_PREFIX)
        self._seen: dict[str, tuple[str, float]] = {}
        self._next_scan = 0.0
        self._saw_workers = False

    def adopt(self) -> int:
        """Move messages of lists that no worker reads; return how many. Raises RedisUnavailable.

        A list with our prefix is nobody else's, and is emptied at once.
        """
        now = time.monotonic()
        if self._messages is None or now < self._next_scan:
            return 0
        self._next_scan = now + SCAN_SECONDS
        prefixed = self._messages.list_filled(self._prefixed)
        moved = sum(self._adopt_from(self._messages, name, [ANY_TASK]) for name in prefixed)
        filled = self._messages.list_filled(self._unprefixed)
        self._seen = {
            name: (digest, self._seen[name][1])
            if self._seen.get(name, ("",))[0] == digest
            else (digest, now)
            for name, digest in filled.items()
        }
        before = now - self._unread_seconds
        unread = [name for name, (_, since) in self._seen.items() if since <= before]
        if not unread or self._are_read(self._messages, unread):
            return moved
        return moved + sum(self._adopt_from(self._messages, name, self._tasks) for name in unread)

    def _are_read(self, messages: StrayMessages, names: list[str]) -> bool:
        """Return whether there are workers without our key prefix.

        The messages then belong to them, even if they are too busy for a while to take any.
        """
        workers = messages.count_workers()
        if workers and not self._saw_workers:
            queues = sorted({queue_of(name) for name in names})
            log.info("other Celery workers read this Redis", workers=workers, queues=queues)
        self._saw_workers = workers > 0
        return self._saw_workers

    def _adopt_from(self, messages: StrayMessages, name: str, tasks: list[str]) -> int:
        queue = queue_of(name)
        target = queue if queue in self._ours else "default"
        moved = 0
        for _ in range(ROUNDS):
            count = messages.adopt(name, tasks, target)
            moved += count
            if count < MOST_LOOKED_AT:
                break
        if moved:
            log.warning("messages of other systems' lists were adopted", queue=queue, count=moved)
        return moved
