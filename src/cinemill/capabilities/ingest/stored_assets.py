"""Assets of uploads: registered together with their job, deleted when no job needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from cinemill.core.job import Job
from cinemill.jobs.service import JobService
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs.job_queries import is_named_by_unfinished_job, list_jobs
from cinemill.storage.media import assets
from cinemill.storage.media.files import StoredFile


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that has been received and stored."""

    owner: str
    filename: str
    stored: StoredFile
    collection: str | None = None
    """To move the asset into; None leaves it where it is, and a new one in none."""


@dataclass(frozen=True, slots=True)
class UploadJob:
    """The job that processes an uploaded file."""

    kind: str
    params: Mapping[str, object]
    priority: int | None = None
    idempotency_key: str | None = None


def create_upload_job(
    database: Database, jobs: JobService, file: UploadedFile, job: UploadJob
) -> Job:
    """Register an asset and create its job in one transaction.

    The same bytes of the same owner are one asset. If it was about to be deleted, it stays.

    Raises InputRejected, NotFound; Conflict where the idempotency key was used for another request.
    """
    # The job must name the asset before either has a row. Where another upload of the same bytes
    # wins the race, its asset is used in the next round.
    while True:
        known = assets.find_asset(database, owner=file.owner, sha256=file.stored.sha256)
        asset_id = known.id if known else str(uuid4())
        try:
            return jobs.create_job(
                job.kind,
                owner=file.owner,
                params=job.params,
                asset_id=asset_id,
                priority=job.priority,
                idempotency_key=job.idempotency_key,
                filename=file.filename,
                in_transaction=partial(_register, asset_id=asset_id, file=file),
            )
        except _AssetRaced:
            continue


def delete_unused_asset(database: Database, asset_id: str) -> bool:
    """Delete an asset that no job needs; returns whether it was deleted.

    A job needs its own asset, and while it is unfinished, those that it names, as a render does.
    """
    with database.begin() as connection:
        # Not while the row is locked: it reads all unfinished jobs.
        if is_named_by_unfinished_job(connection, asset_id):
            return False
    with database.begin() as connection:
        # Locked first: an upload of the same bytes waits here, or is seen in the list.
        is_there = assets.lock_asset(connection, asset_id)
        if not is_there or list_jobs(connection, asset_id=asset_id, limit=1):
            return False
        return assets.delete_asset(connection, asset_id)


class _AssetRaced(Exception):
    """Another upload registered the same bytes after they were looked up."""


def _register(connection: Connection, *, asset_id: str, file: UploadedFile) -> None:
    asset, _ = assets.register_asset(
        connection,
        owner=file.owner,
        sha256=file.stored.sha256,
        size_bytes=file.stored.size_bytes,
        filename=file.filename,
        asset_id=asset_id,
    )
    if asset.id != asset_id:
        raise _AssetRaced
    if file.collection is not None:
        assets.set_collection(connection, asset_id, file.collection)
