"""The steps of each kind of job."""

from __future__ import annotations

import pytest

from cinemill.catalog import CATALOG
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected


def names(steps: list[StepSpec]) -> list[str]:
    return [step.kind for step in steps]


@pytest.mark.parametrize("kind", ["process_video", "transcode", "generate_preview"])
def test_a_film_by_its_path_is_fetched_first(kind: str) -> None:
    steps = CATALOG.plan(kind, {"path": "film.mp4"}, None)
    assert names(steps)[:2] == ["intake_source", "probe_source"]
    assert [step.after for step in steps] == [(), ("intake",), ("probe",)]


@pytest.mark.parametrize("kind", ["process_video", "transcode", "generate_preview"])
def test_a_stored_film_is_not(kind: str) -> None:
    steps = CATALOG.plan(kind, {}, "asset")
    assert names(steps)[0] == "probe_source"
    assert steps[0].after == ()


@pytest.mark.parametrize("kind", ["process_video", "transcode", "generate_preview"])
def test_there_must_be_a_film(kind: str) -> None:
    with pytest.raises(InputRejected, match="needs an asset or the path") as refused:
        CATALOG.plan(kind, {}, None)
    assert refused.value.code == "source_missing"


@pytest.mark.parametrize("kind", ["process_video", "transcode", "generate_preview"])
def test_a_misspelt_parameter_is_refused(kind: str) -> None:
    with pytest.raises(InputRejected, match="Unknown parameter: pth") as refused:
        CATALOG.plan(kind, {"pth": "film.mp4"}, "asset")
    assert refused.value.code == "params_invalid"


def test_the_encoder_is_given_the_options_made_complete() -> None:
    *_, encode = CATALOG.plan("transcode", {"options": {"bitrate": "5M", "width": 1280}}, "asset")
    assert encode.params["bitrate"] == 5_000_000
    assert encode.params["codec"] == "h264"


def test_what_cannot_be_is_refused_before_any_work() -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("transcode", {"options": {"codec": "h264", "container": "webm"}}, "asset")
    assert refused.value.code == "combination_impossible"


def test_a_film_for_adaptive_play_is_opened_before_its_rungs_are_made() -> None:
    steps = CATALOG.plan("make_ladder", {"preset": "mobile"}, "asset")
    assert names(steps) == ["probe_source", "open_stream", "build_ladder"]
    assert steps[-1].after == ("probe", "open")
    assert steps[-1].params == {"preset": "mobile"}


def test_options_are_an_object() -> None:
    with pytest.raises(InputRejected, match="options must be an object"):
        CATALOG.plan("transcode", {"options": "h264"}, "asset")


def test_ten_previews_unless_more_or_fewer_are_asked_for() -> None:
    assert CATALOG.plan("generate_preview", {}, "asset")[-1].params["num_frames"] == 10
    asked = CATALOG.plan("generate_preview", {"num_frames": 3}, "asset")
    assert asked[-1].params["num_frames"] == 3


@pytest.mark.parametrize("count", [0, -1, 201, "ten", 2.5, True, None])
def test_a_number_of_previews_that_makes_no_sense(count: object) -> None:
    with pytest.raises(InputRejected, match="num_frames") as refused:
        CATALOG.plan("generate_preview", {"num_frames": count}, "asset")
    assert refused.value.code == "params_invalid"


def test_a_sheet_and_an_animated_preview_are_made_where_they_are_asked_for() -> None:
    plain = CATALOG.plan("generate_preview", {}, "asset")[-1].params
    assert (plain["animated"], plain["sheet"]) == (False, None)
    asked = CATALOG.plan("generate_preview", {"animated": True, "sheet": {}}, "asset")[-1].params
    assert (asked["animated"], asked["sheet"]) == (True, {"columns": 4})


@pytest.mark.parametrize(
    "wish",
    [{"animated": "yes"}, {"sheet": True}, {"sheet": {"columns": 0}}, {"sheet": {"rows": 2}}],
    ids=str,
)
def test_a_sheet_that_makes_no_sense(wish: dict[str, object]) -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("generate_preview", wish, "asset")
    assert refused.value.code == "params_invalid"


@pytest.mark.parametrize("days", [-1, "seven", True, float("inf"), float("nan"), 10**400])
def test_an_age_that_makes_no_sense(days: object) -> None:
    with pytest.raises(InputRejected, match="max_age_days") as refused:
        CATALOG.plan("cleanup", {"max_age_days": days}, None)
    assert refused.value.code == "params_invalid"


@pytest.mark.parametrize("moment", [-1, "soon", True, float("inf"), float("nan"), 10**400])
def test_a_moment_that_no_film_has(moment: object) -> None:
    with pytest.raises(InputRejected, match="thumbnail_seconds") as refused:
        CATALOG.plan("process_video", {"thumbnail_seconds": moment}, "asset")
    assert refused.value.code == "timestamp_invalid"
