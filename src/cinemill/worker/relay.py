"""The relay: rows to messages. A thread beside beat, or several beside several."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from celery import Celery
from kombu.exceptions import OperationalError

from cinemill.errors import CinemillError, RedisUnavailable
from cinemill.jobs.dispatch import ANNOUNCED_AT_ONCE, Dispatcher
from cinemill.operate.resources import measure_resources
from cinemill.storage.dispatch import ReadyRun
from cinemill.storage.jobs import ENDED_CHANNEL, READY_CHANNEL
from cinemill.storage.notifications import Listener
from cinemill.telemetry import get_logger
from cinemill.worker.dead_letters import DeadLetterWriter, StrayCollector
from cinemill.worker.kinds import step_task_name
from cinemill.worker.mill import Mill
from cinemill.worker.queues import to_broker_priority

PAUSE_AFTER_FAULT_SECONDS = 0.5
PLANNING_WAIT_SECONDS = 0.05
MEASURE_SECONDS = 10.0

log = get_logger(__name__)


class Broker:
    """Messages as the dispatcher sees them: sent, and counted."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._url: str = app.conf.broker_url
        limits = app.mill.try_limits.queue_seconds
        # A step's limits are those of its kind, whichever queue its message lies in.
        self._hard_seconds = {
            kind.name: limits[kind.queue][1] for kind in app.mill.catalog.steps.values()
        }

    def send(self, run: ReadyRun) -> None:
        """Raises RedisUnavailable."""
        try:
            self._app.send_task(
                step_task_name(run.kind),
                args=[run.id],
                task_id=run.id,
                queue=run.queue,
                priority=to_broker_priority(run.priority, self._url),
                time_limit=self._hard_seconds[run.kind],
                retry=False,
                ignore_result=True,
            )
        except (OperationalError, OSError) as error:
            raise RedisUnavailable(f"The broker does not take messages: {error}") from error

    def measure_depth(self, queue: str) -> int:
        """Messages that lie with the broker. Raises RedisUnavailable."""
        with self._app.connection_for_read() as connection:
            try:
                connection.ensure_connection(max_retries=1)
                # Declared, not asked after: to Redis an empty queue is no queue at all.
                declared = self._app.amqp.queues[queue].bind(connection.default_channel)
                return int(declared.queue_declare().message_count)
            except connection.connection_errors + connection.channel_errors as error:
                raise RedisUnavailable(f"The broker does not answer: {error}") from error


class Relay:
    """Publishes when rung, sweeps by the clock."""

    def __init__(self, app: Celery) -> None:
        mill: Mill = app.mill
        broker = Broker(app)
        self._settings = mill.settings
        self._listener = Listener(mill.database.url, [READY_CHANNEL, ENDED_CHANNEL])
        self._dispatcher = Dispatcher(
            mill.database,
            mill.events,
            mill.rates,
            catalog=mill.catalog,
            window=mill.settings.relay_window,
            send=broker.send,
            measure_depth=broker.measure_depth,
        )
        self._events = mill.events
        self._dead_letters = DeadLetterWriter(mill)
        self._strays = StrayCollector(app)
        self._next_sweep = self._next_measure = 0.0

    def run_for_ever(self) -> None:
        while True:
            try:
                self.turn()
            except CinemillError as error:
                log.warning("relay waits", why=error.message)
                time.sleep(PAUSE_AFTER_FAULT_SECONDS)
            except Exception:
                log.exception("relay failed")
                time.sleep(PAUSE_AFTER_FAULT_SECONDS)

    def turn(self) -> None:
        """Wait for a ring, at most until the next sweep, and do what is due."""
        is_planned = self._dispatcher.publish_ready() is not None
        is_told = self._dispatcher.announce_changes() < ANNOUNCED_AT_ONCE
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + self._settings.sweep_seconds
            self._sweep()
        left = max(0.0, self._next_sweep - time.monotonic())
        self._listener.wait(left if is_planned and is_told else PLANNING_WAIT_SECONDS)

    def _sweep(self) -> None:
        """Each duty by itself: what keeps one of them from its work must not keep the others."""
        duties: tuple[Callable[[], int], ...] = (
            self._dispatcher.close_crashed,
            self._dispatcher.finish_cancels,
            self._republish_lost,
            self._dead_letters.move,
            self._strays.adopt,
            self._tell_resources,
        )
        for duty in duties:
            try:
                duty()
            except CinemillError as error:
                log.warning("sweeper waits", why=error.message)
            except Exception:
                log.exception("sweeper failed")

    def _tell_resources(self) -> int:
        """Of the machine that the relay runs on, every few seconds."""
        if time.monotonic() < self._next_measure:
            return 0
        self._next_measure = time.monotonic() + MEASURE_SECONDS
        return self._events.tell_resources(measure_resources(self._settings.home))

    def _republish_lost(self) -> int:
        seconds = self._settings.lost_message_seconds
        return self._dispatcher.republish_lost(older_than_seconds=seconds)


def start_relay(app: Celery) -> threading.Thread:
    """Run a relay in a thread of this process until it ends."""
    thread = threading.Thread(target=Relay(app).run_for_ever, name="relay", daemon=True)
    thread.start()
    return thread
