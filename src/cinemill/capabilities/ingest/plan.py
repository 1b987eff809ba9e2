"""Parameters of ingest to its steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from cinemill.capabilities.ingest import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import (
    MAX_NUMBER,
    Expected,
    Listed,
    Parameters,
    choice_of,
    none_as,
    reject,
)
from cinemill.errors import InputRejected
from cinemill.steps import batch
from cinemill.steps.ingestion.plan import IngestionParameters, plan_ingestion
from cinemill.steps.ingestion.profiles import Profile
from cinemill.steps.ingestion.providers import Provider
from cinemill.steps.source.plan import SourceParameters, plan_source

BestEffort = Annotated[bool, none_as(False)]


class ProxyParameters(SourceParameters):
    """A video to prepare."""

    best_effort: BestEffort = False
    """Of a damaged or truncated video, create what can be created, and list what is missing."""


class IngestParameters(SourceParameters, IngestionParameters):
    """A video to import and prepare."""

    thumbnail_seconds: Annotated[
        float | None,
        Field(ge=0, le=MAX_NUMBER),
        Expected(f"a number of seconds from 0 to {MAX_NUMBER}", code="timestamp_invalid"),
    ] = None
    """Also create a thumbnail of this time, in seconds from the first frame."""
    best_effort: BestEffort = False
    """Of a damaged or truncated video, create what can be created, and list what is missing."""


def plan_ingest(params: IngestParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan the proxy of a video, all else that ingest makes of it, and what a profile finds out.

    A job for a stored asset begins with the probe; one for a ``path`` imports it first.
    """
    steps = [
        *plan_source("process_video", params, asset_id),
        StepSpec("prepare", kinds.PREPARE_SOURCE, after=("probe",)),
    ]
    if params.profile is None:
        if params.provider is not Provider.LOCAL:
            raise InputRejected(
                f"{params.provider.value} is only used in an ingestion with a profile.",
                code="provider_not_needed",
                hint="Add the profile standard or full, or leave the provider out.",
            )
        return steps
    return [*steps, *plan_ingestion(params.profile, params.provider)]


class OrchestrationParameters(SourceParameters):
    """A video to find out about."""

    profile: Annotated[Profile, choice_of(Profile), none_as(Profile.STANDARD)] = Profile.STANDARD
    """How much to find out: quick, standard or full."""
    provider: Annotated[Provider, choice_of(Provider), none_as(Provider.LOCAL)] = Provider.LOCAL
    """Who looks at the pictures: local, rekognition or nvidia."""
    best_effort: BestEffort = False
    """Of a damaged or truncated video, create what can be created, and list what is missing."""


def plan_orchestration(params: OrchestrationParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan a whole ingestion: that of ``process_video`` with a profile."""
    whole = IngestParameters(
        path=params.path,
        profile=params.profile,
        provider=params.provider,
        best_effort=params.best_effort,
    )
    return plan_ingest(whole, asset_id)


class VideoBatchParameters(Parameters):
    """Many videos to find out about."""

    assets: Annotated[
        Listed[str],
        Expected(
            "a list of ids of assets and of paths of videos",
            hint="Pass the list as the first argument, or as the parameter 'assets'.",
        ),
    ]
    """Ids of stored assets, or paths of videos that the workers can read; at most 1000. One that
    fails does not stop the others."""
    profile: Annotated[Profile, choice_of(Profile), none_as(Profile.STANDARD)] = Profile.STANDARD
    """How much to find out: quick, standard or full."""
    best_effort: BestEffort = False
    """Of damaged or truncated videos, create what can be created, and list what is missing."""

    @field_validator("assets", mode="after")
    @classmethod
    def _check_count(cls, assets: tuple[str, ...]) -> tuple[str, ...]:
        if not assets:
            raise reject("A batch needs at least one video.")
        if len(assets) > batch.MOST_CHILDREN:
            raise reject(
                f"A batch has at most {batch.MOST_CHILDREN} videos, this has {len(assets)}.",
                code="batch_too_long",
                hint="Submit several batches.",
            )
        return assets


def plan_video_batch(_params: VideoBatchParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan many ingestions, each a job of its own. Raises InputRejected.

    A video that cannot be ingested is no reason to refuse the others: it fails by itself.
    """
    if asset_id is not None:
        raise InputRejected(
            "batch_process_videos takes no asset: it has a list of them.",
            code="params_invalid",
            hint="Leave asset_id out, and put the asset into 'assets'.",
        )
    return [
        StepSpec(batch.SUBMITTED.step, kinds.SUBMIT_VIDEOS),
        StepSpec("collect", kinds.COLLECT_VIDEOS, after=(batch.SUBMITTED.step,)),
    ]


def name_children(job_id: str, params: VideoBatchParameters) -> list[str]:
    """Return the ids of a batch's ingestions: the same each time that they are asked for."""
    return batch.name_children(job_id, len(params.assets))


class RetryParameters(Parameters):
    """What to try again. Without parameters: everything of the job's owner."""

    asset: str | None = None
    """Id of an asset: only what failed or is missing for this video."""
    job: str | None = None
    """Id of a job, or of a batch: only this, or only the videos of this batch."""


def plan_retry(params: RetryParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan to try again what failed. Raises InputRejected."""
    if params.job is not None and (params.asset or asset_id) is not None:
        raise InputRejected(
            "retry_failed_tasks takes an asset or a job, not both.", code="params_invalid"
        )
    return [StepSpec("retry", kinds.RETRY_FAILED)]


def plan_proxy(params: ProxyParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan the proxy of a stored video, with all else that one decode of it gives.

    Raises InputRejected (``source_missing``).
    """
    return [
        *plan_source("generate_proxy_video", params, asset_id),
        StepSpec("prepare", kinds.PREPARE_SOURCE, after=("probe",)),
    ]


def plan_metadata(params: SourceParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan to find out what a video is. Raises InputRejected (``source_missing``)."""
    return [
        *plan_source("extract_video_metadata", params, asset_id),
        StepSpec("metadata", kinds.DESCRIBE_SOURCE, after=("probe",)),
    ]
