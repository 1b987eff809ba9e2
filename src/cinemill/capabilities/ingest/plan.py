"""Parameters of ingest to its steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cinemill.capabilities.ingest import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import MAX_NUMBER, Expected
from cinemill.steps.source.plan import SourceParameters, plan_source


class IngestParameters(SourceParameters):
    """A video to import and prepare."""

    thumbnail_seconds: Annotated[
        float | None,
        Field(ge=0, le=MAX_NUMBER),
        Expected(f"a number of seconds from 0 to {MAX_NUMBER}", code="timestamp_invalid"),
    ] = None
    """Also create a thumbnail of this time, in seconds from the first frame."""


def plan_ingest(params: IngestParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan the proxy of a video and all else that ingest makes of it.

    A job for a stored asset begins with the probe; one for a ``path`` imports it first.
    """
    return [
        *plan_source("process_video", params, asset_id),
        StepSpec("prepare", kinds.PREPARE_SOURCE, after=("probe",)),
    ]
