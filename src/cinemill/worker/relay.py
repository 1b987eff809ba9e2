"""The relay, which turns rows into messages: a thread of beat, and safe to run in several beats."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from celery import Celery
from kombu.messaging import Producer

from cinemill.capabilities.operations.resources import measure_resources
from cinemill.config import Settings
from cinemill.errors import CinemillError, LockTimeout, RedisUnavailable
from cinemill.jobs.adoption.deadlines import cancel_expired, free_due
from cinemill.jobs.adoption.queue_lengths import QueueLengths
from cinemill.jobs.adoption.release import Releaser
from cinemill.jobs.adoption.results import ResultWriter
from cinemill.jobs.dispatch import ANNOUNCED_AT_ONCE, Dispatcher
from cinemill.jobs.leases import LOOK_SHARE, LeaseObserver, lease_timeouts
from cinemill.jobs.planning.turn_pace import TurnPace
from cinemill.storage.adoption.queue_lengths import QueueLists
from cinemill.storage.adoption.results import ResultCopies
from cinemill.storage.jobs.channels import ENDED_CHANNEL, READY_CHANNEL
from cinemill.storage.jobs.dispatch import ReadyRun
from cinemill.storage.jobs.stray_messages import StrayMessages, find_redis_url
from cinemill.storage.notifications import Listener
from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.dead_letters import DeadLetterWriter, StrayCollector
from cinemill.worker.messages.queues import KEY_PREFIX, to_broker_priority
from cinemill.worker.messages.refusals import BROKER_FAULTS
from cinemill.worker.messages.throttle import ThrottledLog
from cinemill.worker.task_registry import step_task_name

PAUSE_AFTER_FAULT_SECONDS = 0.5
PLANNER_LOCK_SECONDS = 30.0
"""After which it is an error that another process holds the planner lock: plans take ms."""
PLANNING_WAIT_SECONDS = 0.05
MEASURE_SECONDS = 10.0
FIRST_TURN_SECONDS = 5.0
LEAST_WAIT_SECONDS = 0.05
"""For a delayed run that is due and that another transaction holds."""

log = get_logger(__name__)
often = ThrottledLog(__name__)


class Broker:
    """The broker as the dispatcher sees it: it sends messages and counts them."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._url: str = app.conf.broker_url
        limits = app.context.retry_policy.queue_seconds
        # A step's limits are those of its kind, whichever queue its message is in.
        self._hard_seconds = {
            kind.name: limits[kind.queue][1] for kind in app.context.catalog.steps.values()
        }

    def send(self, run: ReadyRun) -> None:
        """Send the message of a run. Raises RedisUnavailable."""
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
            # The socket is not reused: it may belong to a primary that was demoted.
            producer.connection.collect()
            raise

    def measure_depth(self, queue: str) -> int:
        """Return the number of messages in the broker. Raises RedisUnavailable."""
        with self._app.connection_for_read() as connection:
            try:
                connection.ensure_connection(max_retries=1)
                # Declared rather than looked up: in Redis an empty queue does not exist.
                declared = self._app.amqp.queues[queue].bind(connection.default_channel)
                return int(declared.queue_declare().message_count)
            except (
                *connection.connection_errors,
                *connection.channel_errors,
                *BROKER_FAULTS,
            ) as error:
                raise RedisUnavailable(f"The broker does not respond: {error}") from error


