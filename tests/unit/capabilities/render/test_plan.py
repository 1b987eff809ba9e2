"""The steps of a render: as many workers as there are, and not more rows than are good."""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.capabilities.render.plan import (
    GATHER_STEPS,
    MOST_JOBS,
    RENDER_STEPS,
    BatchParameters,
    PiecesParameters,
    find_pieces,
    name_children,
    plan_remake,
)
from cinemill.capabilities.render.results import PieceFacts, PieceResult
from cinemill.capabilities.render.timeline.pieces import MOST_CLIPS, split_into_pieces
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.catalog import CATALOG
from cinemill.core.job import StepSpec
from cinemill.core.parameter_reader import read_parameters
from cinemill.errors import InputRejected


def job(clips: int, *, films: int = 2, seconds: float = 4, transitions: bool = True) -> Any:
    return {
        "scenes": [
            {"video_path": f"{index % films}.mp4", "start_time": 0, "end_time": seconds}
            for index in range(clips)
        ],
        "output_format": {"width": 320, "height": 180, "fps": 25},
        "transitions": transitions,
    }


def plan(document: Any) -> dict[str, StepSpec]:
    return {step.name: step for step in CATALOG.plan("render_video", {"job": document}, None)}


def test_each_film_is_gathered_and_each_piece_is_a_step() -> None:
    steps = plan(job(3))
    assert list(steps) == [
        *("gather-000", "gather-001", "open"),
        *(f"render-{number:03d}" for number in range(5)),
        *("mix", "join"),
    ]
    assert steps["open"].after == ("gather-000", "gather-001")
    assert steps["render-000"].after == ("open", "gather-000")
    assert steps["render-001"].after == ("open", "gather-000", "gather-001")
    assert steps["mix"].after == ("open", "gather-000", "gather-001")
    renders = (f"render-{n:03d}" for n in range(5))
    # The films too, for the case that the join has pieces made again.
    assert steps["join"].after == ("gather-000", "gather-001", "open", *renders, "mix")
    assert steps["render-000"].hardware is None


def test_only_pieces_wish_for_hardware_and_only_where_the_timeline_does() -> None:
    steps = plan({**job(3), "use_gpu": True})
    wishes = {name for name, step in steps.items() if step.hardware == "h264"}
    assert wishes == {f"render-{number:03d}" for number in range(5)}


def make_piece(hardware: str | None) -> PieceResult:
    return PieceResult("key", "sha256", PieceFacts(25, 2, "same"), reused=False, hardware=hardware)


def test_pieces_of_hardware_are_made_again_and_those_of_software_stay() -> None:
    kinds = (("nvenc", "nvenc"), (None,), ("qsv",))
    made = {
        f"render-{number:03d}": [make_piece(kind) for kind in step]
        for number, step in enumerate(kinds)
    }
    first, second, join = plan_remake(made)
    assert first.params == {"first": 0, "count": 2, "of": 4, "in_software": True}
    assert second.params == {"first": 3, "count": 1, "of": 4, "in_software": True}
    assert (join.kind, join.after) == ("join_render", ("remake-000", "remake-002"))
    assert not any(step.hardware for step in (first, second, join))


def test_the_rate_counts_renders_and_not_pieces() -> None:
    kinds = [step.kind for step in plan(job(20)).values()]
    rated = [kind for kind in kinds if CATALOG.steps[kind].rate is not None]
    assert rated == ["open_render"]
    rate = CATALOG.steps["open_render"].rate
    assert rate is not None
    assert (rate.count, rate.seconds) == (10, 60)


def test_the_longest_timeline_is_some_hundred_steps() -> None:
    document = job(MOST_CLIPS, films=MOST_CLIPS, seconds=1)
    steps = plan(document)
    assert len(steps) <= GATHER_STEPS + RENDER_STEPS + 3
    renders = [step.params for step in steps.values() if step.kind == "render_pieces"]
    ends = [params["first"] + params["count"] for params in renders]
    assert [params["first"] for params in renders] == [0, *ends[:-1]]
    assert ends[-1] == 2 * MOST_CLIPS - 1
    gathers = [step.params for step in steps.values() if step.kind == "gather_sources"]
    assert sum(params["count"] for params in gathers) == MOST_CLIPS


def test_a_step_makes_the_pieces_that_it_was_planned_for() -> None:
    document = job(200, seconds=1)
    timeline = read_timeline(document)
    made = [
        piece
        for step in plan(document).values()
        if step.kind == "render_pieces"
        for piece in find_pieces(timeline, read_parameters(PiecesParameters, step.params)) or ()
    ]
    assert made == [*split_into_pieces(timeline)]


def test_a_plan_of_another_version_is_known() -> None:
    timeline = read_timeline(job(2))
    assert find_pieces(timeline, PiecesParameters(first=0, count=1, of=4)) is None


@pytest.mark.parametrize("params", [{}, {"job": None}, {"job": job(1), "speed": 2}])
def test_what_is_no_timeline_is_refused_before_any_work(params: dict[str, Any]) -> None:
    with pytest.raises(InputRejected):
        CATALOG.plan("render_video", params, None)


def test_a_timeline_names_its_own_films() -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("render_video", {"job": job(1)}, "some-asset")
    assert refused.value.code == "params_invalid"


def test_a_batch_is_one_job_that_submits_others() -> None:
    steps = CATALOG.plan("batch_render", {"jobs": [job(1), {}]}, None)
    assert [(step.name, step.after) for step in steps] == [("submit", ()), ("collect", ("submit",))]
    batch = BatchParameters(jobs=(job(1), {}))
    children = name_children("batch-1", batch)
    assert children == name_children("batch-1", batch)
    assert len(set(children)) == 2


@pytest.mark.parametrize("jobs", [None, [], {}, "all", [{}] * (MOST_JOBS + 1)])
def test_what_is_no_list_of_timelines_is_refused(jobs: Any) -> None:
    with pytest.raises(InputRejected):
        CATALOG.plan("batch_render", {"jobs": jobs}, None)
