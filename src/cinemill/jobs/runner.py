"""A worker's work on one run: claim → handler → fenced commit. Every end is recorded once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from cinemill.core.job import ClaimedRun, Failure, Progress, RunState
from cinemill.errors import (
    CapabilityUnusable,
    CinemillError,
    DatabaseUnavailable,
    InputRejected,
    JobCancelled,
    LeaseLost,
    LockTimeout,
    Postponed,
    RedisUnavailable,
    WorkerStopping,
)
from cinemill.jobs.attempt import Limits, Watch
from cinemill.jobs.catalog import Catalog, Queue, RetryPolicy, StepKind
from cinemill.jobs.estimate import estimate_job_seconds_left
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.heartbeat import Heart
from cinemill.jobs.memory import reset_peak_rss
from cinemill.jobs.retries import plan_retry_delay
from cinemill.jobs.step import Handler, Report, StepContext, StepOutcome
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs import claims, dynamic_steps, runs
from cinemill.telemetry import get_logger

RECONNECT_SECONDS = 0.5
PART_RETRY_SECONDS = 5.0
HANDED_BACK = (WorkerStopping, Postponed, LeaseLost, DatabaseUnavailable, RedisUnavailable)
"""Nobody's fault: the step is tried again elsewhere, and nothing is counted."""

log = get_logger(__name__)


