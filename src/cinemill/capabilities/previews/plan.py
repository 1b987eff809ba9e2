"""Parameters of previews to their steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cinemill.capabilities.previews import kinds
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected
from cinemill.steps.parameters import check_names, read_count, read_flag
from cinemill.steps.source_plan import plan_source

PREVIEW_FRAMES = 10
MAX_PREVIEW_FRAMES = 200
PREVIEW_HEIGHT = 360
SHEET_COLUMNS = 4
MAX_SHEET_COLUMNS = 20
MAX_PREVIEW_HEIGHT = 2160


def plan_preview(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """Stills spread over a film, on request a sheet of them and an animated preview.

    Raises InputRejected (``params_invalid``, ``source_missing``).
    """
    check_names(params, {"path", "num_frames", "height", "animated", "sheet"})
    values = {
        "num_frames": read_count(params, "num_frames", PREVIEW_FRAMES, MAX_PREVIEW_FRAMES),
        "height": read_count(params, "height", PREVIEW_HEIGHT, MAX_PREVIEW_HEIGHT),
        "animated": read_flag(params, "animated", default=False),
        "sheet": _read_sheet(params.get("sheet")),
    }
    return [
        *plan_source("generate_preview", params, asset_id),
        StepSpec("stills", kinds.EXTRACT_STILLS, values, after=("probe",)),
    ]


def _read_sheet(sheet: Any) -> dict[str, int] | None:
    if sheet is None:
        return None
    if not isinstance(sheet, Mapping):
        raise InputRejected(
            "sheet must be a dictionary, such as {'columns': 4}.", code="params_invalid"
        )
    check_names(sheet, {"columns"})
    return {"columns": read_count(sheet, "columns", SHEET_COLUMNS, MAX_SHEET_COLUMNS)}
