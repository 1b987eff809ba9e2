"""Parameters of ingest to its steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cinemill.capabilities.ingest import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import MAX_NUMBER, Expected, choice_of, none_as
from cinemill.errors import InputRejected
from cinemill.steps.ingestion.plan import IngestionParameters, plan_ingestion
from cinemill.steps.ingestion.profiles import Profile
from cinemill.steps.ingestion.providers import Provider
from cinemill.steps.source.plan import SourceParameters, plan_source


class IngestParameters(SourceParameters, IngestionParameters):
    """A video to import and prepare."""

    thumbnail_seconds: Annotated[
        float | None,
        Field(ge=0, le=MAX_NUMBER),
        Expected(f"a number of seconds from 0 to {MAX_NUMBER}", code="timestamp_invalid"),
    ] = None
    """Also create a thumbnail of this time, in seconds from the first frame."""


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


def plan_orchestration(params: OrchestrationParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan a whole ingestion: that of ``process_video`` with a profile."""
    whole = IngestParameters(path=params.path, profile=params.profile, provider=params.provider)
    return plan_ingest(whole, asset_id)
