"""The command line of the worker, and the settings of its Celery application."""

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


def test_worker_without_options_consumes_every_common_queue(context: WorkerContext) -> None:
    assert plan_worker(None, None, context)["queues"] == list(COMMON_QUEUES)


def test_worker_of_one_queue_has_the_limits_of_that_queue(context: WorkerContext) -> None:
    planned = plan_worker("knowledge_graph", None, context)
    assert planned["queues"] == ["knowledge_graph"]
    assert planned["max_tasks_per_child"] == 25
    assert planned["max_memory_per_child"] == 3584 * 1024


def test_worker_of_several_queues_has_fewest_tasks_per_child_and_largest_memory(
    context: WorkerContext,
) -> None:
    planned = plan_worker("orchestration,proxy,ingestion", None, context)
    assert planned["max_tasks_per_child"] == 10
    assert planned["max_memory_per_child"] == 4 * 1024 * 1024


def test_worker_concurrency_option_overrides_the_setting(context: WorkerContext) -> None:
    assert plan_worker("proxy", None, context)["concurrency"] is None
    assert plan_worker("proxy", 3, context)["concurrency"] == 3


def test_worker_autoscale_option_overrides_the_setting(tmp_path: Path) -> None:
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


def test_worker_slots_follow_the_pool_and_the_start_options(tmp_path: Path) -> None:
    home = {"CINEMILL_HOME": str(tmp_path), "CELERY_WORKER_CONCURRENCY": "2"}
    settings, solo = load(home), load({**home, "CELERY_WORKER_POOL": "solo"})
    context = WorkerContext(settings)
    assert count_slots(plan_worker("proxy", None, context), settings) == 2
    assert count_slots(plan_worker("proxy", 3, context), settings) == 3
    assert count_slots(plan_worker("proxy", None, context, autoscale="5,1"), settings) == 5
    assert count_slots(plan_worker("proxy", None, WorkerContext(solo)), solo) == 1


@pytest.mark.parametrize("bounds", ["4", "1,4", "4,0", "four,one", "4,-1", "2000,1"])
def test_worker_rejects_invalid_autoscale_bounds(context: WorkerContext, bounds: str) -> None:
    with pytest.raises(InputRejected) as refused:
        plan_worker("proxy", None, context, autoscale=bounds)
    assert refused.value.code == "autoscale_invalid"


def test_worker_rejects_autoscale_with_the_solo_pool(tmp_path: Path) -> None:
    context = WorkerContext(load({"CINEMILL_HOME": str(tmp_path), "CELERY_WORKER_POOL": "solo"}))
    with pytest.raises(InputRejected, match="'solo' has one process"):
        plan_worker("proxy", None, context, autoscale="4,1")


def test_worker_rejects_an_unknown_queue_and_lists_the_known_ones(context: WorkerContext) -> None:
    with pytest.raises(InputRejected) as refused:
        plan_worker("proxy,porxy", None, context)
    assert "porxy" in refused.value.message
    assert "proxy" in refused.value.hint


def test_worker_consumes_its_other_queues_if_a_package_is_broken(
    context: WorkerContext,
) -> None:
    planned = plan_worker("loudness,proxy", None, context, are_packages_left_out=True)
    assert planned["queues"] == ["proxy"]
    with pytest.raises(InputRejected, match="loudness"):
        plan_worker("loudness", None, context, are_packages_left_out=True)


def test_worker_command_exits_with_a_message_for_an_unknown_queue(
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
def test_celery_settings_have_the_measured_values(app: Celery, setting: str, value: object) -> None:
    assert app.conf[setting] == value


def test_every_job_kind_is_a_celery_task(app: Celery) -> None:
    assert CATALOG.jobs.keys() <= app.tasks.keys()


def test_second_application_has_its_own_tasks(app: Celery, tmp_path: Path) -> None:
    other = build_app(load({"CINEMILL_HOME": str(tmp_path / "other")}))
    for name in [*CATALOG.jobs, *(step_task_name(kind) for kind in CATALOG.steps)]:
        assert app.tasks[name].app is app
        assert other.tasks[name].app is other


def test_beat_schedule_has_nightly_cleanup_and_quarter_hourly_checks(app: Celery) -> None:
    schedule = app.conf.beat_schedule
    nightly = schedule["cleanup_old_jobs"]["schedule"]
    assert (nightly.hour, nightly.minute) == ({2}, {0})
    assert schedule["check_stuck_jobs"]["schedule"].minute == {0, 15, 30, 45}
    assert {entry["task"] for entry in schedule.values()} <= CATALOG.jobs.keys()


def test_beat_projects_vectors_where_there_is_a_qdrant(app: Celery, tmp_path: Path) -> None:
    assert "project_embeddings" not in app.conf.beat_schedule
    settings = {"CINEMILL_HOME": str(tmp_path), "CINEMILL_QDRANT_URL": "http://127.0.0.1:6333"}
    entry = build_app(load(settings)).conf.beat_schedule["project_embeddings"]
    assert entry["task"] in CATALOG.jobs
    assert len(entry["schedule"].minute) == 6
