"""The relay's part in messages that nobody could work on: refused ones, and those in lists that no
worker of ours reads."""

from __future__ import annotations

import time

from celery import Celery

from cinemill.core.dead_messages import DeadMessage
from cinemill.errors import DependencyUnavailable, InputRejected, NotFound
from cinemill.storage.jobs.dead_messages import insert_dead_message, prune_dead_messages
from cinemill.storage.jobs.dispatch import hold, is_run
from cinemill.storage.jobs.refused_messages import RefusedMessages, parse_entry
from cinemill.storage.jobs.stray_messages import (
    MOST_LOOKED_AT,
    STOCK_QUEUES,
    StrayMessages,
    open_stray_messages,
    queue_of,
)
from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.guard import OWNER, STEP_PREFIX, TASK_UNKNOWN
from cinemill.worker.messages.queues import KEY_PREFIX

MOVED_AT_ONCE = 200
LOOK_SECONDS = 5.0
QUIET_SECONDS = 10.0
"""A list whose oldest message lies there for so long is read by nobody."""
ROUNDS = 10
STEP_AGAIN_SECONDS = 10.0
"""After which a step that one worker could not do is offered to all of them again."""

log = get_logger(__name__)


class DeadLetterWriter:
    """Moves refused messages from Redis into PostgreSQL."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._refused = RefusedMessages(context.redis_url)

    def move(self) -> int:
        """Answers how many. Safe to run twice. Raises RedisUnavailable, DatabaseUnavailable."""
        entries = self._refused.peek(MOVED_AT_ONCE)
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
            if not self._hold_step(message) and not self._fail_job(message):
                with self._context.database.begin() as connection:
                    insert_dead_message(connection, message)
        except DependencyUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - anybody may write into Redis; the rest goes on
            log.warning("a dead message was not kept", why=type(error).__name__)

    def _hold_step(self, message: DeadMessage) -> bool:
        """Whether it is the message of a step that the worker which took it cannot do, as while
        packages are installed on one machine after the other. Its run is offered again later."""
        is_step = message.task.startswith(STEP_PREFIX) and message.failure.code == TASK_UNKNOWN
        if not is_step or not message.task_id:
            return False
        kind = message.task.removeprefix(STEP_PREFIX)
        with self._context.database.begin() as connection:
            hold(
                connection,
                [message.task_id],
                message=f"Waiting for a worker that can do the step '{kind}'.",
                delay_seconds=STEP_AGAIN_SECONDS,
            )
            return is_run(connection, message.task_id)

    def _fail_job(self, message: DeadMessage) -> bool:
        """Whether it was meant to be a job, which has failed now."""
        if message.task not in self._context.catalog.jobs or not message.task_id:
            return False
        try:
            self._context.service.get_job(message.task_id)
        except NotFound:
            reason = message.failure
            error = InputRejected(reason.message, code=reason.code, hint=reason.hint)
            return self._reject(message.task, error, message.task_id)
        return False  # a job of this id is there, and this is another message

    def _reject(self, kind: str, error: InputRejected, job_id: str) -> bool:
        try:
            self._context.service.create_rejected(kind, error, owner=OWNER, job_id=job_id)
        except DependencyUnavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - it is kept as a dead message then
            log.warning("a dead message became no failed job", why=type(fault).__name__)
            return False
        return True


class StrayCollector:
    """Adopts messages of our kinds of job from lists without our key prefix."""

    def __init__(self, app: Celery, *, quiet_seconds: float = QUIET_SECONDS) -> None:
        """``quiet_seconds`` is how long a list's oldest message lies there before it is taken."""
        context: WorkerContext = app.context
        self._quiet_seconds = quiet_seconds
        self._jobs = sorted(context.catalog.jobs)
        self._queues = sorted({*context.catalog.queues, *STOCK_QUEUES})
        self._ours = context.catalog.queues
        settings = context.settings
        broker_url = settings.celery_broker_url if settings.adopt_unprefixed else None
        self._messages = open_stray_messages(broker_url, prefix=KEY_PREFIX)
        self._seen: dict[str, tuple[str, float]] = {}
        self._next_look = 0.0
        self._saw_workers = False

    def adopt(self) -> int:
        """Of lists that nobody reads; answers how many were moved. Raises RedisUnavailable."""
        now = time.monotonic()
        if self._messages is None or now < self._next_look:
            return 0
        self._next_look = now + LOOK_SECONDS
        filled = self._messages.list_filled(self._queues)
        self._seen = {
            name: (digest, self._seen[name][1])
            if self._seen.get(name, ("",))[0] == digest
            else (digest, now)
            for name, digest in filled.items()
        }
        before = now - self._quiet_seconds
        quiet = [name for name, (_, since) in self._seen.items() if since <= before]
        if not quiet or self._are_read(self._messages, quiet):
            return 0
        return sum(self._adopt_from(self._messages, name) for name in quiet)

    def _are_read(self, messages: StrayMessages, names: list[str]) -> bool:
        """Whether there are workers without our prefix: these are their messages, though the
        workers may be too busy for a while to take any."""
        workers = messages.workers_by_queue()
        if workers and not self._saw_workers:
            queues = sorted({queue_of(name) for name in names})
            log.info("other Celery workers read this Redis", workers=workers, queues=queues)
        self._saw_workers = workers > 0
        return self._saw_workers

    def _adopt_from(self, messages: StrayMessages, name: str) -> int:
        queue = queue_of(name)
        target = queue if queue in self._ours else "default"
        moved = 0
        for _ in range(ROUNDS):
            count = messages.adopt(name, self._jobs, target)
            moved += count
            if count < MOST_LOOKED_AT:
                break
        if moved:
            log.warning("messages without the key prefix were adopted", queue=queue, count=moved)
        return moved
