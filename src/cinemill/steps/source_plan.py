"""How a job gets its source: imported from a path, or already stored; then probed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cinemill.core.documents import check_path
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected

IMPORT_SOURCE = "intake_source"
PROBE_SOURCE = "probe_source"


def plan_single(kind: str) -> Callable[[Mapping[str, Any], str | None], list[StepSpec]]:
    """The planner of a job of one step without parameters."""

    def plan(params: Mapping[str, Any], _asset_id: str | None) -> list[StepSpec]:
        if params:
            raise InputRejected("This kind of job takes no parameters.", code="params_invalid")
        return [StepSpec(kind, kind)]

    return plan


def plan_source(kind: str, params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """The stored film probed; one that is given by its path is fetched before."""
    if asset_id is not None:
        return [StepSpec("probe", PROBE_SOURCE)]
    if not params.get("path"):
        raise InputRejected(f"{kind} needs an asset or the path of a film.", code="source_missing")
    check_path(params["path"])
    return [
        StepSpec("intake", IMPORT_SOURCE),
        StepSpec("probe", PROBE_SOURCE, after=("intake",)),
    ]
