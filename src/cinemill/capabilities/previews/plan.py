"""Parameters of previews to their steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cinemill.capabilities.previews import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import MAX_NUMBER, Expected, Parameters, none_as
from cinemill.steps.source.plan import SourceParameters, plan_source

PREVIEW_FRAMES = 10
MAX_PREVIEW_FRAMES = 200
PREVIEW_HEIGHT = 360
THUMBNAIL_HEIGHT = 720
"""As high as a poster, of which a video has one from the start."""
SHEET_COLUMNS = 4
MAX_SHEET_COLUMNS = 20
MAX_PREVIEW_HEIGHT = 2160


class SheetParameters(Parameters):
    """Layout of a contact sheet."""

    columns: Annotated[int, Field(ge=1, le=MAX_SHEET_COLUMNS)] = SHEET_COLUMNS
    """Number of columns."""


class StillsParameters(Parameters):
    """What the step creates; a run queued by an earlier version names only the first two."""

    num_frames: Annotated[int, Field(ge=1, le=MAX_PREVIEW_FRAMES)] = PREVIEW_FRAMES
    """Number of stills, spread evenly over the video."""
    height: Annotated[int, Field(ge=1, le=MAX_PREVIEW_HEIGHT)] = PREVIEW_HEIGHT
    """Height of a still in pixels. A smaller video is not enlarged."""
    animated: Annotated[bool, none_as(False)] = False
    """Also create a short silent preview of excerpts from the whole video."""
    sheet: Annotated[SheetParameters | None, Expected("an object, such as {'columns': 4}")] = None
    """Also create a contact sheet of the stills."""


class PreviewParameters(SourceParameters, StillsParameters):
    """Stills from a video, and optionally a contact sheet and an animated preview."""


def plan_preview(params: PreviewParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan stills spread over a video, on request a sheet of them and an animated preview.

    Raises InputRejected (``source_missing``).
    """
    return [
        *plan_source("generate_preview", params, asset_id),
        StepSpec(
            "stills", kinds.EXTRACT_STILLS, params.model_dump(exclude={"path"}), after=("probe",)
        ),
    ]


class StillParameters(Parameters):
    """What the step of a thumbnail creates."""

    timestamp_seconds: Annotated[
        float,
        Field(ge=0, le=MAX_NUMBER),
        Expected(f"a number of seconds from 0 to {MAX_NUMBER}", code="timestamp_invalid"),
        none_as(0.0),
    ] = 0.0
    """Time of the still, in seconds from the first frame."""
    height: Annotated[int, Field(ge=1, le=MAX_PREVIEW_HEIGHT)] = THUMBNAIL_HEIGHT
    """Height in pixels. A smaller video is not enlarged."""


class ThumbnailParameters(SourceParameters, StillParameters):
    """A still of a video at a given time."""


def plan_thumbnail(params: ThumbnailParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan one still of a video. Raises InputRejected (``source_missing``)."""
    return [
        *plan_source("generate_thumbnail", params, asset_id),
        StepSpec(
            "thumbnail",
            kinds.EXTRACT_THUMBNAIL,
            params.model_dump(exclude={"path"}),
            after=("probe",),
        ),
    ]
