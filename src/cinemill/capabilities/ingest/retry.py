"""Trying again what failed: failed ingestions from the failed step, and gaps by a new ingestion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from uuid import NAMESPACE_URL, uuid5

from cinemill.capabilities.ingest.plan import RetryParameters, VideoBatchParameters, name_children
from cinemill.core.job import Job, JobState
from cinemill.core.parameter_reader import read_stored_parameters
from cinemill.errors import Conflict, LockTimeout, NotFound
from cinemill.jobs.service import JobService
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.profiles import Profile
from cinemill.steps.resources import StepResources
from cinemill.storage.findings import ingestions
from cinemill.storage.jobs.job_queries import job_not_found
from cinemill.storage.media.assets import get_asset

BATCH_KIND = "batch_process_videos"
PROFILES = tuple(Profile)
"""From little to much."""


def retry_failed(resources: StepResources, context: StepContext) -> StepOutcome:
    """Resume failed jobs at the failed step, and ingest videos with gaps again.

    They are those of the named job or asset, else all of the job's owner. A video of which an
    ingestion is under way is left to that. Safe to run twice.

    Result: ``retried`` (how many), ``resumed`` and ``started`` (ids of jobs). Raises NotFound, also
    where the job or asset is another owner's.
    """
    owner = context.run.owner
    params = context.job_parameters(RetryParameters)
    asset_id = params.asset or context.run.asset_id
    if params.job is not None:
        jobs = _list_named(resources.service, params.job, owner)
        failed = [job.id for job in jobs if job.state is JobState.FAILED]
        assets = [job.asset_id for job in jobs if job.asset_id]
        incomplete = _list_incomplete(resources, assets, owner)
    elif asset_id is not None:
        _check_asset(resources, asset_id, owner)
        with resources.database.begin() as connection:
            failed = ingestions.list_failed(connection, owner=owner, asset_id=asset_id)
        incomplete = _list_incomplete(resources, [asset_id], owner)
    else:
        with resources.database.begin() as connection:
            failed = ingestions.list_failed(connection, owner=owner)
            incomplete = ingestions.list_incomplete(connection, owner=owner)
    resumed = [job_id for job_id in failed if _resume(resources.service, context, job_id)]
    started = [job_id for one in incomplete if (job_id := _ingest_again(resources, context, one))]
    return StepOutcome(
        {"retried": len(resumed) + len(started), "resumed": resumed, "started": started}
    )


def _check_asset(resources: StepResources, asset_id: str, owner: str) -> None:
    if get_asset(resources.database, asset_id).owner != owner:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")


def _list_named(service: JobService, job_id: str, owner: str) -> list[Job]:
    """Return the job of this id, and of a batch its videos' jobs that are still there."""
    named = service.get_job(job_id)
    if named.owner != owner:
        raise job_not_found(job_id)
    if named.kind != BATCH_KIND:
        return [named]
    params = read_stored_parameters(VideoBatchParameters, named.params)
    found = [named]
    for child in name_children(named.id, params):
        with suppress(NotFound):
            found.append(service.get_job(child))
    return found


def _list_incomplete(resources: StepResources, asset_ids: Iterable[str], owner: str) -> list[str]:
    with resources.database.begin() as connection:
        return [
            found
            for asset_id in dict.fromkeys(asset_ids)
            for found in ingestions.list_incomplete(connection, owner=owner, asset_id=asset_id)
        ]


def _resume(service: JobService, context: StepContext, job_id: str) -> bool:
    stop = context.should_stop()
    if stop is not None:
        raise stop
    # A Conflict: it was resumed along with its batch, or refused before its first step.
    with suppress(Conflict, NotFound, LockTimeout):
        service.retry_job(job_id)
        return True
    return False


def _ingest_again(resources: StepResources, context: StepContext, asset_id: str) -> str | None:
    """Return the id of a new ingestion; None where one is under way, or the video is gone."""
    job_id = str(uuid5(NAMESPACE_URL, f"{context.run.job_id}/{asset_id}"))
    with resources.database.begin() as connection:
        known = ingestions.list_ingestions(connection, asset_id)
    others = [job for job in known if job.id != job_id]
    if any(not job.state.is_final for job in others):
        return None
    with suppress(NotFound, Conflict):  # a Conflict: it is being deleted
        created = resources.service.create_job(
            ingestions.PREPARING_KIND,
            owner=get_asset(resources.database, asset_id).owner,
            params=choose_parameters(others),
            asset_id=asset_id,
            job_id=job_id,
            parent_id=context.run.job_id,
        )
        return created.id
    return None


def choose_parameters(jobs: Sequence[Job]) -> dict[str, object]:
    """Return the fullest profile, and the provider of the newest ingestion that names one.

    Where one made the best of a damaged video, the next does so too: otherwise it would fail.
    """
    named = [job.params["provider"] for job in jobs if job.params.get("provider")]
    provider: dict[str, object] = {"provider": named[0]} if named else {}
    is_tolerant = any(job.params.get("best_effort") is True for job in jobs)
    best_effort = {"best_effort": True} if is_tolerant else {}
    return {"profile": choose_profile(jobs).value, **provider, **best_effort}


def choose_profile(jobs: Sequence[Job]) -> Profile:
    """Return the fullest profile that these ingestions were asked for."""
    asked = [Profile(str(job.params.get("profile") or Profile.STANDARD).lower()) for job in jobs]
    return max(asked, key=PROFILES.index, default=Profile.STANDARD)
