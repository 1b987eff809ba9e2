"""Settings under the names of other applications: ``PORT``, and the group ``celery_config``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from celery.app.defaults import SETTING_KEYS

from cinemill.config import load
from cinemill.config.celery_names import CELERY_NAMES
from cinemill.config.model import public_names
from cinemill.errors import SettingsInvalid

CELERY = {
    "broker_url": "redis://localhost:6379/0",
    "result_backend": "redis://localhost:6379/0",
    "task_time_limit": 1800,
    "task_soft_time_limit": 1500,
    "worker_concurrency": 1,
    "worker_pool": "solo",
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"CINEMILL_HOME": str(tmp_path)}


def write(environ: dict[str, str], document: object, name: str = "settings.json") -> None:
    (Path(environ["CINEMILL_HOME"]) / name).write_text(json.dumps(document), "utf-8")


def test_port_counts_where_our_own_is_not_set(environ: dict[str, str]) -> None:
    settings = load({**environ, "PORT": "8080"})
    assert settings.port == 8080
    row = next(row for row in settings.describe() if row.name == "CINEMILL_PORT")
    assert row.source == "environment"


def test_our_own_port_goes_before(environ: dict[str, str]) -> None:
    assert load({**environ, "PORT": "8080", "CINEMILL_PORT": "9000"}).port == 9000


def test_our_own_port_in_the_file_goes_before(environ: dict[str, str]) -> None:
    write(environ, {"cinemill": {"port": 9000}})
    assert load({**environ, "PORT": "8080"}).port == 9000


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_port_is_unset(environ: dict[str, str], empty: str) -> None:
    assert load({**environ, "PORT": empty}).port == 8420
    assert load({**environ, "PORT": "8080", "CINEMILL_PORT": empty}).port == 8080


def test_children_get_our_own_name(environ: dict[str, str]) -> None:
    assert load({**environ, "PORT": "8080"}).to_environment()["CINEMILL_PORT"] == "8080"


@pytest.mark.parametrize("port", ["http", "0", "70000", "tcp://10.0.0.1:80"])
def test_wrong_port_is_named_as_it_was_written(environ: dict[str, str], port: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load({**environ, "PORT": port})
    assert [name for name, _ in caught.value.problems] == ["PORT"]


@pytest.mark.parametrize("group", ["celery", "celery_config"])
def test_group_of_celery_may_be_called_either(environ: dict[str, str], group: str) -> None:
    write(environ, {group: CELERY})
    settings = load(environ)
    assert settings.celery_broker_url == CELERY["broker_url"]
    assert settings.celery_result_backend == CELERY["result_backend"]
    assert (settings.celery_task_time_limit, settings.celery_task_soft_time_limit) == (1800, 1500)
    assert (settings.celery_worker_concurrency, settings.celery_worker_pool) == (1, "solo")
    assert settings.warnings == ()


def test_group_in_a_toml_file(environ: dict[str, str]) -> None:
    text = '[celery_config]\nworker_pool = "solo"\nworker_concurrency = 1\n'
    (Path(environ["CINEMILL_HOME"]) / "settings.toml").write_text(text, "utf-8")
    assert load(environ).celery_worker_pool == "solo"


def test_environment_goes_before_the_group(environ: dict[str, str]) -> None:
    write(environ, {"celery_config": CELERY})
    assert load({**environ, "CELERY_WORKER_POOL": "prefork"}).celery_worker_pool == "prefork"


def test_both_groups_may_not_name_the_same_setting(environ: dict[str, str]) -> None:
    write(environ, {"celery_config": CELERY, "celery": {"worker_pool": "solo"}})
    with pytest.raises(SettingsInvalid, match="second value for CELERY_WORKER_POOL"):
        load(environ)


@pytest.mark.parametrize(
    "more",
    [
        {"task_serializer": "json"},
        {"accept_content": ["json"]},
        {"timezone": "UTC", "enable_utc": True},
        {"task_routes": {"app.tasks.render": {"queue": "render_queue"}}},
        {"worker_max_tasks_per_child": 10},
        {"broker_transport_options": {"visibility_timeout": 3600, "max_retries": 3}},
        {"imports": ["app.tasks"], "include": ["app.tasks"]},
        {"Broker_Pool_Limit": 10, "task_annotations": {"*": {"rate_limit": "10/s"}}},
    ],
)
def test_what_cinemill_chooses_itself_is_ignored_with_a_warning(
    environ: dict[str, str], more: dict[str, object]
) -> None:
    write(environ, {"celery_config": {**CELERY, **more}})
    warnings = load(environ).warnings
    assert len(warnings) == len(more)
    assert all("is ignored: Cinemill chooses it itself" in warning for warning in warnings)


@pytest.mark.parametrize("group", ["celery", "celery_config"])
def test_every_setting_of_celery_is_known(environ: dict[str, str], group: str) -> None:
    assert frozenset(SETTING_KEYS) == CELERY_NAMES
    ours = {name.removeprefix("CELERY_").lower() for name in public_names()}
    ignored = CELERY_NAMES - ours
    write(environ, {group: dict.fromkeys(ignored, "1")})
    assert len(load(environ).warnings) == len(ignored)


def test_time_limit_of_the_group_may_stand_alone(environ: dict[str, str]) -> None:
    write(environ, {"celery_config": {"task_time_limit": 1800}})
    settings = load(environ)
    assert (settings.celery_task_time_limit, settings.celery_task_soft_time_limit) == (1800, 1500)


def test_misspelt_setting_of_the_group_is_still_a_problem(environ: dict[str, str]) -> None:
    write(environ, {"celery_config": {"worker_pol": "solo"}})
    with pytest.raises(SettingsInvalid, match=r"celery_config\.worker_pol"):
        load(environ)


def test_port_of_a_file_without_a_group(environ: dict[str, str]) -> None:
    write(environ, {"port": 8080})
    assert load(environ).port == 8080