class Relay:
    """Publishes runs when notified, and sweeps at intervals.

    Each duty is guarded separately: an error in one of them does not stop the others.
    """

    def __init__(self, app: Celery) -> None:
        context: WorkerContext = app.context
        broker = Broker(app)
        self._settings = context.settings
        self._listener = Listener(context.database.direct_url, [READY_CHANNEL, ENDED_CHANNEL])
        copies = ResultCopies(choose_results_url(context.settings) or context.redis_url)
        self._results = ResultWriter(copies, context.catalog)
        self._dispatcher = Dispatcher(
            context.database,
            context.events,
            context.rates,
            catalog=context.catalog,
            window=context.settings.relay_window,
            send=broker.send,
            measure_depth=broker.measure_depth,
            write_results=self._results.write,
            leases=LeaseObserver(
                lease_timeouts(context.settings.lease_seconds, context.settings.heartbeat_seconds)
            ),
        )
        self._events = context.events
        self._sweep_seconds = min(
            context.settings.sweep_seconds, context.settings.lease_seconds * LOOK_SHARE
        )
        self._context = context
        self._releaser = Releaser(
            context.database, catalog=context.catalog, limits=context.retry_policy
        )
        self._ended: list[str] = []
        """Jobs of whose end a notification came since the last turn."""
        self._dead_letters = DeadLetterWriter(context)
        self._strays = StrayCollector(app)
        self._lengths = _open_lengths(context)
        self._next_sweep = self._next_measure = 0.0
        self._planner_busy_since: float | None = None
        """Since when another process has held the planner lock at every attempt; else None."""
        self._is_planned = self._is_announced = False
        self._pace = TurnPace()
        self.has_turned = threading.Event()
        """Set once a first turn has been tried."""

    def run_forever(self) -> None:
        while True:
            if not self.run_once():
                time.sleep(PAUSE_AFTER_FAULT_SECONDS)

    def run_once(self) -> bool:
        """Do what is due, then wait for a notification, at most until the next sweep.

        Returns whether everything succeeded.
        """
        self._is_planned = self._is_announced = False
        self._do("begin what follows", self._release_followers)
        time.sleep(self._pace.plan_turn(time.monotonic()))
        succeeded = self._do("publish", self._publish)
        self.has_turned.set()
        succeeded = self._do("announce", self._announce) and succeeded
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + self._sweep_seconds
            self._sweep()
        return self._do("listen", self._wait) and succeeded

    def _do(self, name: str, duty: Callable[[], object]) -> bool:
        """Run a duty and return whether it succeeded; log whatever it raises."""
        try:
            duty()
        except Exception as error:  # noqa: BLE001 - the loop must survive every error
            _log_fault(name, error)
            return False
        return True

    def _publish(self) -> None:
        self._is_planned = self._dispatcher.publish_ready() is not None
        if self._is_planned:
            self._planner_busy_since = None
            return
        now = time.monotonic()
        self._planner_busy_since = self._planner_busy_since or now
        if now - self._planner_busy_since > PLANNER_LOCK_SECONDS:
            raise LockTimeout("Another process has held the planner lock for 30 seconds.")

    def _announce(self) -> None:
        self._is_announced = self._dispatcher.announce_changes() < ANNOUNCED_AT_ONCE

    def _wait(self) -> None:
        left = max(0.0, self._next_sweep - time.monotonic())
        left = min(left, max(LEAST_WAIT_SECONDS, self._dispatcher.measure_next_turn()))
        received = self._listener.wait(left if self._is_done else PLANNING_WAIT_SECONDS)
        self._ended += [job_id for channel, job_id in received if channel == ENDED_CHANNEL]

    @property
    def _is_done(self) -> bool:
        """Whether the turn has left nothing that could have been done in it."""
        return self._is_planned and self._is_announced and not self._ended

    def _release_followers(self) -> None:
        ended, self._ended = self._ended, []
        if ended and not self._releaser.release_after(ended):
            self._ended = ended

    def _sweep(self) -> None:
        context = self._context
        self._do("close crashed runs", self._dispatcher.close_crashed)
        self._do("finish cancels", self._dispatcher.finish_cancels)
        self._do("hold runs of unknown kinds", self._dispatcher.hold_unknown)
        self._do("begin what waits", self._releaser.release_all)
        self._do("begin what is due", partial(free_due, context.database))
        self._do("cancel what expired", self._cancel_expired)
        self._do("republish lost messages", self._republish_lost)
        self._do("write results again", partial(self._results.write_again, context.database))
        self._do("keep dead messages", self._dead_letters.move)
        self._do("adopt messages", self._strays.adopt)
        if self._lengths is not None:
            self._do("write lengths of queues", self._lengths.write)
        self._do("measure resources", self._publish_resources)

    def _publish_resources(self) -> int:
        """Publish the resources of the relay's machine, every ten seconds."""
        if time.monotonic() < self._next_measure:
            return 0
        self._next_measure = time.monotonic() + MEASURE_SECONDS
        return self._events.publish_resources(measure_resources(self._settings.home))

    def _cancel_expired(self) -> int:
        return cancel_expired(self._context.database, self._context.catalog)

    def _republish_lost(self) -> int:
        seconds = self._settings.lost_message_seconds
        return self._dispatcher.republish_lost(older_than_seconds=seconds)


def _log_fault(duty: str, error: Exception) -> None:
    """Log each reason of each duty now and then.

    A round takes half a second, and PostgreSQL may be unavailable for an hour.
    """
    if isinstance(error, CinemillError):
        often.warning("relay waiting", about=f"{duty} {error.code}", duty=duty, why=error.message)
    else:
        about = f"{duty} {type(error).__name__}"
        often.error("relay failed", about=about, duty=duty, exc_info=error)


def _open_lengths(context: WorkerContext) -> QueueLengths | None:
    """Return what keeps the lists of other systems' queues; None where it is not wanted."""
    url = find_redis_url(context.settings.celery_broker_url)
    if url is None or not context.settings.adopt_unprefixed:
        return None
    strays = StrayMessages(url, prefix=KEY_PREFIX)
    return QueueLengths(context.database, QueueLists(url), strays)


def choose_results_url(settings: Settings) -> str | None:
    """Return the Redis in which clients look for results; None where none is set for them."""
    return find_redis_url(settings.celery_result_backend)


def start_relay(app: Celery) -> threading.Thread:
    """Run a relay in a thread of this process until it ends.

    Returns after its first turn, so that who is told that it runs sees what it noted; without
    waiting for long where a server does not respond.
    """
    relay = Relay(app)
    thread = threading.Thread(target=relay.run_forever, name="relay", daemon=True)
    thread.start()
    relay.has_turned.wait(FIRST_TURN_SECONDS)
    return thread
