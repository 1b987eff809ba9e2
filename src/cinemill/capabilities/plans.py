"""The steps of each kind of job: pure functions from parameters to a DAG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cinemill.capabilities.captions.request import PARAMETERS, read_flag, read_speech
from cinemill.core.documents import check_path
from cinemill.core.encoding.rendition import read_rendition
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected

PREVIEW_FRAMES = 10
MOST_PREVIEW_FRAMES = 200
PREVIEW_HEIGHT = 360
SHEET_COLUMNS = 4
MOST_SHEET_COLUMNS = 20
SHELF_DAYS = 7.0
SHELF_GIGABYTES = 50.0
LARGEST_PREVIEW_HEIGHT = 2160
LARGEST_NUMBER = 10**9
"""Of seconds, days or gigabytes: JSON's whole numbers may be larger than any float."""


def plan_video(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """A film into its proxy and all else that ingest makes.

    A job for an asset that is stored starts at the probe; one for a ``path`` fetches it first.
    """
    check_names(params, {"path", "thumbnail_seconds"})
    check_moment(params, "thumbnail_seconds")
    return [
        *_plan_source("process_video", params, asset_id),
        StepSpec("prepare", "prepare_source", after=("probe",)),
    ]


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
        *_plan_source("transcode", params, asset_id),
        StepSpec(
            "encode",
            "encode_rendition",
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
    if not is_number or not (seconds == 0 or 1 <= seconds <= LARGEST_NUMBER):
        raise InputRejected(
            "chunk_seconds must be a number of seconds from 1 on, or 0 for a film in one piece.",
            code="params_invalid",
        )


def plan_preview(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """Stills spread over a film, on request a sheet of them and an animated preview.

    Raises InputRejected (``params_invalid``, ``source_missing``).
    """
    check_names(params, {"path", "num_frames", "height", "animated", "sheet"})
    values = {
        "num_frames": _read_count(params, "num_frames", PREVIEW_FRAMES, MOST_PREVIEW_FRAMES),
        "height": _read_count(params, "height", PREVIEW_HEIGHT, LARGEST_PREVIEW_HEIGHT),
        "animated": read_flag(params, "animated", default=False),
        "sheet": _read_sheet(params.get("sheet")),
    }
    return [
        *_plan_source("generate_preview", params, asset_id),
        StepSpec("stills", "extract_stills", values, after=("probe",)),
    ]


def _read_sheet(sheet: Any) -> dict[str, int] | None:
    if sheet is None:
        return None
    if not isinstance(sheet, Mapping):
        raise InputRejected(
            "sheet must be a dictionary, such as {'columns': 4}.", code="params_invalid"
        )
    check_names(sheet, {"columns"})
    return {"columns": _read_count(sheet, "columns", SHEET_COLUMNS, MOST_SHEET_COLUMNS)}


def plan_cleanup(params: Mapping[str, Any], _asset_id: str | None) -> list[StepSpec]:
    """Renditions and previews by name that are too old or too many. Raises InputRejected."""
    check_names(params, {"max_age_days", "max_size_gb"})
    values = {
        "max_age_days": _read_amount(params, "max_age_days", SHELF_DAYS),
        "max_size_gb": _read_amount(params, "max_size_gb", SHELF_GIGABYTES),
    }
    return [StepSpec("clean", "clean_shelves", values)]


def _read_amount(params: Mapping[str, Any], name: str, default: float) -> float:
    value = params.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= LARGEST_NUMBER:
        raise InputRejected(
            f"{name} must be a number from 0 to {LARGEST_NUMBER}.", code="params_invalid"
        )
    return float(value)


def plan_caption(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """A film's speech into captions. What no model can do is refused here, before any work.

    Raises InputRejected (``params_invalid``, ``language_unknown``, ``translation_impossible``,
    ``source_missing``).
    """
    check_names(params, {"path", *PARAMETERS})
    request = read_speech(params)
    words = {"words": read_flag(params, "words", default=True)}
    return [
        *_plan_source("caption", params, asset_id),
        StepSpec("transcribe", "transcribe_speech", request.to_json(), after=("probe",)),
        StepSpec("captions", "write_captions", words, after=("transcribe",)),
    ]


def plan_ladder(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """A film for adaptive play: opened as it is first, so that it plays while the rungs are made.

    Raises InputRejected (``params_invalid``, ``source_missing``).
    """
    check_names(params, {"path", "preset"})
    preset = read_rendition({"preset": params.get("preset")}).purpose
    return [
        *_plan_source("make_ladder", params, asset_id),
        StepSpec("open", "open_stream", after=("probe",)),
        StepSpec("ladder", "build_ladder", {"preset": preset.value}, after=("probe", "open")),
    ]


def plan_single(kind: str) -> Callable[[Mapping[str, Any], str | None], list[StepSpec]]:
    """The planner of a job of one step without parameters."""

    def plan(params: Mapping[str, Any], _asset_id: str | None) -> list[StepSpec]:
        if params:
            raise InputRejected("This kind of job takes no parameters.", code="params_invalid")
        return [StepSpec(kind, kind)]

    return plan


def _plan_source(kind: str, params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """The stored film probed; one that is given by its path is fetched before."""
    if asset_id is not None:
        return [StepSpec("probe", "probe_source")]
    if not params.get("path"):
        raise InputRejected(f"{kind} needs an asset or the path of a film.", code="source_missing")
    check_path(params["path"])
    return [
        StepSpec("intake", "intake_source"),
        StepSpec("probe", "probe_source", after=("intake",)),
    ]


def _read_count(params: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = params.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InputRejected(
            f"{name} must be a whole number from 1 to {most}, not {value!r}.",
            code="params_invalid",
        )
    return value


def check_names(params: Mapping[str, Any], known: set[str]) -> None:
    """Raises InputRejected where a parameter is not ``known``: a misspelt wish is not a wish."""
    unknown = sorted(params.keys() - known)
    if unknown:
        raise InputRejected(
            f"There is no parameter {', '.join(unknown)} here.",
            code="params_invalid",
            way_on=f"Use some of: {', '.join(sorted(known))}.",
        )


def check_moment(params: Mapping[str, Any], name: str) -> None:
    """Raises InputRejected where the parameter is given and no moment of a film, in seconds."""
    moment = params.get(name)
    if moment is None:
        return
    is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
    if not is_number or not 0 <= moment <= LARGEST_NUMBER:
        raise InputRejected(
            f"{name} must be a number of seconds from 0 to {LARGEST_NUMBER}.",
            code="timestamp_invalid",
        )
