"""Parameters of previews to their steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cinemill.capabilities.previews import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Expected, Parameters, none_as
from cinemill.steps.source_plan import SourceParameters, plan_source

PREVIEW_FRAMES = 10
MAX_PREVIEW_FRAMES = 200
PREVIEW_HEIGHT = 360
SHEET_COLUMNS = 4
MAX_SHEET_COLUMNS = 20
MAX_PREVIEW_HEIGHT = 2160


class SheetParameters(Parameters):
    """How a contact sheet is laid out."""

    columns: Annotated[int, Field(ge=1, le=MAX_SHEET_COLUMNS)] = SHEET_COLUMNS
    """Stills side by side."""


class StillsParameters(Parameters):
    """What the step makes; a run that an earlier version queued names only the first two."""

    num_frames: Annotated[int, Field(ge=1, le=MAX_PREVIEW_FRAMES)] = PREVIEW_FRAMES
    """Stills, spread evenly over the video."""
    height: Annotated[int, Field(ge=1, le=MAX_PREVIEW_HEIGHT)] = PREVIEW_HEIGHT
    """Of a still, in pixels; a smaller video is not enlarged."""
    animated: Annotated[bool, none_as(False)] = False
    """A few silent seconds from all over the video, too."""
    sheet: Annotated[SheetParameters | None, Expected("an object, such as {'columns': 4}")] = None
    """A contact sheet of the stills, too."""


class PreviewParameters(SourceParameters, StillsParameters):
    """Stills spread over a video, and on request more."""


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
