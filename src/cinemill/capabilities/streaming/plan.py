"""Parameters of a ladder to its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cinemill.capabilities.streaming import kinds
from cinemill.core.encoding.rendition import read_rendition
from cinemill.core.job import StepSpec
from cinemill.steps.parameters import check_names
from cinemill.steps.source_plan import plan_source


def plan_ladder(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """A film for adaptive play: opened as it is first, so that it plays while the rungs are made.

    Raises InputRejected (``params_invalid``, ``source_missing``).
    """
    check_names(params, {"path", "preset"})
    preset = read_rendition({"preset": params.get("preset")}).purpose
    return [
        *plan_source("make_ladder", params, asset_id),
        StepSpec("open", kinds.OPEN_STREAM, after=("probe",)),
        StepSpec("ladder", kinds.BUILD_LADDER, {"preset": preset.value}, after=("probe", "open")),
    ]
