"""The command line of Celery's worker, and its application's settings, as the queues demand."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery

from cinemill.catalog import CATALOG, COMMON_QUEUES
from cinemill.config import load
from cinemill.errors import InputRejected
from cinemill.worker.__main__ import count_slots, main, plan_worker
from cinemill.worker.app_factory import build_app
from cinemill.worker.context import WorkerContext
from cinemill.worker.task_registry import step_task_name


@pytest.fixture
def context(tmp_path: Path) -> WorkerContext:
    return WorkerContext(load({"CINEMILL_HOME": str(tmp_path)}))


@pytest.fixture
def app(tmp_path: Path) -> Celery:
    return build_app(load({"CINEMILL_HOME": str(tmp_path)}))


def test_a_worker_without_a_word_takes_every_queue(context: WorkerContext) -> None:
    assert plan_worker(None, None, context)["queues"] == list(COMMON_QUEUES)


def test_a_worker_of_one_queue_has_that_queues_limits(context: WorkerContext) -> None:
    planned = plan_worker("knowledge_graph", None, context)
    assert planned["queues"] == ["knowledge_graph"]
    assert planned["max_tasks_per_child"] == 25
    assert planned["max_memory_per_child"] == 3584 * 1024


def test_a_worker_of_several_is_replaced_as_the_strictest_says_and_has_the_largest_memory(
    context: WorkerContext,
) -> None:
    planned = plan_worker("orchestration,proxy,ingestion", None, context)
    assert planned["max_tasks_per_child"] == 10
    assert planned["max_memory_per_child"] == 4 * 1024 * 1024


def test_concurrency_is_the_settings_unless_it_is_named(context: WorkerContext) -> None:
    assert plan_worker("proxy", None, context)["concurrency"] is None
    assert plan_worker("proxy", 3, context)["concurrency"] == 3


def test_a_worker_follows_the_load_where_it_is_told_to(tmp_path: Path) -> None:
    home = {"CINEMILL_HOME": str(tmp_path)}
    plain, bounded = (
        WorkerContext(load(home)),
        WorkerContext(load({**home, "CELERY_WORKER_AUTOSCALE": "6,2"})),
    )
    assert plan_worker("proxy", None, plain)["autoscale"] is None
    assert plan_worker("proxy", None, plain, autoscale="4,1")["autoscale"] == (4, 1)
    assert plan_worker("proxy", None, bounded)["autoscale"] == (6, 2)
    assert plan_worker("proxy", None, bounded, autoscale="4,1")["autoscale"] == (4, 1)
    assert plan_worker("proxy", 3, bounded)["autoscale"] is None


def test_a_worker_counts_as_many_tasks_at_a_time_as_it_was_started_with(tmp_path: Path) -> None:
    home = {"CINEMILL_HOME": str(tmp_path), "CELERY_WORKER_CONCURRENCY": "2"}
    settings, solo = load(home), load({**home, "CELERY_WORKER_POOL": "solo"})
    context = WorkerContext(settings)
    assert count_slots(plan_worker("proxy", None, context), settings) == 2
    assert count_slots(plan_worker("proxy", 3, context), settings) == 3
    assert count_slots(plan_worker("proxy", None, context, autoscale="5,1"), settings) == 5
    assert count_slots(plan_worker("proxy", None, WorkerContext(solo)), solo) == 1


@pytest.mark.parametrize("bounds", ["4", "1,4", "4,0", "four,one", "4,-1", "2000,1"])
def test_bounds_that_make_no_sense(context: WorkerContext, bounds: str) -> None:
    with pytest.raises(InputRejected) as refused:
        plan_worker("proxy", None, context, autoscale=bounds)
    assert refused.value.code == "autoscale_invalid"


def test_one_process_cannot_follow_the_load(tmp_path: Path) -> None:
    context = WorkerContext(load({"CINEMILL_HOME": str(tmp_path), "CELERY_WORKER_POOL": "solo"}))
    with pytest.raises(InputRejected, match="'solo' has one process"):
        plan_worker("proxy", None, context, autoscale="4,1")


def test_an_unknown_queue_is_refused_with_the_known_ones(context: WorkerContext) -> None:
    with pytest.raises(InputRejected) as refused:
        plan_worker("proxy,porxy", None, context)
    assert "porxy" in refused.value.message
    assert "proxy" in refused.value.hint


def test_the_queue_of_a_broken_package_keeps_no_worker_from_the_others(
    context: WorkerContext,
) -> None:
    planned = plan_worker("loudness,proxy", None, context, are_packages_left_out=True)
    assert planned["queues"] == ["proxy"]
    with pytest.raises(InputRejected, match="loudness"):
        plan_worker("loudness", None, context, are_packages_left_out=True)


def test_an_unknown_queue_ends_the_command_with_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CINEMILL_HOME", str(tmp_path))
    assert main(["--queues", "porxy"]) == 2
    assert "porxy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("task_acks_late", True),
        ("task_reject_on_worker_lost", False),
        ("worker_prefetch_multiplier", 1),
        ("worker_disable_prefetch", True),
        ("worker_cancel_long_running_tasks_on_connection_loss", False),
        ("broker_connection_max_retries", None),
        ("accept_content", ["json"]),
        ("task_serializer", "json"),
        ("result_serializer", "json"),
        ("enable_utc", True),
        ("timezone", "UTC"),
        ("task_track_started", True),
    ],
)
def test_celery_is_set_as_the_measurements_chose(app: Celery, setting: str, value: object) -> None:
    assert app.conf[setting] == value


def test_every_kind_of_job_is_a_task_that_people_can_send(app: Celery) -> None:
    assert CATALOG.jobs.keys() <= app.tasks.keys()


def test_a_second_application_has_tasks_of_its_own(app: Celery, tmp_path: Path) -> None:
    other = build_app(load({"CINEMILL_HOME": str(tmp_path / "other")}))
    for name in [*CATALOG.jobs, *(step_task_name(kind) for kind in CATALOG.steps)]:
        assert app.tasks[name].app is app
        assert other.tasks[name].app is other


def test_beat_cleans_up_at_two_and_looks_for_stuck_jobs_every_quarter_hour(app: Celery) -> None:
    schedule = app.conf.beat_schedule
    nightly = schedule["cleanup_old_jobs"]["schedule"]
    assert (nightly.hour, nightly.minute) == ({2}, {0})
    assert schedule["check_stuck_jobs"]["schedule"].minute == {0, 15, 30, 45}
    assert {entry["task"] for entry in schedule.values()} <= CATALOG.jobs.keys()
