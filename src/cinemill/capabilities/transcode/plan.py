"""Parameters of a transcode to its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cinemill.capabilities.transcode import kinds
from cinemill.core.encoding.rendition import read_rendition
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected
from cinemill.steps.parameters import MAX_NUMBER, check_names
from cinemill.steps.source_plan import plan_source


def plan_transcode(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """A film into one rendition. What cannot be is refused here, before any work.

    Raises InputRejected (``params_invalid``, ``combination_impossible``, ``source_missing``).
    """
    check_names(params, {"path", "options", "chunk_seconds"})
    _check_chunk_seconds(params)
    options = params.get("options") or {}
    if not isinstance(options, Mapping):
        raise InputRejected(
            "options must be a dictionary, such as {'codec': 'h264'}.", code="params_invalid"
        )
    request = read_rendition(options)
    return [
        *plan_source("transcode", params, asset_id),
        StepSpec(
            "encode",
            kinds.ENCODE_RENDITION,
            request.to_json(),
            after=("probe",),
            hardware=request.codec.value if request.use_gpu else None,
        ),
    ]


def _check_chunk_seconds(params: Mapping[str, Any]) -> None:
    seconds = params.get("chunk_seconds")
    if seconds is None:
        return
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not (seconds == 0 or 1 <= seconds <= MAX_NUMBER):
        raise InputRejected(
            "chunk_seconds must be a number of seconds from 1 on, or 0 for a film in one piece.",
            code="params_invalid",
        )
