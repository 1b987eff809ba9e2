"""The job service of an upload backend, by the calls and names that its code has.

::

    from cinemill.worker.job_service import get_job_service

    jobs = get_job_service()
    job = jobs.queue_proxy_generation(video_id=video_id, priority=5)
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cinemill.core.documents import quote
from cinemill.core.files.asset_ids import read_asset_id
from cinemill.core.job import DEFAULT_OWNER, Job
from cinemill.errors import InputRejected
from cinemill.jobs.adoption.arguments import bind_arguments
from cinemill.jobs.adoption.names import find_kind
from cinemill.jobs.catalog import Catalog
from cinemill.jobs.service import JobService


def get_job_service(*_: object, **__: object) -> BackendJobService:
    """Return the service; arguments such as a session of another database are not needed."""
    from cinemill.worker.app import app  # reads the settings

    return BackendJobService(app.context.service, app.context.catalog)


class BackendJobService:
    """Jobs with ``video_id`` and ``job_type`` for what is called asset and kind elsewhere.

    A job has ``id``, ``kind``, ``state``, ``progress``, ``result``, ``failure`` and
    ``cancel_reason``.
    """

    def __init__(self, service: JobService, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    def create_job(
        self,
        video_id: str | UUID,
        job_type: str,
        priority: int | None = None,
        **parameters: Any,
    ) -> Job:
        """Accept a job for a stored video, with the parameters of its type.

        Raises InputRejected, NotFound, Conflict.
        """
        kind = self._find_kind(job_type)
        named: dict[str, Any] = {"video_id": _read_id(video_id), **parameters}
        params = bind_arguments(self._catalog.jobs[kind], (), named)
        asset_id: Any = params.pop("asset_id", None)
        return self._service.create_job(
            kind, owner=DEFAULT_OWNER, params=params, asset_id=asset_id, priority=priority
        )

    def queue_proxy_generation(self, video_id: str | UUID, priority: int | None = None) -> Job:
        """Create the proxy of a stored video, and what ingest makes besides. Raises NotFound."""
        return self._service.queue_proxy_generation(_read_id(video_id), priority)

    def get_job(self, job_id: str | UUID) -> Job:
        """Return a job. Raises NotFound."""
        return self._service.get_job(str(job_id))

    def get_jobs_for_video(self, video_id: str | UUID, limit: int = 100) -> list[Job]:
        """Return the jobs of a stored video, newest first."""
        return self._service.get_jobs_for_video(_read_id(video_id), limit=limit)

    def get_job_status(self, job_id: str | UUID) -> dict[str, Any]:
        """Return a job as JSON values, with its duration. Raises NotFound."""
        return self._service.get_job_status(str(job_id))

    def get_pending_jobs(self, job_type: str | None = None, limit: int = 100) -> list[Job]:
        """Return pending jobs, newest first. Raises InputRejected where there is no such type."""
        kind = None if job_type is None else self._find_kind(job_type)
        return self._service.get_pending_jobs(kind=kind, limit=limit)

    def cancel_job(self, job_id: str | UUID, reason: str = "") -> Job:
        """Cancel a job, and stop its processes; the reason is kept.

        Raises NotFound, Conflict where it has ended, InputRejected, LockTimeout.
        """
        return self._service.cancel_job(str(job_id), reason)

    def delete_old_jobs(self, days: float) -> int:
        """Delete jobs that ended more than this many days ago; return how many."""
        return self._service.delete_old_jobs(days)

    def _find_kind(self, job_type: str) -> str:
        kind = find_kind(job_type, self._catalog.jobs)
        if kind is None:
            raise InputRejected(
                f"There is no type of job called {quote(job_type)}.",
                code="job_kind_unknown",
                hint=f"Valid types: {', '.join(sorted(self._catalog.jobs))}.",
            )
        return kind


def _read_id(video_id: str | UUID) -> str:
    return read_asset_id(video_id) or str(video_id)