class Runner:
    """One a worker process. ``execute`` must run on the main thread: children get their
    parent-death signal from the thread that started them."""

    def __init__(
        self,
        database: Database,
        events: EventPublisher,
        handlers: Mapping[str, Handler],
        *,
        catalog: Catalog,
        limits: RetryPolicy,
        work_folder: Path,
        worker: str,
    ) -> None:
        self._database = database
        self._events = events
        self._handlers = handlers
        self._catalog = catalog
        self._limits = limits
        self._work_folder = work_folder
        self._worker = worker
        self._heart = Heart(database, give_up=self._give_up)
        self._claiming = False
        self._stop_reason: str | None = None
        """Why the worker was told to stop while it claimed this run or worked on it."""

    def execute(self, run_id: str) -> RunState | None:
        """Work on a run; None where there was nothing to claim. Never raises for the work's sake.

        Raises DatabaseUnavailable where the worker was told to stop before the claim was answered.
        """
        watch = self._take(run_id)
        if watch is None:
            return None
        if self._stop_reason is not None:
            watch.request_stop(WorkerStopping(self._stop_reason))
        run = watch.run
        log.info("run started", run=run.id, job=run.job_id, step=run.step_name, try_=run.attempt)
        try:
            return self._work(watch)
        finally:
            self._heart.release()
            shutil.rmtree(self._folder(run), ignore_errors=True)

    def request_stop_current(self, reason: str) -> bool:
        """Ask the try under way to end and be handed back; whether there was one.

        For a signal's handler: it may come at any moment, and in the middle of a claim too.
        """
        watch = self._heart.watch
        if watch is None and not self._claiming:
            return False
        self._stop_reason = reason
        if watch is not None:
            watch.request_stop(WorkerStopping(reason))
        return True

    def _take(self, run_id: str) -> Watch | None:
        self._stop_reason = None
        self._claiming = True
        try:
            return self._claim_patiently(run_id)
        finally:
            self._claiming = False

    def _claim_patiently(self, run_id: str) -> Watch | None:
        """Claim while PostgreSQL is away, for however long that is.

        A claim whose answer did not come may take effect later (the server was frozen), and would
        then be nobody's and count as a crash. And a worker that alone is cut off would else swallow
        all that is published, each in an instant.

        Where it is only this run that another transaction holds, the run is offered again later,
        and the worker free for other messages.
        """
        token = uuid4().hex  # of all tries at it: the answer of one that took may get lost
        may_be_ours = False
        while True:
            try:
                return self._claim(run_id, token)
            except DatabaseUnavailable as error:
                is_locked = isinstance(error, LockTimeout)
                may_be_ours = may_be_ours or not is_locked
                if is_locked and self._put_off(run_id, may_be_ours=may_be_ours):
                    return None
                if self._stop_reason is not None:
                    raise
                time.sleep(RECONNECT_SECONDS)

    def _put_off(self, run_id: str, *, may_be_ours: bool) -> bool:
        """Whether this run can be left to be offered again later: not where the whole table is
        locked, nor where an earlier claim, whose answer did not come, may have taken effect."""
        try:
            with self._database.once() as connection:
                is_noted = claims.put_off(connection, run_id)
        except DatabaseUnavailable:
            return False
        if may_be_ours and not is_noted:
            return False
        log.info("run put off", run=run_id, why="Another transaction holds its job.")
        return True

    def _claim(self, run_id: str, token: str) -> Watch | None:
        """The claimed run, attended from its first moment; None where there was none."""
        asked_at = time.monotonic()
        with self._database.once() as connection:
            run = claims.claim(
                connection,
                run_id,
                token=token,
                worker=self._worker,
                lease_seconds=self._limits.lease_seconds,
            )
        if run is None:
            return None
        watch = self._watch(run, asked_at)
        self._heart.attend(watch)
        return watch

    def _work(self, watch: Watch) -> RunState | None:
        run = watch.run
        try:
            outcome = self._handle(watch)
            self._commit(watch, outcome)
        except LeaseLost as error:
            return self._drop(watch, error)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is recorded
            return self._settle(watch, error)
        log.info(
            "run succeeded", run=run.id, job=run.job_id, seconds=time.monotonic() - watch.started
        )
        return RunState.SUCCEEDED

    def _handle(self, watch: Watch) -> StepOutcome:
        run = watch.run
        reset_peak_rss()
        folder = self._folder(run)
        folder.mkdir(mode=0o700, parents=True)
        context = StepContext(
            run=run,
            folder=folder,
            report=self._reporter(watch),
            should_stop=watch.should_stop,
            memory_bytes=watch.limits.memory_bytes,
            on_peak_memory=watch.record_command,
        )
        context.report(0.0, "Working")
        try:
            outcome = self._find_handler(run.step_kind)(context)
        finally:
            watch.is_ending = True
        seconds = time.monotonic() - watch.started
        return replace(outcome, result={**outcome.result, "seconds": round(seconds, 3)})

    def _find_handler(self, kind: str) -> Handler:
        """Return the handler of this kind of step. Raises CapabilityUnusable."""
        handler = self._handlers.get(kind)
        if handler is None:
            raise CapabilityUnusable(f"This worker has no handler for the step '{kind}'.")
        return handler

    def _reporter(self, watch: Watch) -> Report:
        run = watch.run

        def report(fraction: float, message: str) -> None:
            done = run.progress_share * min(1.0, max(0.0, fraction))
            watch.move(run.progress_base + done, message)
            elapsed = time.monotonic() - watch.started
            self._events.tell(
                Progress(
                    job_id=run.job_id,
                    job_kind=run.job_kind,
                    status="running",
                    progress=watch.progress,
                    message=message,
                    stage=run.step_name,
                    seconds_left=estimate_job_seconds_left(run, elapsed, fraction),
                )
            )

        return report

    def _commit(self, watch: Watch, outcome: StepOutcome) -> None:
        def write(connection: Connection) -> None:
            # The job's lock first, here too: the step's rows may be wanted by another job.
            job = runs.lock_job_of_claim(connection, watch.run)
            outcome.write(connection)
            dynamic_steps.add_steps(
                connection, watch.run, self._catalog.equip(outcome.steps, self._limits)
            )
            runs.commit_success(connection, watch.finished_run(), job, outcome.result)

        self._record(watch, write)

    def _drop(self, watch: Watch, error: LeaseLost) -> RunState | None:
        """End a try whose lease is lost. Where only this side's count of it was over, the row is
        still ours and is handed back: nobody has to take it for a crash."""
        log.warning("run dropped", run=watch.run.id, why=error.message)
        return self._settle(watch, error)

    def _settle(self, watch: Watch, error: Exception) -> RunState | None:
        """Record how this try ended badly."""
        watch.is_ending = True
        try:
            return self._settle_by_kind(watch, error)
        except (LeaseLost, DatabaseUnavailable) as lost:
            # The sweeper closes what is left of it once its lease is over, as a crash.
            log.warning("end not recorded", run=watch.run.id, why=str(lost), ended=str(error))
            return None
        except Exception:
            # The lease runs out and the try counts as a crash; the worker must live on.
            log.exception("end not recorded", run=watch.run.id, ended=str(error))
            return None

    def _settle_by_kind(self, watch: Watch, error: Exception) -> RunState:
        run = watch.finished_run()
        if isinstance(error, JobCancelled):
            self._record(watch, lambda connection: runs.confirm_cancel(connection, run))
            log.info("run cancelled", run=run.id, job=run.job_id)
            return RunState.CANCELLED
        if isinstance(error, HANDED_BACK):
            self._hand_back(watch, error)
            return RunState.RETURNED
        return self._record_failure(watch, error)

    def _hand_back(self, watch: Watch, error: CinemillError) -> None:
        delay = 0.0 if isinstance(error, WorkerStopping) else PART_RETRY_SECONDS
        if isinstance(error, Postponed):
            delay = error.delay_seconds
        failure = describe_failure(error)
        self._record(
            watch,
            lambda connection: runs.retry_later(
                connection, watch.finished_run(), RunState.RETURNED, failure, delay_seconds=delay
            ),
        )
        log.info("run handed back", run=watch.run.id, why=failure.message)

    def _record_failure(self, watch: Watch, error: Exception) -> RunState:
        run, failure = watch.finished_run(), describe_failure(error)
        state = RunState.REJECTED if isinstance(error, InputRejected) else RunState.FAILED
        log_failure(run, failure, error)

        def write(connection: Connection) -> None:
            tries = runs.get_step_tries(connection, run.step_id)
            failures = tries.failures + 1
            if state is RunState.REJECTED or failures >= tries.max_failures:
                runs.bury(connection, run, state, failure)
            else:
                delay = self._retry_delay(run, failures)
                runs.retry_later(connection, run, state, failure, delay_seconds=delay)

        self._record(watch, write)
        return state

    def _retry_delay(self, run: ClaimedRun, failures: int) -> float:
        base = self._catalog.steps[run.step_kind].retry_delay_seconds
        if base is None:
            base = self._limits.retry_delay_seconds
        return plan_retry_delay(failures, base, random.random())  # noqa: S311 - only a spread

    def _record(self, watch: Watch, write: Callable[[Connection], None]) -> None:
        """One fenced transaction, repeated while PostgreSQL is away or another transaction holds a
        row. Whether it came too late is the fence's to say: an outage of any length makes no crash
        of work whose worker lives, and this process can begin nothing else meanwhile.

        A commit whose answer was lost is recognised by its token. Raises LeaseLost; and
        DatabaseUnavailable where the worker was told to stop and a lease has passed.
        """
        patient_until = time.monotonic() + watch.limits.lease_seconds
        while True:
            try:
                with self._database.begin() as connection:
                    write(connection)
            except DatabaseUnavailable:
                is_late = time.monotonic() > max(patient_until, watch.deadline)
                if is_late and self._stop_reason is not None:
                    raise
                time.sleep(RECONNECT_SECONDS)
                if self._was_recorded(watch.run):
                    return
            else:
                return

    def _was_recorded(self, run: ClaimedRun) -> bool:
        try:
            with self._database.begin() as connection:
                return runs.was_committed(connection, run)
        except DatabaseUnavailable:
            return False

    def _give_up(self, watch: Watch) -> None:
        """The handler does not stop: record the end from the heart's thread and end this process,
        which takes its children along."""
        error = watch.stop
        if isinstance(error, LeaseLost):
            if not self._hand_back_unfinished(watch, error):
                return
        elif error is not None:
            self._settle(watch, error)
        log.warning("process given up", run=watch.run.id, why=str(error))
        os.kill(os.getpid(), signal.SIGKILL)

    def _hand_back_unfinished(self, watch: Watch, error: LeaseLost) -> bool:
        """Hand a run back whose handler is still at work; False where that ended meanwhile, and its
        own thread records how. While PostgreSQL is away nobody else can begin: it has that long."""
        failure = describe_failure(error)
        while not watch.is_ending:
            try:
                with self._database.begin() as connection:
                    runs.retry_later(
                        connection,
                        watch.finished_run(),
                        RunState.RETURNED,
                        failure,
                        delay_seconds=PART_RETRY_SECONDS,
                    )
            except LeaseLost:
                break
            except DatabaseUnavailable:
                time.sleep(RECONNECT_SECONDS)
            else:
                break
        return not watch.is_ending

    def _watch(self, run: ClaimedRun, asked_at: float) -> Watch:
        kind = self._catalog.steps[run.step_kind]
        queue = self._catalog.queues[kind.queue]
        limits = choose_limits(kind, queue, self._limits)
        return Watch(
            run=run,
            limits=limits,
            deadline=asked_at + limits.lease_seconds,
            progress=run.progress_base,
        )

    def _folder(self, run: ClaimedRun) -> Path:
        return self._work_folder / run.token


