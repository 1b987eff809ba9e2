"""Parameters of a detection to its steps."""

from __future__ import annotations

from typing import Annotated

from cinemill.capabilities.detection import kinds
from cinemill.core.documents import check_path
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Expected, Parameters, none_as
from cinemill.errors import InputRejected
from cinemill.steps.source.plan import IMPORT_SOURCE, PROBE_SOURCE


class DetectionParameters(Parameters):
    """A video to be examined for manipulated faces."""

    asset: Annotated[
        str | None, Expected("the id of an asset, or the path of a video that the workers can read")
    ] = None
    """Id of a stored asset, or path of a video that the workers can read. Leave it out when the job
    names an asset."""
    fast: Annotated[bool, none_as(False)] = False
    """Examine 8 frames instead of 32."""


def plan_detection(params: DetectionParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan a detection: one step, which adds the others where nothing is cached.

    Raises InputRejected (``source_missing``, ``path_invalid``).
    """
    if asset_id is None and not params.asset:
        raise InputRejected(
            "detect_video needs an asset or the path of a video.", code="source_missing"
        )
    if params.asset:
        check_path(params.asset)
    return [StepSpec("look_up", kinds.LOOK_UP_ANALYSIS)]


def plan_examination(*, path: str | None) -> list[StepSpec]:
    """Return the steps of a video whose features are not cached; with ``path`` it is imported."""
    if path is None:
        return [
            StepSpec("probe", PROBE_SOURCE),
            StepSpec("analyze", kinds.ANALYZE_VIDEO, after=("probe",)),
        ]
    return [*_plan_import(path), StepSpec("analyze", kinds.ANALYZE_VIDEO, after=("probe",))]


def plan_known_file(path: str) -> list[StepSpec]:
    """Return the steps of a file whose features are cached, and which is not an asset yet.

    None of them has a rate: a video that is known waits for no start.
    """
    return [
        *_plan_import(path),
        StepSpec("look_up_again", kinds.LOOK_UP_ANALYSIS, after=("probe",)),
    ]


def plan_probed() -> list[StepSpec]:
    """Return the step of a video that was probed before its features left the cache."""
    return [StepSpec("analyze", kinds.ANALYZE_VIDEO)]


def _plan_import(path: str) -> list[StepSpec]:
    return [
        StepSpec("intake", IMPORT_SOURCE, {"path": path}),
        StepSpec("probe", PROBE_SOURCE, after=("intake",)),
    ]
