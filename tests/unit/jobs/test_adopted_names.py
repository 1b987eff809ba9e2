"""The adoption table: what other systems' scripts call tasks and queues."""

from __future__ import annotations

import pytest

from cinemill.catalog import CATALOG, COMMON_QUEUES, JOB_KINDS, QUEUES
from cinemill.jobs.adoption.names import (
    FOREIGN_QUEUES,
    QUEUED_KINDS,
    expand_queue,
    expand_queues,
    find_kind,
    list_queue_names,
    list_task_names,
)
from cinemill.worker.messages.amqp import ADOPTION_QUEUE

FARM_TASKS = {
    "render_video_task": "render_video",
    "generate_preview_task": "generate_preview",
    "transcode_task": "transcode",
    "caption_task": "caption",
    "batch_render_task": "batch_render",
    "cleanup_task": "cleanup",
    "monitor_resources_task": "monitor_resources",
}
VIDEO_TASKS = ("generate_proxy_video", "extract_video_metadata", "generate_thumbnail")


@pytest.mark.parametrize(("task", "kind"), FARM_TASKS.items())
def test_task_with_the_suffix_is_the_kind_of_job(task: str, kind: str) -> None:
    assert find_kind(task, JOB_KINDS) == kind
    assert find_kind(f"render_farm.tasks.{task}", JOB_KINDS) == kind


@pytest.mark.parametrize("kind", JOB_KINDS)
def test_every_kind_of_job_is_understood_with_and_without_the_suffix(kind: str) -> None:
    assert find_kind(kind, JOB_KINDS) == find_kind(f"{kind}_task", JOB_KINDS) == kind
    assert list_task_names(JOB_KINDS)[f"{kind}_task"] == kind


@pytest.mark.parametrize(
    "name",
    [
        "step.extract_keyframes",
        "celery.backend_cleanup",
        "celery.cleanup",
        "render_video_task_task",
        "render",
        "_task",
        "",
        "render_video.",
    ],
)
def test_name_of_no_kind_is_no_job(name: str) -> None:
    assert find_kind(name, JOB_KINDS) is None


def test_a_queue_of_ours_is_itself() -> None:
    assert all(expand_queue(name, QUEUES) == [name] for name in QUEUES)


@pytest.mark.parametrize("name", FOREIGN_QUEUES)
def test_a_queue_of_another_system_is_queues_of_ours(name: str) -> None:
    assert expand_queue(name, QUEUES) == list(FOREIGN_QUEUES[name])
    assert set(FOREIGN_QUEUES[name]) <= set(COMMON_QUEUES)


def test_queue_with_the_suffix_is_ours() -> None:
    assert expand_queue("embeddings_queue", QUEUES) == ["embeddings"]
    assert expand_queue("nonsense_queue", QUEUES) == []
    assert expand_queue("_queue", QUEUES) == []


def test_default_queue_of_celery_is_all_that_need_no_hardware() -> None:
    assert expand_queue("celery", QUEUES) == list(COMMON_QUEUES)


def test_each_queue_is_consumed_once_and_unknown_names_are_named() -> None:
    found, unknown = expand_queues(["render_queue", "transcode_queue", "render", "x"], QUEUES)
    assert found == ["render", "ingestion", "default", "orchestration", "transcode"]
    assert unknown == ["x"]


def test_workers_of_a_backend_serve_all_of_our_queues_together() -> None:
    """Who starts a worker for each of its three queues, and no other, has no job that waits."""
    names = ("video_processing", "cv_analysis", "maintenance")
    served = {queue for name in names for queue in FOREIGN_QUEUES[name]}
    assert served == set(COMMON_QUEUES)


def test_queues_whose_length_is_asked_hold_kinds_of_jobs() -> None:
    assert QUEUED_KINDS.keys() == FOREIGN_QUEUES.keys()
    for kinds in QUEUED_KINDS.values():
        assert set(kinds) <= JOB_KINDS.keys()


@pytest.mark.parametrize("kind", VIDEO_TASKS)
def test_tasks_of_a_stored_video_are_kinds_of_job(kind: str) -> None:
    assert kind in JOB_KINDS


SAMPLES: dict[str, dict[str, object]] = {
    "render_video": {
        "scenes": [{"video_path": "/films/a.mp4", "start_time": 0, "end_time": 1}],
        "output_format": {"width": 320, "height": 180, "fps": 25},
    },
    "transcode": {"path": "/films/a.mp4", "options": {"codec": "h264"}},
    "generate_preview": {"path": "/films/a.mp4"},
    "caption": {"path": "/films/a.mp4"},
    "process_video": {"path": "/films/a.mp4"},
    "generate_proxy_video": {"path": "/films/a.mp4"},
    "extract_video_metadata": {"path": "/films/a.mp4"},
    "generate_thumbnail": {"path": "/films/a.mp4"},
    "detect_video": {"asset": "/films/a.mp4"},
    "detect_shot_boundaries": {"path": "/films/a.mp4"},
    "extract_keyframes": {"path": "/films/a.mp4"},
}
QUEUES_OF_KINDS = {
    kind: queue for queue, kinds in QUEUED_KINDS.items() for kind in kinds if kind in SAMPLES
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_worker_of_its_queue_completes_a_job(kind: str) -> None:
    """A farm starts workers for its own queues alone: every step of its jobs must be served."""
    job = JOB_KINDS[kind]
    params = {"job": SAMPLES[kind]} if job.positional == ("job",) else SAMPLES[kind]
    steps = CATALOG.plan(kind, params, None)
    needed = {CATALOG.steps[step.kind].queue for step in steps}
    served = set(FOREIGN_QUEUES[QUEUES_OF_KINDS[kind]])
    assert needed <= served


@pytest.mark.parametrize("profile", ["quick", "standard", "full"])
def test_profile_needs_the_workers_of_analysis_too(profile: str) -> None:
    steps = CATALOG.plan("process_video", {"path": "/films/a.mp4", "profile": profile}, None)
    needed = {CATALOG.steps[step.kind].queue for step in steps}
    served = {*FOREIGN_QUEUES["video_processing"], *FOREIGN_QUEUES["cv_analysis"]}
    assert needed <= served


@pytest.mark.parametrize("name", FOREIGN_QUEUES)
def test_worker_of_a_queue_adopts_what_is_sent_to_it(name: str) -> None:
    """A message to a queue of theirs goes to that in which messages become jobs."""
    assert ADOPTION_QUEUE in FOREIGN_QUEUES[name]


def test_names_of_queues_are_those_of_all_systems() -> None:
    names = list_queue_names(QUEUES)
    assert {*QUEUES, *FOREIGN_QUEUES, "celery", "embeddings_queue"} <= set(names)
    assert len(names) == len(set(names))