def choose_limits(kind: StepKind, queue: Queue, limits: RetryPolicy) -> Limits:
    """What holds for one try: the kind's word first, then the queue's, then the settings'."""
    soft_seconds = limits.queue_seconds.get(queue.name, (queue.soft_seconds, 0.0))[0]
    return Limits(
        lease_seconds=limits.lease_seconds,
        heartbeat_seconds=limits.heartbeat_seconds,
        stall_seconds=kind.stall_seconds or limits.stall_seconds,
        soft_seconds=soft_seconds,
        memory_bytes=queue.memory_bytes,
    )


def describe_failure(error: Exception) -> Failure:
    """Any exception in words; of an unexpected one, the traceback's end as the last lines."""
    if isinstance(error, CinemillError):
        return Failure(
            code=error.code,
            message=_make_storable(error.message),
            way_on=_make_storable(error.way_on),
            log_tail=_make_storable(error.log_tail),
            retryable=error.is_retryable,
        )
    lines = traceback.format_exception(error)
    return Failure(
        code="internal_error",
        message=_make_storable(f"An unexpected error: {type(error).__name__}: {error}"),
        way_on="Retry the job; if it fails again, report it with the lines below.",
        log_tail=_make_storable("".join(lines)[-4000:]),
    )


def _make_storable(text: str) -> str:
    """Without NUL and half surrogate pairs (an undecodable filename): PostgreSQL takes neither,
    and the end of a try must not fail to be recorded for its own words."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def log_failure(run: ClaimedRun, failure: Failure, error: Exception) -> None:
    """A rejection is the input's fault and a warning; an unexpected error comes with traceback."""
    told = {"run": run.id, "job": run.job_id, "step": run.step_name, "try_": run.attempt}
    if isinstance(error, CinemillError):
        log.warning("run failed", code=failure.code, why=failure.message, **told)
    else:
        log.error("run failed unexpectedly", exc_info=error, **told)
