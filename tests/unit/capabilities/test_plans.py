"""The steps of each kind of job."""

from __future__ import annotations

import pytest

from cinemill.catalog import CATALOG
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected


def names(steps: list[StepSpec]) -> list[str]:
    return [step.kind for step in steps]


@pytest.mark.parametrize("kind", ["process_video", "transcode", "generate_preview"])
def test_plan_for_a_path_imports_the_video_first(kind: str) -> None:
    steps = CATALOG.plan(kind, {"path": "film.mp4"}, None)
    assert names(steps)[:2] == ["intake_source", "probe_source"]
    assert [step.after for step in steps] == [(), ("intake",), ("probe",)]


@pytest.mark.parametrize("kind", ["process_video", "transcode", "generate_preview"])
def test_plan_for_a_stored_asset_has_no_import(kind: str) -> None:
    steps = CATALOG.plan(kind, {}, "asset")
    assert names(steps)[0] == "probe_source"
    assert steps[0].after == ()


@pytest.mark.parametrize("kind", ["process_video", "transcode", "generate_preview"])
def test_plan_without_a_source_is_rejected(kind: str) -> None:
    with pytest.raises(InputRejected, match="needs an asset or the path") as refused:
        CATALOG.plan(kind, {}, None)
    assert refused.value.code == "source_missing"


@pytest.mark.parametrize("kind", ["process_video", "transcode", "generate_preview"])
def test_plan_with_a_misspelled_parameter_is_rejected(kind: str) -> None:
    with pytest.raises(InputRejected, match="Unknown parameter: pth") as refused:
        CATALOG.plan(kind, {"pth": "film.mp4"}, "asset")
    assert refused.value.code == "params_invalid"


def test_transcode_plan_completes_the_options() -> None:
    *_, encode = CATALOG.plan("transcode", {"options": {"bitrate": "5M", "width": 1280}}, "asset")
    assert encode.params["bitrate"] == 5_000_000
    assert encode.params["codec"] == "h264"


def test_transcode_plan_rejects_impossible_combinations() -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("transcode", {"options": {"codec": "h264", "container": "webm"}}, "asset")
    assert refused.value.code == "combination_impossible"


def test_ladder_plan_opens_the_video_before_encoding_rungs() -> None:
    steps = CATALOG.plan("make_ladder", {"preset": "mobile"}, "asset")
    assert names(steps) == ["probe_source", "open_stream", "build_ladder"]
    assert steps[-1].after == ("probe", "open")
    assert steps[-1].params == {"preset": "mobile"}


def test_transcode_options_must_be_an_object() -> None:
    with pytest.raises(InputRejected, match="options must be an object"):
        CATALOG.plan("transcode", {"options": "h264"}, "asset")


def test_preview_plan_defaults_to_ten_stills() -> None:
    assert CATALOG.plan("generate_preview", {}, "asset")[-1].params["num_frames"] == 10
    asked = CATALOG.plan("generate_preview", {"num_frames": 3}, "asset")
    assert asked[-1].params["num_frames"] == 3


@pytest.mark.parametrize("count", [0, -1, 201, "ten", 2.5, True, None])
def test_preview_plan_rejects_invalid_numbers_of_stills(count: object) -> None:
    with pytest.raises(InputRejected, match="num_frames") as refused:
        CATALOG.plan("generate_preview", {"num_frames": count}, "asset")
    assert refused.value.code == "params_invalid"


def test_preview_plan_includes_sheet_and_animation_on_request() -> None:
    plain = CATALOG.plan("generate_preview", {}, "asset")[-1].params
    assert (plain["animated"], plain["sheet"]) == (False, None)
    asked = CATALOG.plan("generate_preview", {"animated": True, "sheet": {}}, "asset")[-1].params
    assert (asked["animated"], asked["sheet"]) == (True, {"columns": 4})


@pytest.mark.parametrize(
    "params",
    [{"animated": "yes"}, {"sheet": True}, {"sheet": {"columns": 0}}, {"sheet": {"rows": 2}}],
    ids=str,
)
def test_preview_plan_rejects_invalid_sheets(params: dict[str, object]) -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("generate_preview", params, "asset")
    assert refused.value.code == "params_invalid"


@pytest.mark.parametrize("days", [-1, "seven", True, float("inf"), float("nan"), 10**400])
def test_cleanup_plan_rejects_invalid_ages(days: object) -> None:
    with pytest.raises(InputRejected, match="max_age_days") as refused:
        CATALOG.plan("cleanup", {"max_age_days": days}, None)
    assert refused.value.code == "params_invalid"


@pytest.mark.parametrize("moment", [-1, "soon", True, float("inf"), float("nan"), 10**400])
def test_ingest_plan_rejects_invalid_thumbnail_timestamps(moment: object) -> None:
    with pytest.raises(InputRejected, match="thumbnail_seconds") as refused:
        CATALOG.plan("process_video", {"thumbnail_seconds": moment}, "asset")
    assert refused.value.code == "timestamp_invalid"
