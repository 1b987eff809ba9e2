"""The end of an attempt, recorded once: in a transaction that the claim's token fences."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

from cinemill.core.job import ClaimedRun, Failure, RunState
from cinemill.errors import (
    CinemillError,
    DatabaseUnavailable,
    InputRejected,
    JobCancelled,
    LeaseLost,
    Postponed,
    RedisUnavailable,
    WorkerStopping,
)
from cinemill.jobs.catalog import Catalog, RetryPolicy, list_optional
from cinemill.jobs.retries import plan_retry_delay
from cinemill.jobs.runs.attempt import Attempt
from cinemill.jobs.runs.failures import (
    describe_failure,
    find_evidence,
    log_failure,
    settle_failure,
)
from cinemill.jobs.runs.job_watch import JobWatch
from cinemill.jobs.step import StepOutcome
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs import dynamic_steps, runs
from cinemill.storage.jobs.waiting import missing_steps
from cinemill.telemetry import get_logger

RECONNECT_SECONDS = 0.5
PART_RETRY_SECONDS = 5.0
CONFIRM_SECONDS = 2.0
"""Until a failure that seems to be the input's own is tried once more, to be sure."""
HANDED_BACK = (WorkerStopping, Postponed, LeaseLost, DatabaseUnavailable, RedisUnavailable)
"""Nobody's fault: the step is tried again elsewhere, and nothing is counted."""

log = get_logger(__name__)


