"""Importing a video by its path: checked against the allowed roots, copied, hashed."""

from __future__ import annotations

from functools import partial

from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.import_file import StoredUpload, import_file
from cinemill.steps.resources import StepResources
from cinemill.steps.source.plan import SourceParameters
from cinemill.steps.source.results import ImportResult
from cinemill.storage.database import Connection
from cinemill.storage.jobs import job_changes


def import_source(resources: StepResources, context: StepContext) -> StepOutcome:
    """Copy the video at the step's or the job's ``path`` into the store as the job's asset.

    Result: ``asset_id``, ``sha256``. Raises InputRejected, MediaRejected, DiskFull.
    """
    # A capability whose job names its video otherwise passes the path to the step.
    path = (
        context.parameters(SourceParameters).path or context.job_parameters(SourceParameters).path
    )
    upload = import_file(resources, context, str(path))
    return StepOutcome(
        write_result(ImportResult(upload.asset_id, upload.stored.sha256)),
        partial(_register, context=context, upload=upload),
    )


def _register(connection: Connection, *, context: StepContext, upload: StoredUpload) -> None:
    asset = upload.register(connection, context.run.owner)
    job_changes.assign_asset(connection, context.run.job_id, asset.id, filename=upload.filename)
