"""The relay: rows to messages. A thread beside beat, or several beside several."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from celery import Celery
from kombu.messaging import Producer

from cinemill.capabilities.operations.resources import measure_resources
from cinemill.errors import CinemillError, LockTimeout, RedisUnavailable
from cinemill.jobs.dispatch import ANNOUNCED_AT_ONCE, Dispatcher
from cinemill.jobs.leases import LOOK_SHARE, LeaseObserver, lease_timeouts
from cinemill.storage.jobs.channels import ENDED_CHANNEL, READY_CHANNEL
from cinemill.storage.jobs.dispatch import ReadyRun
from cinemill.storage.notifications import Listener
from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.dead_letters import DeadLetterWriter, StrayCollector
from cinemill.worker.messages.queues import to_broker_priority
from cinemill.worker.messages.refusals import BROKER_FAULTS
from cinemill.worker.messages.throttle import ThrottledLog
from cinemill.worker.task_registry import step_task_name

PAUSE_AFTER_FAULT_SECONDS = 0.5
PLANNER_SECONDS = 30.0
"""After which another process that plans is complained of: a plan takes milliseconds."""
PLANNING_WAIT_SECONDS = 0.05
MEASURE_SECONDS = 10.0

log = get_logger(__name__)
often = ThrottledLog(__name__)


class Broker:
    """Messages as the dispatcher sees them: sent, and counted."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._url: str = app.conf.broker_url
        limits = app.context.try_limits.queue_seconds
        # A step's limits are those of its kind, whichever queue its message lies in.
        self._hard_seconds = {
            kind.name: limits[kind.queue][1] for kind in app.context.catalog.steps.values()
        }

    def send(self, run: ReadyRun) -> None:
        """Raises RedisUnavailable."""
        try:
            with self._app.producer_or_acquire() as producer:
                self._send_by(producer, run)
        except BROKER_FAULTS as error:
            raise RedisUnavailable(f"The broker does not accept messages: {error}") from error

    def _send_by(self, producer: Producer, run: ReadyRun) -> None:
        try:
            self._app.send_task(
                step_task_name(run.kind),
                args=[run.id],
                task_id=run.id,
                queue=run.queue,
                priority=to_broker_priority(run.priority, self._url),
                time_limit=self._hard_seconds[run.kind],
                producer=producer,
                retry=False,
                ignore_result=True,
            )
        except Exception:
            # Never again by this socket: it may be that of a primary that was demoted.
            producer.connection.collect()
            raise

    def measure_depth(self, queue: str) -> int:
        """Messages that lie with the broker. Raises RedisUnavailable."""
        with self._app.connection_for_read() as connection:
            try:
                connection.ensure_connection(max_retries=1)
                # Declared, not asked after: to Redis an empty queue is no queue at all.
                declared = self._app.amqp.queues[queue].bind(connection.default_channel)
                return int(declared.queue_declare().message_count)
            except (
                *connection.connection_errors,
                *connection.channel_errors,
                *BROKER_FAULTS,
            ) as error:
                raise RedisUnavailable(f"The broker does not respond: {error}") from error


class Relay:
    """Publishes when rung, sweeps by the clock. Each duty by itself: what keeps one of them from
    its work must not keep the others."""

    def __init__(self, app: Celery) -> None:
        context: WorkerContext = app.context
        broker = Broker(app)
        self._settings = context.settings
        self._listener = Listener(context.database.url, [READY_CHANNEL, ENDED_CHANNEL])
        self._dispatcher = Dispatcher(
            context.database,
            context.events,
            context.rates,
            catalog=context.catalog,
            window=context.settings.relay_window,
            send=broker.send,
            measure_depth=broker.measure_depth,
            leases=LeaseObserver(
                lease_timeouts(context.settings.lease_seconds, context.settings.heartbeat_seconds)
            ),
        )
        self._events = context.events
        self._sweep_seconds = min(
            context.settings.sweep_seconds, context.settings.lease_seconds * LOOK_SHARE
        )
        self._dead_letters = DeadLetterWriter(context)
        self._strays = StrayCollector(app)
        self._next_sweep = self._next_measure = 0.0
        self._outplanned_since: float | None = None
        """Since when another process was planning each time."""
        self._is_planned = self._is_told = False

    def run_for_ever(self) -> None:
        while True:
            if not self.turn():
                time.sleep(PAUSE_AFTER_FAULT_SECONDS)

    def turn(self) -> bool:
        """Do what is due, then wait for a ring, at most until the next sweep; whether all went
        well."""
        self._is_planned = self._is_told = False
        fine = self._do("publish", self._publish)
        fine = self._do("announce", self._announce) and fine
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + self._sweep_seconds
            self._sweep()
        return self._do("listen", self._wait) and fine

    def _do(self, name: str, duty: Callable[[], object]) -> bool:
        """Whether it was done; whatever it raises is logged."""
        try:
            duty()
        except Exception as error:  # noqa: BLE001 - the loop must outlive every fault
            _log_fault(name, error)
            return False
        return True

    def _publish(self) -> None:
        self._is_planned = self._dispatcher.publish_ready() is not None
        if self._is_planned:
            self._outplanned_since = None
            return
        now = time.monotonic()
        self._outplanned_since = self._outplanned_since or now
        if now - self._outplanned_since > PLANNER_SECONDS:
            raise LockTimeout("Another process has held the planner lock for 30 seconds.")

    def _announce(self) -> None:
        self._is_told = self._dispatcher.announce_changes() < ANNOUNCED_AT_ONCE

    def _wait(self) -> None:
        left = max(0.0, self._next_sweep - time.monotonic())
        self._listener.wait(left if self._is_planned and self._is_told else PLANNING_WAIT_SECONDS)

    def _sweep(self) -> None:
        self._do("close crashed runs", self._dispatcher.close_crashed)
        self._do("finish cancels", self._dispatcher.finish_cancels)
        self._do("hold runs of unknown kinds", self._dispatcher.hold_unknown)
        self._do("republish lost messages", self._republish_lost)
        self._do("keep dead messages", self._dead_letters.move)
        self._do("adopt messages", self._strays.adopt)
        self._do("measure resources", self._tell_resources)

    def _tell_resources(self) -> int:
        """Of the machine that the relay runs on, every few seconds."""
        if time.monotonic() < self._next_measure:
            return 0
        self._next_measure = time.monotonic() + MEASURE_SECONDS
        return self._events.publish_resources(measure_resources(self._settings.home))

    def _republish_lost(self) -> int:
        seconds = self._settings.lost_message_seconds
        return self._dispatcher.republish_lost(older_than_seconds=seconds)


def _log_fault(duty: str, error: Exception) -> None:
    """Each reason of each duty once in a while: a turn takes half a second, and PostgreSQL may be
    away for an hour."""
    if isinstance(error, CinemillError):
        often.warning("relay waiting", about=f"{duty} {error.code}", duty=duty, why=error.message)
    else:
        about = f"{duty} {type(error).__name__}"
        often.error("relay failed", about=about, duty=duty, exc_info=error)


def start_relay(app: Celery) -> threading.Thread:
    """Run a relay in a thread of this process until it ends."""
    thread = threading.Thread(target=Relay(app).run_for_ever, name="relay", daemon=True)
    thread.start()
    return thread