class Recorder:
    """One a worker process, next to its runner."""

    def __init__(
        self,
        database: Database,
        *,
        catalog: Catalog,
        limits: RetryPolicy,
        is_stopping: Callable[[], bool],
    ) -> None:
        """``is_stopping`` says whether the worker was asked to stop."""
        self._database = database
        self._catalog = catalog
        self._limits = limits
        self._is_stopping = is_stopping
        self._watch = JobWatch(database)

    def record_success(self, attempt: Attempt, outcome: StepOutcome) -> None:
        """Commit what the handler made, with the steps it adds. Raises LeaseLost."""

        def write(connection: Connection) -> None:
            # The job's lock first, here too: the step's rows may be wanted by another job.
            job = runs.lock_job_of_claim(connection, attempt.run)
            written = outcome.write(connection)
            dynamic_steps.add_steps(
                connection, attempt.run, self._catalog.resolve(outcome.steps, self._limits)
            )
            # A package's handler may return anything.
            added = written if isinstance(written, Mapping) else {}
            result = {**outcome.result, **added}
            runs.commit_success(connection, attempt.finished_run(), job, result)

        self._record(attempt, write)

    def record_error(self, attempt: Attempt, error: Exception) -> RunState | None:
        """Record an attempt that did not succeed; None where its end could not be recorded."""
        attempt.is_ending = True
        try:
            return self._record_by_kind(attempt, error)
        except (LeaseLost, DatabaseUnavailable) as lost:
            # The sweeper closes what is left of it once its lease is over, as a crash.
            log.warning(
                "run result not recorded", run=attempt.run.id, why=str(lost), ended=str(error)
            )
            return None
        except Exception:
            # The lease runs out and the attempt counts as a crash; the worker must live on.
            log.exception("run result not recorded", run=attempt.run.id, ended=str(error))
            return None

    def is_repeated(self, attempt: Attempt, error: Exception) -> bool:
        """Return whether the step's last attempt failed in the same way: this one rejects it."""
        evidence = find_evidence(attempt, error)
        if not evidence:
            return False
        with self._database.begin() as connection:
            attempts = runs.get_step_attempts(connection, attempt.run.step_id)
            return _is_repeated(connection, attempt.run, attempts, evidence)

    def _record_by_kind(self, attempt: Attempt, error: Exception) -> RunState:
        run = attempt.finished_run()
        if isinstance(error, JobCancelled):
            self._record(attempt, lambda connection: runs.confirm_cancel(connection, run))
            log.info("run cancelled", run=run.id, job=run.job_id)
            return RunState.CANCELLED
        if isinstance(error, HANDED_BACK):
            self._release(attempt, error)
            return RunState.RETURNED
        return self._record_failure(attempt, error)

    def _release(self, attempt: Attempt, error: CinemillError) -> None:
        delay = 0.0 if isinstance(error, WorkerStopping) else PART_RETRY_SECONDS
        if isinstance(error, Postponed):
            delay = error.delay_seconds
            self._watch.note_progress(attempt)  # the next attempt goes on from there
        failure = describe_failure(error)
        self._record(
            attempt,
            lambda connection: runs.retry_later(
                connection, attempt.finished_run(), RunState.RETURNED, failure, delay_seconds=delay
            ),
        )
        log.info("run returned to the queue", run=attempt.run.id, why=failure.message)

    def _record_failure(self, attempt: Attempt, error: Exception) -> RunState:
        run, failure = attempt.finished_run(), describe_failure(error)
        evidence = find_evidence(attempt, error)
        ended = RunState.REJECTED if isinstance(error, InputRejected) else RunState.FAILED
        log_failure(run, failure, error)
        self._watch.note_progress(attempt)  # the row shows no less than the events have shown

        def write(connection: Connection) -> None:
            nonlocal ended
            attempts = runs.get_step_attempts(connection, run.step_id)
            failures = attempts.failures + 1
            if _is_repeated(connection, run, attempts, evidence):
                ended = RunState.REJECTED
                self._give_up(connection, run, ended, settle_failure(failure))
            elif ended is RunState.REJECTED or failures >= attempts.max_failures:
                self._give_up(connection, run, ended, failure)
            else:
                delay = self._retry_delay(run, failures)
                if evidence:
                    delay = min(delay, CONFIRM_SECONDS)
                runs.retry_later(
                    connection, run, ended, failure, delay_seconds=delay, evidence=evidence
                )

        self._record(attempt, write)
        return ended

    def _give_up(
        self, connection: Connection, run: ClaimedRun, ended: RunState, failure: Failure
    ) -> None:
        """End the attempt with its step: missing where the step is optional, else dead."""
        is_optional = run.step_kind in list_optional(self._catalog)
        end = missing_steps.mark_missing if is_optional else runs.mark_dead
        end(connection, run, ended, failure)

    def _retry_delay(self, run: ClaimedRun, failures: int) -> float:
        base = self._catalog.steps[run.step_kind].retry_delay_seconds
        if base is None:
            base = self._limits.retry_delay_seconds
        return plan_retry_delay(failures, base, random.random())  # noqa: S311 - only a spread

    def _record(self, attempt: Attempt, write: Callable[[Connection], None]) -> None:
        """Commit one fenced transaction, repeated while PostgreSQL is away or a row is locked.

        The fence decides whether it came too late: an outage of any length makes no crash of work
        whose worker lives, and this process can begin nothing else meanwhile.

        A commit whose response was lost is recognised by its token. Raises LeaseLost; and
        DatabaseUnavailable where the worker is stopping and a lease has passed.
        """
        patient_until = time.monotonic() + attempt.limits.lease_seconds
        while True:
            try:
                with self._database.begin() as connection:
                    write(connection)
            except DatabaseUnavailable:
                is_late = time.monotonic() > max(patient_until, attempt.deadline)
                if is_late and self._is_stopping():
                    raise
                time.sleep(RECONNECT_SECONDS)
                if self._was_recorded(attempt.run):
                    return
            else:
                return

    def _was_recorded(self, run: ClaimedRun) -> bool:
        try:
            with self._database.begin() as connection:
                return runs.was_committed(connection, run)
        except DatabaseUnavailable:
            return False

    def hand_back_unfinished(self, attempt: Attempt, error: LeaseLost) -> bool:
        """Hand a run back whose handler is still at work; return False where it ended meanwhile.

        In that case its own thread records how it ended. While PostgreSQL is away nobody else can
        begin the run, so there is time until it returns.
        """
        failure = describe_failure(error)
        while not attempt.is_ending:
            try:
                with self._database.begin() as connection:
                    runs.retry_later(
                        connection,
                        attempt.finished_run(),
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
        return not attempt.is_ending


def _is_repeated(
    connection: Connection, run: ClaimedRun, attempts: runs.StepAttempts, evidence: str
) -> bool:
    """Return whether the step's last failure since it was queued by a person is this one again."""
    if not evidence or not attempts.failures:
        return False
    return runs.find_evidence(connection, run.step_id) == evidence
