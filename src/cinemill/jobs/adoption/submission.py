"""Submits a call of a task as a job, with the jobs that follow it: all of them, or none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from cinemill.core.documents import JsonObject
from cinemill.core.job import DEFAULT_OWNER, Job
from cinemill.errors import CinemillError, Conflict, DependencyUnavailable, InputRejected
from cinemill.jobs.adoption.abandoned import cancel_abandoned, find_abandoned
from cinemill.jobs.adoption.arguments import bind_arguments
from cinemill.jobs.adoption.follow_ups import FollowUps
from cinemill.jobs.adoption.timing import read_timing
from cinemill.jobs.catalog import Catalog, JobKind
from cinemill.jobs.service import JobService
from cinemill.storage.database import Connection, Database
from cinemill.storage.ids import make_id
from cinemill.storage.jobs.waiting.followers import Follower, insert_follower

_LINKS = ("link", "link_error", "chain")
FOLLOW_UP_OPTIONS = (*_LINKS, "group_id")
"""Options that say where a call stands among others."""


class CallSubmitter:
    """Submits what Celery's clients call; everything belongs to one owner."""

    def __init__(self, service: JobService, database: Database, catalog: Catalog) -> None:
        self._service = service
        self._database = database
        self._catalog = catalog

    def submit(
        self,
        kind: JobKind[Any],
        args: Sequence[Any],
        kwargs: JsonObject,
        *,
        job_id: str | None,
        priority: int | None,
        options: JsonObject,
    ) -> Job:
        """Create the job of a call, and the rows of what follows it.

        ``options`` are Celery's, as plain JSON: ``countdown``, ``eta``, ``expires``,
        ``time_limit``, ``soft_time_limit``, ``link``, ``link_error``, ``chain`` and ``group_id``.
        Raises InputRejected, NotFound, Conflict, TooLarge, DatabaseUnavailable.

        What is refused of a group becomes a failed job: the others of it may have begun, and are
        known by the result of the whole group only.
        """
        try:
            return self._create(kind, args, kwargs, job_id, priority, options)
        except (DependencyUnavailable, Conflict):
            raise
        except CinemillError as error:
            if job_id is None or not _is_of_group(options):
                raise
            reason = InputRejected(error.message, code=error.code, hint=error.hint)
            job = self._service.create_rejected(
                kind.name, reason, owner=DEFAULT_OWNER, job_id=job_id
            )
            self.insert_followers(job_id, options)
            return job

    def _create(
        self,
        kind: JobKind[Any],
        args: Sequence[Any],
        kwargs: JsonObject,
        job_id: str | None,
        priority: int | None,
        options: JsonObject,
    ) -> Job:
        params = bind_arguments(kind, args, kwargs)
        asset_id: Any = params.get("asset_id")
        timing = read_timing(options)
        job_id = job_id or make_id()
        found = self._list_followers(job_id, options)
        return self._service.create_job(
            kind.name,
            owner=DEFAULT_OWNER,
            params={name: value for name, value in params.items() if name != "asset_id"},
            asset_id=asset_id,
            priority=priority,
            job_id=job_id,
            timing=timing,
            in_transaction=partial(_insert_all, found) if found else None,
        )

    def submit_body(
        self, signature: JsonObject, header_ends: Sequence[str], *, header_jobs: Sequence[str]
    ) -> None:
        """Create the rows of a chord's body, which waits for the jobs that end its header.

        Its error links wait for a failure of any of ``header_jobs``. Raises InputRejected,
        DatabaseUnavailable.
        """
        follow_ups = FollowUps(self._catalog, owner=DEFAULT_OWNER)
        follow_ups.add_body(signature, header_ends, header_jobs=header_jobs)
        with self._database.begin() as connection:
            _insert_all(list(follow_ups.found.values()), connection)

    def insert_followers(self, job_id: str, options: JsonObject) -> None:
        """Create the rows of what follows a job that failed. Raises DatabaseUnavailable.

        Where something of it is refused, all are cancelled.
        """
        try:
            found = self._list_followers(job_id, options)
        except InputRejected as error:
            abandoned = find_abandoned(options, self._catalog.jobs)
            cancel_abandoned(self._database, abandoned, after=job_id, why=error.message)
            return
        with self._database.begin() as connection:
            _insert_all(found, connection)

    def _list_followers(self, job_id: str, options: JsonObject) -> list[Follower]:
        follow_ups = FollowUps(self._catalog, owner=DEFAULT_OWNER)
        if any(options.get(name) for name in _LINKS):
            follow_ups.add_all(job_id, options)
        return list(follow_ups.found.values())


def _is_of_group(options: JsonObject) -> bool:
    """Check whether a call is of a group, by itself or with the chain that it begins."""
    if options.get("group_id"):
        return True
    following = options.get("chain")
    return isinstance(following, list) and any(
        isinstance(one, dict) and bool((one.get("options") or {}).get("group_id"))
        for one in following
    )


def _insert_all(found: Sequence[Follower], connection: Connection) -> None:
    for follower in found:
        insert_follower(connection, follower)
