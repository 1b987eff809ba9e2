"""The steps of a render: enough to occupy all workers, and a limited number of rows."""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.capabilities.render.plan import (
    GATHER_STEPS,
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
from cinemill.steps.batch import MOST_CHILDREN


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


def test_render_plan_has_a_step_per_source_and_piece() -> None:
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
    # Also after the fetches, since the join may have pieces rendered again.
    assert steps["join"].after == ("gather-000", "gather-001", "open", *renders, "mix")
    assert steps["render-000"].hardware is None


def test_use_gpu_requests_hardware_for_piece_steps_only() -> None:
    steps = plan({**job(3), "use_gpu": True})
    requesting = {name for name, step in steps.items() if step.hardware == "h264"}
    assert requesting == {f"render-{number:03d}" for number in range(5)}


def make_piece(hardware: str | None) -> PieceResult:
    return PieceResult("key", "sha256", PieceFacts(25, 2, "same"), reused=False, hardware=hardware)


def test_remake_plan_renders_hardware_pieces_again_in_software() -> None:
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


def test_render_rate_limit_counts_renders_not_pieces() -> None:
    kinds = [step.kind for step in plan(job(20)).values()]
    rated = [kind for kind in kinds if CATALOG.steps[kind].rate is not None]
    assert rated == ["open_render"]
    rate = CATALOG.steps["open_render"].rate
    assert rate is not None
    assert (rate.count, rate.seconds) == (10, 60)


def test_render_plan_of_the_longest_timeline_has_a_few_hundred_steps() -> None:
    document = job(MOST_CLIPS, films=MOST_CLIPS, seconds=1)
    steps = plan(document)
    assert len(steps) <= GATHER_STEPS + RENDER_STEPS + 3
    renders = [step.params for step in steps.values() if step.kind == "render_pieces"]
    ends = [params["first"] + params["count"] for params in renders]
    assert [params["first"] for params in renders] == [0, *ends[:-1]]
    assert ends[-1] == 2 * MOST_CLIPS - 1
    gathers = [step.params for step in steps.values() if step.kind == "gather_sources"]
    assert sum(params["count"] for params in gathers) == MOST_CLIPS


def test_render_steps_find_exactly_their_planned_pieces() -> None:
    document = job(200, seconds=1)
    timeline = read_timeline(document)
    made = [
        piece
        for step in plan(document).values()
        if step.kind == "render_pieces"
        for piece in find_pieces(timeline, read_parameters(PiecesParameters, step.params)) or ()
    ]
    assert made == [*split_into_pieces(timeline)]


def test_pieces_of_a_plan_by_another_version_are_not_found() -> None:
    timeline = read_timeline(job(2))
    assert find_pieces(timeline, PiecesParameters(first=0, count=1, of=4)) is None


@pytest.mark.parametrize("params", [{}, {"job": None}, {"job": job(1), "speed": 2}])
def test_invalid_render_parameters_are_rejected_when_planned(params: dict[str, Any]) -> None:
    with pytest.raises(InputRejected):
        CATALOG.plan("render_video", params, None)


def test_render_of_an_asset_is_rejected() -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("render_video", {"job": job(1)}, "some-asset")
    assert refused.value.code == "params_invalid"


def test_batch_plan_submits_child_jobs_with_stable_ids() -> None:
    steps = CATALOG.plan("batch_render", {"jobs": [job(1), {}]}, None)
    assert [(step.name, step.after) for step in steps] == [("submit", ()), ("collect", ("submit",))]
    batch = BatchParameters(jobs=(job(1), {}))
    children = name_children("batch-1", batch)
    assert children == name_children("batch-1", batch)
    assert len(set(children)) == 2


@pytest.mark.parametrize("jobs", [None, [], {}, "all", [{}] * (MOST_CHILDREN + 1)])
def test_invalid_batch_jobs_are_rejected(jobs: Any) -> None:
    with pytest.raises(InputRejected):
        CATALOG.plan("batch_render", {"jobs": jobs}, None)
