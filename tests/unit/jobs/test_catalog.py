"""The tables of queues, steps and jobs say what the product promises."""

from __future__ import annotations

import pytest

from cinemill.catalog import CATALOG
from cinemill.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY, StepSpec
from cinemill.core.parameters import NoParameters
from cinemill.errors import InputRejected, NotFound
from cinemill.jobs.catalog import GIB, HOUR, MINUTE, JobKind, Queue, StepKind

PROMISED = {
    "default": (5, 2.0),
    "ingestion": (5, 4.0),
    "video_analysis": (5, 4.0),
    "embeddings": (7, 2.0),
    "knowledge_graph": (6, 3.5),
    "runtime": (10, 1.0),
    "orchestration": (8, 0.5),
}
"""Queue: (priority, memory in GiB)."""

QUEUES = list(CATALOG.queues.values())


@pytest.mark.parametrize("name", PROMISED)
def test_contract_queue_has_its_priority_and_memory(name: str) -> None:
    queue = CATALOG.queues[name]
    assert (queue.priority, queue.memory_bytes / GIB) == PROMISED[name]


@pytest.mark.parametrize("name", PROMISED)
def test_workers_of_a_promised_queue_are_replaced_after_25_tasks(name: str) -> None:
    assert CATALOG.queues[name].max_tasks_per_child == 25


def test_workers_that_make_proxies_are_replaced_after_10_tasks() -> None:
    assert CATALOG.queues["proxy"].max_tasks_per_child == 10


def test_proxy_has_55_minutes_and_its_process_an_hour() -> None:
    queue = CATALOG.queues["proxy"]
    assert (queue.soft_seconds, queue.hard_seconds) == (55 * MINUTE, HOUR)


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_every_queue_warns_before_it_kills(queue: Queue) -> None:
    assert 0 < queue.soft_seconds < queue.hard_seconds


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_every_queue_has_a_legal_priority_and_says_what_it_is_for(queue: Queue) -> None:
    assert LOWEST_PRIORITY <= queue.priority <= HIGHEST_PRIORITY
    assert queue.description


def test_no_queue_is_more_urgent_than_that_of_questions() -> None:
    assert max(QUEUES, key=lambda queue: queue.priority).name == "runtime"


@pytest.mark.parametrize("step", CATALOG.steps.values(), ids=lambda step: step.name)
def test_every_kind_of_step_runs_on_a_queue_that_exists(step: StepKind) -> None:
    assert step.queue in CATALOG.queues
    assert step.weight > 0


def plan(kind: str, params: dict[str, object], asset_id: str | None = None) -> list[StepSpec]:
    return CATALOG.plan(kind, params, asset_id)


ORDINARY: dict[str, tuple[dict[str, object], str | None]] = {
    "fetch_model": ({"name": "base"}, None),
    "render_video": (
        {"job": {"scenes": [{"video_path": "a.mp4", "start_time": 0, "end_time": 1}]}},
        None,
    ),
    "batch_render": ({"jobs": [{}]}, None),
    "batch_process_videos": ({"assets": ["/videos/a.mp4"]}, None),
    **dict.fromkeys(
        ("semantic_search", "graph_traversal_search", "hybrid_search", "generate_context"),
        ({"query": "rose garden"}, None),
    ),
    "answer_query": ({"question": "Who opened the rose garden?"}, None),
}
"""What a kind of job is asked for where it needs more than a stored film."""


def test_stored_film_is_probed_then_prepared() -> None:
    steps = plan("process_video", {}, "asset-1")
    assert [(step.name, step.after) for step in steps] == [("probe", ()), ("prepare", ("probe",))]


def test_film_by_path_is_fetched_first() -> None:
    steps = plan("process_video", {"path": "/films/a.mp4"})
    assert [(step.name, step.after) for step in steps] == [
        ("intake", ()),
        ("probe", ("intake",)),
        ("prepare", ("probe",)),
    ]


@pytest.mark.parametrize("params", [{}, {"path": ""}, {"thumbnail_seconds": 1}])
def test_job_without_a_video_is_rejected(params: dict[str, object]) -> None:
    with pytest.raises(InputRejected) as refused:
        plan("process_video", params)
    assert refused.value.code == "source_missing"


@pytest.mark.parametrize(
    "kind", ["cleanup_old_jobs", "collect_garbage", "check_stuck_jobs", "get_queue_stats"]
)
def test_maintenance_is_one_step_on_the_orchestration_queue(kind: str) -> None:
    (step,) = plan(kind, {})
    assert CATALOG.steps[step.kind].queue == "orchestration"


def test_maintenance_takes_no_parameters() -> None:
    with pytest.raises(InputRejected) as refused:
        plan("get_queue_stats", {"days": 3})
    assert refused.value.code == "params_invalid"


def test_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound) as refused:
        plan("process_vidoe", {})
    assert refused.value.code == "job_kind_unknown"
    assert "process_video" in refused.value.hint


@pytest.mark.parametrize("kind", CATALOG.jobs)
def test_every_plan_is_a_graph_whose_parents_come_first(kind: str) -> None:
    seen: set[str] = set()
    for step in plan(kind, *ORDINARY.get(kind, ({}, "asset-1"))):
        assert step.kind in CATALOG.steps
        assert set(step.after) <= seen
        assert step.name not in seen
        seen.add(step.name)


def test_search_of_a_video_is_limited_to_it() -> None:
    (step,) = plan("hybrid_search", {"query": "rose", "asset_ids": ["asset-2"]}, "asset-1")
    assert step.params["asset_ids"] == ["asset-1"]
    (step,) = plan("answer_query", {"question": "Who?", "collections": ["news"]}, None)
    assert (step.params["asset_ids"], step.params["collections"]) == ([], ["news"])


def test_larger_catalog_leaves_the_first_one_as_it_was() -> None:
    more = CATALOG.extend(
        [StepKind("count_sheep", "default")],
        [
            JobKind(
                "sleep", NoParameters, lambda params, asset_id: [StepSpec("count", "count_sheep")]
            )
        ],
    )
    assert more.plan("sleep", {}, None) == [StepSpec("count", "count_sheep")]
    assert "sleep" not in CATALOG.jobs
    assert "count_sheep" not in CATALOG.steps
    assert more.queues == CATALOG.queues


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"thumbnail_secs": 3}, "params_invalid"),
        ({"thumbnail_seconds": -1}, "timestamp_invalid"),
        ({"thumbnail_seconds": True}, "timestamp_invalid"),
        ({"thumbnail_seconds": float("nan")}, "timestamp_invalid"),
        ({"thumbnail_seconds": "3"}, "timestamp_invalid"),
    ],
)
def test_impossible_request_is_rejected_on_submission(params: dict[str, object], code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("process_video", params, "asset")
    assert refused.value.code == code
