"""How a job gets its source: imported from a path, or already stored; then probed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from cinemill.core.documents import check_path
from cinemill.core.job import StepSpec
from cinemill.core.parameters import NoParameters, Parameters
from cinemill.errors import InputRejected

IMPORT_SOURCE = "intake_source"
PROBE_SOURCE = "probe_source"
REPORT_FOUND = "report_found"


def _pass_on(value: object) -> object:
    # ``plan_source`` checks it where it is used: scripts send anything next to an asset.
    return value


class SourceParameters(Parameters):
    """A video: an asset that the job names, or a file by its path."""

    path: Annotated[
        str | None,
        PlainValidator(_pass_on),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ] = None
    """Path of a file that the workers can read. Leave it out when the job names an asset."""


def plan_single(kind: str) -> Callable[[NoParameters, str | None], list[StepSpec]]:
    """Return the planner of a job of one step without parameters."""
    return lambda _params, _asset_id: [StepSpec(kind, kind)]


def plan_source(kind: str, params: SourceParameters, asset_id: str | None) -> list[StepSpec]:
    """Return the steps that probe a stored video, and import one that is given by its path.

    Raises InputRejected (``source_missing``, ``path_invalid``).
    """
    if asset_id is not None:
        return [StepSpec("probe", PROBE_SOURCE)]
    if not params.path:
        raise InputRejected(f"{kind} needs an asset or the path of a video.", code="source_missing")
    check_path(params.path)
    return [
        StepSpec("intake", IMPORT_SOURCE),
        StepSpec("probe", PROBE_SOURCE, after=("intake",)),
    ]


def plan_report(steps: list[StepSpec], subject: str) -> list[StepSpec]:
    """Return steps with one that lists in the job's result what the last of them found."""
    last = StepSpec("report", REPORT_FOUND, {"subject": subject}, after=(steps[-1].name,))
    return [*steps, last]


def plan_on_video(
    kind: str, subject: str, *, is_for_library: bool = False
) -> Callable[[SourceParameters, str | None], list[StepSpec]]:
    """Return the planner of a job of one step about a video, given as an asset or by its path.

    ``subject`` is what its result lists. Without a video it is for all videos if
    ``is_for_library``; else it raises InputRejected (``source_missing``).
    """

    def plan(params: SourceParameters, asset_id: str | None) -> list[StepSpec]:
        if asset_id is not None:
            return plan_report([StepSpec(kind, kind)], subject)
        if params.path:
            check_path(params.path)
            intake = StepSpec("intake", IMPORT_SOURCE)
            return plan_report([intake, StepSpec(kind, kind, after=("intake",))], subject)
        if not is_for_library:
            raise InputRejected(f"{kind} needs a stored video.", code="source_missing")
        return [StepSpec(kind, kind)]

    return plan
