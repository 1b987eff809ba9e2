"""The job service: submit, read, cancel and retry. Every entry point calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from cinemill.core.documents import check_text
from cinemill.core.job import (
    DEFAULT_OWNER,
    DeadStep,
    Failure,
    Job,
    JobState,
    read_priority,
)
from cinemill.core.page_position import PagePosition
from cinemill.errors import Conflict, InputRejected, LockTimeout, NotFound
from cinemill.jobs import child_jobs
from cinemill.jobs.catalog import Catalog, RetryPolicy
from cinemill.jobs.figures import JobFigures
from cinemill.jobs.job_document import describe_job, describe_step
from cinemill.jobs.planning.request_digest import digest_request
from cinemill.jobs.portions import delete_in_portions
from cinemill.storage.database import Connection, Database, limit_lock_wait
from cinemill.storage.ids import make_id
from cinemill.storage.jobs import job_changes, job_queries, new_jobs, recovery, statistics
from cinemill.storage.jobs.new_jobs import AT_ONCE, NewJob, NewStep, Timing
from cinemill.storage.media import assets

STOP_POLL_SECONDS = 0.1
BULK_LOCK_SECONDS = 0.1
"""How long each job of many is waited for where another transaction holds it."""
LONGEST_REASON_BYTES = 2000


class JobService(JobFigures):
    """Synchronous; every method is one short transaction. Safe to share between threads.

    All raise DatabaseUnavailable where PostgreSQL is gone; nothing is half-done then.
    """

    def __init__(
        self, database: Database, *, catalog: Catalog, limits: RetryPolicy | None = None
    ) -> None:
        super().__init__(database)
        self._catalog = catalog
        self._limits = limits or RetryPolicy()

    def create_job(
        self,
        kind: str,
        *,
        owner: str = DEFAULT_OWNER,
        params: Mapping[str, object] | None = None,
        asset_id: str | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
        job_id: str | None = None,
        parent_id: str | None = None,
        filename: str = "",
        timing: Timing = AT_ONCE,
        in_transaction: Callable[[Connection], None] | None = None,
    ) -> Job:
        """Accept a job: once this returns, it will end once.

        ``priority`` 0–10, 10 first; None takes its queue's. The same ``idempotency_key`` of the
        same owner, or the same ``job_id``, returns the job created the first time. ``parent_id`` is
        the job that submits it, with which it is cancelled. ``filename`` is what the user calls the
        video; ``timing`` is when the job may begin. ``in_transaction`` writes in the same
        transaction, before the job. Raises InputRejected, NotFound; Conflict, also where the asset
        is being deleted (``asset_being_deleted``); JobCancelled where the parent was cancelled or
        has ended.
        """
        for name, value in (("idempotency_key", idempotency_key), ("job_id", job_id)):
            if value is not None:
                check_text(value, name)
        new, steps = self._make_job(
            kind,
            owner=owner,
            params=dict(params or {}),
            asset_id=asset_id,
            priority=priority,
            idempotency_key=idempotency_key,
            job_id=job_id,
            parent_id=parent_id,
            filename=filename,
        )
        new = replace(new, timing=timing)
        if in_transaction is None and parent_id is None:
            with self._database.once() as connection:
                return new_jobs.insert_job(connection, new, steps)[0]
        with self._database.begin() as connection:
            if parent_id is not None:
                recovery.lock_parent(connection, parent_id)
            if in_transaction is not None:
                in_transaction(connection)
            return new_jobs.insert_job(connection, new, steps)[0]

    def add_job(
        self, connection: Connection, kind: str, asset_id: str, *, owner: str = DEFAULT_OWNER
    ) -> Job:
        """Accept a job without parameters in the caller's transaction: both take effect, or none.

        Raises InputRejected, NotFound, Conflict (``asset_being_deleted``).
        """
        new, steps = self._make_job(kind, owner=owner, params={}, asset_id=asset_id, priority=None)
        return new_jobs.insert_job(connection, new, steps)[0]

    def create_jobs(
        self,
        kind: str,
        asset_ids: Sequence[str],
        *,
        owner: str = DEFAULT_OWNER,
        params: Mapping[str, object] | None = None,
        priority: int | None = None,
    ) -> list[Job]:
        """Accept a job for each asset, in their order: all of them, or none.

        Raises InputRejected, NotFound, Conflict (``asset_being_deleted``).
        """
        made = [
            self._make_job(
                kind, owner=owner, params=dict(params or {}), asset_id=one, priority=priority
            )
            for one in asset_ids
        ]
        with self._database.begin() as connection:
            return [new_jobs.insert_job(connection, *one)[0] for one in made]

    def _make_job(
        self,
        kind: str,
        *,
        owner: str,
        params: Mapping[str, object],
        asset_id: str | None,
        priority: int | None,
        idempotency_key: str | None = None,
        job_id: str | None = None,
        parent_id: str | None = None,
        filename: str = "",
    ) -> tuple[NewJob, list[NewStep]]:
        steps = self._plan_steps(kind, params, asset_id)
        new = NewJob(
            id=job_id or make_id(),
            kind=kind,
            owner=check_text(owner, "owner"),
            priority=self._choose_priority(priority, steps),
            asset_id=asset_id,
            params=params,
            idempotency_key=idempotency_key,
            request_digest=digest_request(kind, params, asset_id),
            parent_id=parent_id,
            filename=filename,
        )
        return new, steps

    def create_rejected(self, kind: str, error: InputRejected, *, owner: str, job_id: str) -> Job:
        """Record a request that can never work as a failed job, so that its id can be queried.

        Raises InputRejected where the id or the owner cannot be recorded.
        """
        check_text(owner, "owner")
        check_text(job_id, "job_id")
        failure = Failure(error.code, error.message, error.hint, error.log_tail, error.is_retryable)
        with self._database.begin() as connection:
            new_jobs.insert_rejected(connection, job_id, kind, owner, failure)
            return job_queries.get_job(connection, job_id)

    def queue_proxy_generation(
        self, video_id: str, priority: int | None = None, *, owner: str = DEFAULT_OWNER
    ) -> Job:
        """Create the proxy of a stored asset and all other outputs of ingest. Raises NotFound."""
        assets.get_asset(self._database, check_text(video_id, "asset_id"))
        return self.create_job("process_video", owner=owner, asset_id=video_id, priority=priority)

    def get_job(self, job_id: str) -> Job:
        """Return a job. Raises NotFound."""
        with self._database.begin() as connection:
            return job_queries.get_job(connection, job_id)

    def get_jobs_for_video(self, asset_id: str, *, limit: int = 100) -> list[Job]:
        return self.list_jobs(asset_id=asset_id, limit=limit)

    def get_job_status(self, job_id: str) -> dict[str, Any]:
        """Return the job as JSON values, with its steps, duration, seconds left and queue place.

        Raises NotFound.
        """
        with self._database.begin() as connection:
            job = job_queries.get_job(connection, job_id)
            steps = job_queries.list_steps(connection, job_id)
            place = (
                statistics.place_in_queue(connection, job_id)
                if job.state is JobState.PENDING
                else None
            )
        return describe_job(job) | {
            "queue_place": place,
            "steps": [describe_step(step) for step in steps],
        }

    def get_pending_jobs(
        self,
        *,
        kind: str | None = None,
        owner: str | None = None,
        older_than_seconds: float | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Return pending jobs, newest first."""
        with self._database.begin() as connection:
            return job_queries.list_jobs(
                connection,
                states=[JobState.PENDING],
                kind=kind,
                owner=owner,
                older_than_seconds=older_than_seconds,
                limit=limit,
            )

    def list_jobs(
        self,
        *,
        states: Sequence[JobState] = (),
        kind: str | None = None,
        owner: str | None = None,
        asset_id: str | None = None,
        before: str | None = None,
        after: PagePosition | None = None,
        id_prefix: str | None = None,
        of_videos: bool = False,
        limit: int = 50,
    ) -> list[Job]:
        """Return jobs, newest first: those older than the job ``before``, ``after`` a position."""
        with self._database.begin() as connection:
            return job_queries.list_jobs(
                connection,
                states=states,
                kind=kind,
                owner=owner,
                asset_id=asset_id,
                before=before,
                after=after,
                id_prefix=id_prefix,
                of_videos=of_videos,
                limit=limit,
            )

    def cancel_job(self, job_id: str, reason: str = "") -> Job:
        """Cancel a job: at once where nothing runs yet, else as soon as its process has stopped.

        The jobs that it has submitted are cancelled with it, whatever dies meanwhile. Cancelling a
        cancelled job again changes nothing else.

        Raises NotFound; Conflict where it has completed or failed; InputRejected
        (``reason_invalid``); LockTimeout where another transaction holds it: then call it again.
        """
        words = check_text(reason, "reason", most_bytes=LONGEST_REASON_BYTES)
        words = words or "cancelled by the user"
        with self._database.begin() as connection:
            job, marked = child_jobs.cancel(self._catalog, connection, job_id, words)
        child_jobs.finish_cancels(self._database, marked)
        return job

    def retry_job(self, job_id: str) -> Job:
        """Retry a failed or cancelled job from the step that failed, with fresh attempts.

        Those of the jobs it has submitted that failed or were cancelled are retried with it.

        Raises NotFound; Conflict where it is under way or completed, or still being stopped.
        """
        with self._database.begin() as connection:
            return child_jobs.retry(self._catalog, connection, job_id)

    def retry_failed(self, *, kind: str | None = None, code: str | None = None) -> int:
        """Retry all failed jobs of this kind and with this error code, and return how many.

        Each is retried in a transaction of its own. A job that another transaction holds is left as
        it is.
        """
        with self._database.begin() as connection:
            failed = recovery.list_failed(connection, kind=kind, code=code)
        return sum(self._retry_unlocked(job_id) for job_id in failed)

    def _retry_unlocked(self, job_id: str) -> bool:
        # A Conflict: it was retried already, along with the job that submitted it.
        with suppress(Conflict, NotFound, LockTimeout), self._database.begin() as connection:
            limit_lock_wait(connection, BULK_LOCK_SECONDS)
            child_jobs.retry(self._catalog, connection, job_id)
            return True
        return False

    def list_dead(self, limit: int = 100, *, after: PagePosition | None = None) -> list[DeadStep]:
        """Return the dead steps, latest first; those ``after`` a position."""
        with self._database.begin() as connection:
            return job_queries.list_dead(connection, after=after, limit=limit)

    def redrive(self, step_id: str) -> Job:
        """Retry the job of a dead step. Raises NotFound, Conflict."""
        with self._database.begin() as connection:
            retry = partial(child_jobs.retry, self._catalog)
            return recovery.redrive(connection, step_id, retry_one=retry)

    def delete_job(self, job_id: str) -> None:
        """Delete a job that has ended; its asset stays. Raises NotFound, Conflict.

        What it has submitted and is still under way is cancelled, unless it has completed.
        """
        with self._database.begin() as connection:
            marked = child_jobs.delete(self._catalog, connection, job_id)
        child_jobs.finish_cancels(self._database, marked)

    def stop_and_delete(self, job_id: str, *, patience_seconds: float = 10.0) -> None:
        """Cancel the job if it has not ended, wait until its process is gone, and delete it.

        Raises NotFound; Conflict where the work has not stopped in time: it will, so call it again.
        """
        if not self.get_job(job_id).state.is_final:
            with suppress(Conflict):  # it ended in the meantime
                self.cancel_job(job_id, "deleted by the user")
        give_up_at = time.monotonic() + patience_seconds
        while not self.get_job(job_id).state.is_final and time.monotonic() < give_up_at:
            time.sleep(STOP_POLL_SECONDS)
        self.delete_job(job_id)

    def delete_old_jobs(self, days: float) -> int:
        """Delete jobs that ended more than ``days`` ago, in portions; return how many."""
        delete = partial(job_changes.delete_old_jobs, older_than_days=days)
        return delete_in_portions(self._database, lambda c, limit: delete(c, limit=limit))

    def _plan_steps(
        self, kind: str, params: Mapping[str, object], asset_id: str | None
    ) -> list[NewStep]:
        return self._catalog.resolve(self._catalog.plan(kind, params, asset_id), self._limits)

    def _choose_priority(self, priority: int | None, steps: Sequence[NewStep]) -> int:
        if priority is None:
            return self._catalog.queues[steps[0].queue].priority
        return read_priority(priority)
