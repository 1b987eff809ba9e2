"""Publishes runs as messages, and recovers those that were lost or crashed.

Runs in one process or several at once: every change expects a state, and planning is done by one
at a time. Sending a message and counting those in the broker are passed in as functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager

from cinemill.core.job import Failure, Job
from cinemill.errors import DependencyUnavailable
from cinemill.jobs import child_jobs
from cinemill.jobs.catalog import Catalog, list_optional
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.job_document import describe_change
from cinemill.jobs.leases import LeaseObserver
from cinemill.jobs.planning.clock import EngineClock
from cinemill.jobs.planning.sweeping import SWEEP_LOCK_SECONDS, begin_briefly, do_each
from cinemill.jobs.planning.turns import TurnPlanner
from cinemill.jobs.planning.unknown_kinds import UnknownKinds
from cinemill.jobs.rate_limiter import Admissions, RateLimiter
from cinemill.jobs.retries import plan_crash_delay
from cinemill.storage import hardware, turns
from cinemill.storage.database import Connection, Database, limit_lock_wait
from cinemill.storage.jobs import claims, dispatch, recovery
from cinemill.storage.jobs.dispatch import CancelPosition, Lease, ReadyRun
from cinemill.storage.turns import PlannerLock
from cinemill.telemetry import get_logger

ANNOUNCED_AT_ONCE = 25
"""Their rows are locked meanwhile, and a worker that wants one waits."""
PASSED_AT_ONCE = 100
"""Jobs whose cancel one sweep passes on to their children."""
PLANNING_LOCK = 0x52454C41  # any constant of ours

CRASH = Failure(
    code="worker_crashed",
    message="The worker that ran this step died, froze or lost its connection.",
    hint="If this happened on every attempt, the video itself may crash the worker; see the log.",
)

log = get_logger(__name__)

Send = Callable[[ReadyRun], None]
"""Hands a run to the broker. Raises DependencyUnavailable."""
MeasureDepth = Callable[[str], int]
"""Returns how many messages of a queue are in the broker. Raises DependencyUnavailable."""
WriteResults = Callable[[Connection, Sequence[str]], None]
"""Copies the results of those of these jobs that have ended. Never raises."""


class Dispatcher:
    """Moves runs between the database and the broker.

    All methods are safe to repeat and to run while other processes call them.
    """

    def __init__(
        self,
        database: Database,
        events: EventPublisher,
        rates: RateLimiter,
        *,
        catalog: Catalog,
        window: int,
        send: Send,
        measure_depth: MeasureDepth,
        leases: LeaseObserver | None = None,
        write_results: WriteResults | None = None,
    ) -> None:
        """``leases`` decides when a lease has run out; by default the database's clock does."""
        self._write_results = write_results
        self._leases = leases or LeaseObserver()
        self._clock = EngineClock()
        self._database = database
        self._events = events
        self._admissions = Admissions(rates)
        self._catalog = catalog
        self._planner = TurnPlanner(window)
        self._unknown = UnknownKinds(catalog)
        self._cancels_seen: CancelPosition | None = None
        self._send = send
        self._measure_depth = measure_depth

    def publish_ready(self) -> int | None:
        """Send due runs fairly, within each queue's window, and return how many were sent.

        Returns None where another process is planning: call it again in a moment.
        """
        chosen = self._choose()
        if chosen is None:
            return None
        try:
            self._send_all(chosen)
        finally:
            self._unknown.hold_noted(self._database)
        return len(chosen)

    def measure_next_turn(self) -> float:
        """Return the seconds until time alone makes something due; infinite where nothing waits.

        What a turn postpones for a rate is not among the delays that it has looked at, so the rates
        are asked as well.
        """
        return min(self._clock.measure_next_delay(), self._admissions.measure_next())

    def republish_lost(self, *, older_than_seconds: float) -> int:
        """Send again what was published and is with neither the broker nor a worker.

        There is no way to know which message was lost, only that the broker holds fewer than it
        should: all that are old enough are sent again, and the claim makes copies harmless.
        """
        with self._database.begin() as connection:
            unclaimed = dispatch.list_unclaimed(connection, older_than_seconds=older_than_seconds)
            lost = self._find_lost(connection, unclaimed)
            held = dispatch.lock_unclaimed(connection, [run.id for run in lost])
            lost = [run for run in lost if run.id in held]
            dispatch.stamp_published(connection, list(held))
        self._send_all(lost)
        if lost:
            log.warning("messages lost by the broker were sent again", count=len(lost))
        return len(lost)

    def close_crashed(self) -> int:
        """Close runs whose lease ran out and return how many were closed.

        Raises LockTimeout while the table of runs cannot be written. Leases are not looked at then,
        so that this time counts as a gap: their owners could not renew either.
        """
        with self._sweeping() as connection:
            claims.require_writable_runs(connection)
            leases = dispatch.list_leases(connection)
        expired = self._leases.observe(leases, time.monotonic())
        return do_each(expired, self._close_crashed)

    def _close_crashed(self, lease: Lease) -> bool:
        with self._sweeping() as connection:
            crashes = dispatch.count_crashes(connection, lease.run_id)
            delay = plan_crash_delay(crashes + 1)
            state = dispatch.record_crash(
                connection,
                lease,
                CRASH,
                delay_seconds=delay,
                optional_kinds=list_optional(self._catalog),
            )
        if state is not None:
            log.warning("run crashed", run=lease.run_id, job=lease.job_id, crashes=crashes + 1)
        return state is not None

    def finish_cancels(self) -> int:
        """Cancel jobs whose last running process is gone without having said so.

        Before that, cancels are passed to children that they have not reached, because the process
        that should have done it died or another transaction held them. Of so many at a time; the
        next call goes on with those that follow.
        """
        with self._database.begin() as connection:
            passing = recovery.list_passing(connection, limit=PASSED_AT_ONCE)
        do_each(passing, self._pass_cancel)
        with self._database.begin() as connection:
            waiting, self._cancels_seen = dispatch.list_cancelling(
                connection, after=self._cancels_seen
            )
        return do_each(waiting, self._finish_cancel)

    def _pass_cancel(self, job_id: str) -> bool:
        with self._sweeping() as connection:
            return bool(child_jobs.go_on_cancelling(self._catalog, connection, job_id))

    def _finish_cancel(self, job_id: str) -> bool:
        with self._sweeping() as connection:
            return child_jobs.finish_cancel(connection, job_id)

    def hold_unknown(self) -> int:
        """Hold back runs that nothing installed here can execute and return how many there were.

        Their jobs say so; they are offered again every 15 s, and begin when the package is back.
        Of very many runs each call looks at a portion.
        """
        with self._database.begin() as connection:
            by_kind = self._unknown.list_next(connection)
        held = 0

        def hold(kind: str) -> bool:
            nonlocal held
            with self._sweeping() as connection:
                held += self._unknown.hold_or_move(connection, kind, by_kind[kind])
            return True

        do_each(list(by_kind), hold)
        return held

    def _sweeping(self) -> AbstractContextManager[Connection]:
        return begin_briefly(self._database)

    def announce_changes(self) -> int:
        """Publish events of jobs that wait or have ended, and return how many were published.

        Returns ``ANNOUNCED_AT_ONCE`` where there may be more. Without Redis they come later.
        """
        with self._database.begin() as connection:
            changed = dispatch.list_unannounced(connection, limit=ANNOUNCED_AT_ONCE)
            return self._announce(connection, changed)

    def _announce(self, connection: Connection, changed: Sequence[Job]) -> int:
        announced = []
        for job in changed:
            # After the first that cannot be published, the others wait: their rows
            # are locked meanwhile.
            if not self._tell(job):
                break
            announced.append(job.id)
        if announced:
            dispatch.mark_announced(connection, announced)
            if self._write_results is not None:
                self._write_results(connection, announced)
        return len(announced)

    def _tell(self, job: Job) -> bool:
        """Return whether it was published; a job that no event describes counts as published."""
        try:
            return self._events.publish_now(describe_change(job))
        except DependencyUnavailable:
            raise
        except Exception:
            log.exception("job state not published", job=job.id)
            return True

    def _choose(self) -> list[ReadyRun] | None:
        """Return the runs to send now, marked as published; None where another process plans.

        What has become due is committed first, for a transaction changes no row twice. If it did,
        PostgreSQL would check the row's foreign keys again, and the turn would wait for whatever
        transaction holds that one job or its asset.
        """
        duties = iter((self._route, self._end_delays))
        while True:
            with self._database.begin() as connection:
                turn = turns.lock_planner(connection, PLANNING_LOCK)
                if turn is None:
                    return None
                if not any(duty(connection, turn) for duty in duties):  # those that are left
                    return self._choose_due(connection)

    def _end_delays(self, connection: Connection, _turn: PlannerLock) -> bool:
        return self._clock.turn(connection)

    def _choose_due(self, connection: Connection) -> list[ReadyRun]:
        self._admissions.begin_turn()
        levels = turns.list_levels(connection, list(self._catalog.queues))
        chosen = [
            run
            for queue in self._order_queues(levels)
            for run in self._choose_from(connection, queue, levels[queue])
        ]
        if chosen:
            self._mark_published(connection, [run.id for run in chosen])
        return chosen

    def _route(self, connection: Connection, turn: PlannerLock) -> bool:
        """Move runs to the queues that offer their hardware; return whether any was moved.

        They stay where that is impossible.
        """
        if not turn.needs_hardware:
            return False
        try:
            with connection.begin_nested():
                limit_lock_wait(connection, SWEEP_LOCK_SECONDS)
                return bool(hardware.route(connection))
        except Exception as error:
            if connection.invalidated or not connection.in_transaction():
                raise
            log.warning("work is not moved to hardware for now", why=str(error).partition("\n")[0])
            return False

    def _mark_published(self, connection: Connection, run_ids: Sequence[str]) -> None:
        """Mark the runs that are sent next as published, and announce before that their jobs wait.

        Announced afterwards, a worker would have to wait for the lock that announcing takes, or its
        own event would come first.
        """
        self._announce(connection, dispatch.list_unannounced_of(connection, run_ids))
        dispatch.stamp_published(connection, run_ids)

    def _order_queues(self, names: Collection[str]) -> list[str]:
        return sorted(names, key=lambda name: -self._catalog.queues[name].priority)

    def _choose_from(
        self, connection: Connection, queue: str, levels: Sequence[int]
    ) -> list[ReadyRun]:
        """Return the queue's runs to publish now, and postpone those whose kind's rate is used up.

        Runs of such a kind, of one that nobody installed knows, and of an owner's burst of which
        enough are out, are left out, and others take their places: however many of them are due,
        nothing else waits for them.
        """
        chosen, unknown, seen = list[ReadyRun](), set[str](), None
        while (without := sorted({*self._admissions.list_waiting(), *unknown})) != seen:
            seen = without
            found = self._planner.choose(
                connection, queue, levels, chosen=chosen, without_kinds=without
            )
            chosen += [run for run in found if self._admit(connection, run)]
            unknown |= {run.kind for run in found} - self._catalog.steps.keys()
        return chosen

    def _admit(self, connection: Connection, run: ReadyRun) -> bool:
        """Return whether the kind's rate allows a start now; if not, postpone the run."""
        kind = self._catalog.steps.get(run.kind)
        if kind is None:
            self._unknown.note(run)
            return False
        wait_seconds = self._admissions.admit(kind)
        if wait_seconds > 0:
            dispatch.postpone(connection, run.id, delay_seconds=wait_seconds)
        return wait_seconds <= 0

    def _send_all(self, stamped: Sequence[ReadyRun]) -> None:
        """Send the messages. Raises DependencyUnavailable, with what was not sent taken back.

        Where a queue takes no message, the other queues still get theirs: something else may be in
        its place. A second one that fails means that the broker is away.
        """
        unsent: list[ReadyRun] = []
        failures: dict[str, DependencyUnavailable] = {}
        for run in stamped:
            if run.queue in failures or len(failures) > 1:
                unsent.append(run)
                continue
            try:
                self._send(run)
            except DependencyUnavailable as error:
                failures[run.queue] = error
                unsent.append(run)
            except Exception:
                # No message can be made of this one; it keeps its stamp until it counts as lost.
                log.exception("run not published", run=run.id, kind=run.kind)
        if failures:
            self._unmark(unsent)
            raise next(iter(failures.values()))

    def _unmark(self, unsent: Sequence[ReadyRun]) -> None:
        with self._database.begin() as connection:
            dispatch.take_back(connection, [run.id for run in unsent])

    def _is_known(self, run: ReadyRun) -> bool:
        return run.kind in self._catalog.steps and run.queue in self._catalog.queues

    def _find_lost(self, connection: Connection, unclaimed: Sequence[ReadyRun]) -> list[ReadyRun]:
        by_queue: dict[str, list[ReadyRun]] = {}
        for run in filter(self._is_known, unclaimed):
            by_queue.setdefault(run.queue, []).append(run)
        lost: list[ReadyRun] = []
        failures = 0
        for queue, waiting in by_queue.items():
            # Against all that is out, also the fresh: else a queue that is never empty would hide
            # what it has lost.
            out = sum(load.published for load in turns.list_loads(connection, queue))
            try:
                if self._measure_depth(queue) < out:
                    lost.extend(waiting)
            except DependencyUnavailable:
                failures += 1
                if failures > 1 or len(by_queue) == 1:  # not one queue alone: the broker is away
                    raise
        return lost
