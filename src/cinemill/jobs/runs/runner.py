"""A worker's work on one run: claim → handler → fenced commit. Every end is recorded once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from cinemill.core.job import ClaimedRun, Progress, RunState
from cinemill.errors import (
    CapabilityUnusable,
    DatabaseUnavailable,
    LeaseLost,
    LockTimeout,
    OutputInvalid,
    WorkerStopping,
)
from cinemill.jobs.catalog import Catalog, RetryPolicy
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.runs.attempt import Attempt, choose_limits
from cinemill.jobs.runs.failures import name_cause
from cinemill.jobs.runs.heartbeat import Heartbeat
from cinemill.jobs.runs.leftovers import remove_leftovers
from cinemill.jobs.runs.memory import reset_peak_rss
from cinemill.jobs.runs.recording import RECONNECT_SECONDS, Recorder
from cinemill.jobs.step import Handler, ProgressCallback, StepContext, StepOutcome
from cinemill.storage.database import Database
from cinemill.storage.jobs import claims
from cinemill.storage.jobs.job_clock.readings import ClockReading
from cinemill.telemetry import get_logger

HANDLER_HINT = "Report it to the authors of the package that brings this step."

log = get_logger(__name__)


class Runner:
    """Executes runs; one for each worker process.

    ``execute`` must run on the main thread: children get their parent-death signal from the thread
    that started them.
    """

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
        self._heartbeat = Heartbeat(database, on_unresponsive=self._give_up)
        self._claiming = False
        self._stop_reason: str | None = None
        """Why the worker was asked to stop while it claimed this run or worked on it."""
        self._recorder = Recorder(
            database,
            catalog=catalog,
            limits=limits,
            is_stopping=lambda: self._stop_reason is not None,
        )

    def execute(self, run_id: str) -> RunState | None:
        """Work on a run; None where there was nothing to claim. Never raises for the work's sake.

        Raises DatabaseUnavailable where the worker was asked to stop before the claim returned.
        """
        attempt = self._take(run_id)
        if attempt is None:
            return None
        if self._stop_reason is not None:
            attempt.request_stop(WorkerStopping(self._stop_reason))
        run = attempt.run
        log.info("run started", run=run.id, job=run.job_id, step=run.step_name, attempt=run.attempt)
        try:
            return self._work(attempt)
        finally:
            self._heartbeat.stop_watching()
            shutil.rmtree(self._folder(run), ignore_errors=True)

    def request_stop_current(self, reason: str) -> bool:
        """Ask the current attempt to end and be handed back; return whether there was one.

        For a signal's handler: it may come at any moment, and in the middle of a claim too.
        """
        attempt = self._heartbeat.attempt
        if attempt is None and not self._claiming:
            return False
        self._stop_reason = reason
        if attempt is not None:
            attempt.request_stop(WorkerStopping(reason))
        return True

    def _take(self, run_id: str) -> Attempt | None:
        self._stop_reason = None
        self._claiming = True
        try:
            return self._claim_patiently(run_id)
        finally:
            self._claiming = False

    def _claim_patiently(self, run_id: str) -> Attempt | None:
        """Claim while PostgreSQL is away, for however long that is.

        A claim whose response did not arrive may take effect later (the server was frozen), and
        would then be nobody's and count as a crash. And a worker that alone is cut off would else
        swallow all that is published, each in an instant.

        Where it is only this run that another transaction holds, the run is offered again later,
        and the worker free for other messages.
        """
        token = uuid4().hex  # shared by all attempts to claim: the response of one may get lost
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
        """Return whether this run can be left to be offered again later.

        It cannot where the whole table is locked, nor where an earlier claim, whose response did
        not arrive, may have taken effect.
        """
        try:
            with self._database.once() as connection:
                is_noted = claims.put_off(connection, run_id)
        except DatabaseUnavailable:
            return False
        if may_be_ours and not is_noted:
            return False
        log.info("run postponed", run=run_id, why="Another transaction has locked the job's row.")
        return True

    def _claim(self, run_id: str, token: str) -> Attempt | None:
        """Return the claimed run, monitored from its first moment; None where there was none."""
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
        attempt = self._start_attempt(run, asked_at)
        self._heartbeat.watch_attempt(attempt)
        return attempt

    def _work(self, attempt: Attempt) -> RunState | None:
        run = attempt.run
        try:
            outcome = self._handle(attempt)
            self._recorder.record_success(attempt, outcome)
        except LeaseLost as error:
            return self._drop(attempt, error)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is recorded
            return self._recorder.record_error(attempt, name_cause(error))
        log.info(
            "run succeeded", run=run.id, job=run.job_id, seconds=time.monotonic() - attempt.started
        )
        return RunState.SUCCEEDED

    def _handle(self, attempt: Attempt) -> StepOutcome:
        run = attempt.run
        reset_peak_rss()
        remove_leftovers(self._database, self._work_folder, run)
        folder = self._folder(run)
        folder.mkdir(mode=0o700, parents=True)
        context = StepContext(
            run=run,
            folder=folder,
            report=self._reporter(attempt),
            should_stop=attempt.should_stop,
            memory_bytes=attempt.limits.memory_bytes,
            on_peak_memory=attempt.record_memory,
            on_command=attempt.record_command,
            is_repeated=partial(self._recorder.is_repeated, attempt),
        )
        context.report(0.0, "Working")
        try:
            outcome = _call(self._find_handler(run.step_kind), context)
        finally:
            attempt.is_ending = True
        seconds = time.monotonic() - attempt.started
        return replace(outcome, result={**outcome.result, "seconds": round(seconds, 3)})

    def _find_handler(self, kind: str) -> Handler:
        """Return the handler of this kind of step. Raises CapabilityUnusable."""
        handler = self._handlers.get(kind)
        if handler is None:
            raise CapabilityUnusable(f"This worker has no handler for the step '{kind}'.")
        return handler

    def _reporter(self, attempt: Attempt) -> ProgressCallback:
        run = attempt.run

        def report(fraction: float, message: str) -> None:
            attempt.move(fraction, message)
            is_sent = self._events.publish(
                Progress(
                    job_id=run.job_id,
                    job_kind=run.job_kind,
                    status="running",
                    progress=attempt.progress,
                    message=message,
                    stage=run.step_name,
                    seconds_left=attempt.seconds_left,
                ),
                is_first=not attempt.is_shown,
            )
            attempt.is_shown = attempt.is_shown or is_sent

        return report

    def _drop(self, attempt: Attempt, error: LeaseLost) -> RunState | None:
        """End an attempt whose lease is lost.

        Where only this side considered the lease expired, the row is still ours and is handed back,
        so that it does not count as a crash.
        """
        log.warning("run dropped", run=attempt.run.id, why=error.message)
        return self._recorder.record_error(attempt, error)

    def _give_up(self, attempt: Attempt) -> None:
        """Record the end of an unresponsive handler and end this process.

        Runs on the heartbeat's thread. Child processes end with this one.
        """
        error = attempt.stop
        if isinstance(error, LeaseLost):
            if not self._recorder.hand_back_unfinished(attempt, error):
                return
        elif error is not None:
            self._recorder.record_error(attempt, error)
        log.warning("unresponsive process killed", run=attempt.run.id, why=str(error))
        os.kill(os.getpid(), signal.SIGKILL)

    def _start_attempt(self, run: ClaimedRun, asked_at: float) -> Attempt:
        kind = self._catalog.steps[run.step_kind]
        queue = self._catalog.queues[kind.queue]
        limits = choose_limits(kind, queue, self._limits)
        return Attempt(
            run=run,
            limits=limits,
            deadline=asked_at + limits.lease_seconds,
            clock=ClockReading(run.progress_base, run.progress_share, run.fraction_kept),
            fraction=run.fraction_kept,
            is_shown=run.progress_base > 0.0,
            ends_at=None if run.seconds_left is None else time.monotonic() + run.seconds_left,
        )

    def _folder(self, run: ClaimedRun) -> Path:
        return self._work_folder / run.token


def _call(handler: Handler, context: StepContext) -> StepOutcome:
    """Call a handler, which may be a package's. Raises what it raises.

    If it calls ``sys.exit`` or returns something else than an outcome, this raises OutputInvalid:
    both end the attempt and not the worker.
    """
    try:
        outcome: object = handler(context)
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        # Celery's own ways to end a worker are kinds of SystemExit too.
        if isinstance(error, SystemExit) and type(error) is not SystemExit:
            raise
        kind = context.run.step_kind
        raise OutputInvalid(
            f"The handler of '{kind}' tried to end the worker ({type(error).__name__}: {error}).",
            hint=HANDLER_HINT,
        ) from error
    if isinstance(outcome, StepOutcome):
        return outcome
    raise OutputInvalid(
        f"The handler of '{context.run.step_kind}' returned a {type(outcome).__name__} instead of"
        " a StepOutcome.",
        hint=HANDLER_HINT,
    )
