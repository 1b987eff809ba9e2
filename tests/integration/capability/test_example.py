"""The example package, from installed to removed, on a whole installation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from sqlalchemy import text
from tests import films
from tests.instances import Instance, running_instance
from tests.packages import EXAMPLE, install_project
from tests.waiting import wait_until

from cinemill.client import Client, ClientError
from cinemill.config import apply_running_instance, load
from cinemill.storage.database import Database

SEND = """
import sys
from cinemill.worker.tasks import measure_loudness
sent = measure_loudness.delay(sys.argv[1])
print(sent.id)
"""
SEND_AND_WAIT = f"{SEND}\nprint(sent.get(timeout=150)['integrated_lufs'])"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_project(EXAMPLE, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.make_film(tmp_path_factory.mktemp("films") / "tone.mp4", seconds=3)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("instance") / "home"


@pytest.fixture(scope="module")
def instance(home: Path, site: Path, film: Path) -> Iterator[Instance]:
    with running_instance(home, site, film.parent) as running:
        yield running


@pytest.fixture
def client(instance: Instance) -> Iterator[Client]:
    with instance.client() as opened:
        yield opened


def get(instance: Instance, path: str) -> httpx.Response:
    token = (instance.home / "token").read_text().strip()
    state = json.loads((instance.home / "run" / "state.json").read_text())
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{state['api_url']}{path}", headers=headers, timeout=60)


def test_job_of_the_package_runs_over_http(
    instance: Instance, client: Client, film: Path, tmp_path: Path
) -> None:
    job = client.upload(film, kind="measure_loudness")
    *_, last = client.watch(job["id"])
    assert last.status == "completed"
    job = client.job(job["id"])
    measured = job["result"] or {}
    # A sine of an eighth of full scale.
    assert measured["integrated_lufs"] == pytest.approx(-21.8, abs=0.5)
    assert measured["true_peak_dbtp"] == pytest.approx(-18, abs=1)

    answer = get(instance, f"/api/v1/loudness/{job['asset_id']}")
    assert answer.status_code == 200
    assert answer.json()["integrated_lufs"] == measured["integrated_lufs"]

    stored = client.download(str(job["asset_id"]), "finding", tmp_path, variant="loudness")
    assert json.loads(stored.read_text()) == answer.json()


def test_route_of_the_package_answers_like_our_own(instance: Instance) -> None:
    missing = get(instance, "/api/v1/loudness/no-such-asset")
    assert missing.status_code == 404
    assert missing.json()["code"] == "artifact_not_found"
    state = json.loads((instance.home / "run" / "state.json").read_text())
    assert httpx.get(f"{state['api_url']}/api/v1/loudness/x").status_code == 401
    paths = get(instance, "/openapi.json").json()["paths"]
    assert "/api/v1/loudness/{asset_id}" in paths


def test_same_video_is_not_measured_twice(
    instance: Instance, client: Client, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "again.mp4", seconds=2)
    asset_id = measure(client, film)["asset_id"]
    # Another figure in the stored finding shows that it was not measured again.
    settings = apply_running_instance(load(instance.environment))
    assert settings.database_url is not None
    database = Database(settings.database_url)
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE artifact SET facts = jsonb_set(facts, '{integrated_lufs}', '-70')"
                " WHERE asset_id = :asset_id AND kind = 'finding'"
            ),
            {"asset_id": asset_id},
        )
    database.close()
    assert measure(client, film)["integrated_lufs"] == -70


def measure(client: Client, film: Path) -> dict[str, Any]:
    job = client.upload(film, kind="measure_loudness")
    *_, last = client.watch(job["id"])
    assert last.status == "completed"
    return dict(client.job(job["id"])["result"] or {})


def test_video_without_sound_is_rejected_by_the_package(client: Client, tmp_path: Path) -> None:
    mute = films.make_film(tmp_path / "mute.mp4", has_sound=False)
    job = client.upload(mute, kind="measure_loudness")
    *_, last = client.watch(job["id"])
    assert last.status == "failed"
    failure = client.job(job["id"])["error"] or {}
    assert failure["code"] == "media_no_sound"


def test_stock_celery_client_sends_it_by_name(
    instance: Instance, client: Client, film: Path
) -> None:
    settings = apply_running_instance(load(instance.environment))
    app = Celery(broker=settings.celery_broker_url)
    app.conf.broker_transport_options = {"global_keyprefix": "cinemill:"}
    sent = app.send_task("measure_loudness", args=[str(film)], queue="loudness")
    app.close()

    def is_adopted() -> bool:
        with suppress(ClientError):
            return client.job(sent.id)["kind"] == "measure_loudness"
        return False

    wait_until(is_adopted)
    *_, last = client.watch(sent.id)
    assert last.status == "completed"


def test_it_is_a_task_to_import(instance: Instance, film: Path) -> None:
    done = instance.execute(sys.executable, "-c", SEND_AND_WAIT, str(film))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[1]) == pytest.approx(-21.8, abs=0.5)


def test_command_of_the_package_prints_what_was_measured(instance: Instance, film: Path) -> None:
    done = instance.run("loudness", str(film))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("integrated  -21.")
    assert "LUFS" in done.stdout
    refused = instance.run("loudness", __file__)
    assert refused.returncode == 4
    assert "Traceback" not in refused.stderr


def test_command_stands_in_the_help(instance: Instance) -> None:
    assert "Print how loud a video is, in LUFS." in instance.run("--help").stdout
    assert "The video." in instance.run("loudness", "--help").stdout


def test_doctor_and_health_know_the_package(instance: Instance, client: Client) -> None:
    findings = json.loads(instance.run("doctor", "--json").stdout)
    (own,) = [one for one in findings if one["part"] == "packages"]
    assert own["level"] == "ok"
    assert own["message"] == "bring loudness (cinemill-loudness 0.1.0)"
    assert "capabilities" not in client.health()
    debug = get(instance, "/debug").json()
    assert {"name": "loudness", "package": "cinemill-loudness 0.1.0"} in debug["capabilities"]
    assert debug["left_out"] == []


def test_workers_consume_the_packages_queue_within_its_limits(instance: Instance) -> None:
    settings = apply_running_instance(load(instance.environment))
    script = (
        "from cinemill.worker.app import app\n"
        "print(app.context.retry_policy.queue_seconds['loudness'])\n"
        "active = app.control.inspect(timeout=30, limit=1).active_queues()\n"
        "print(sorted(q['name'] for w in active.values() for q in w))"
    )
    assert settings.database_url
    limits, consumed = instance.execute(sys.executable, "-c", script).stdout.splitlines()[:2]
    assert limits == "(3300, 3600)"
    assert "'loudness'" in consumed


def test_packages_own_tests_pass(site: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(EXAMPLE / "tests")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_without_the_package_its_jobs_wait_and_with_it_they_go_on(
    tmp_path: Path, site: Path, film: Path
) -> None:
    home = tmp_path / "home"
    with running_instance(home, site, film.parent) as instance, instance.client() as client:
        measured = client.upload(film, kind="measure_loudness")["id"]
        assert [event.status for event in client.watch(measured)][-1] == "completed"
    with running_instance(home, None, film.parent) as instance, instance.client() as client:
        waiting = _send_from_elsewhere(instance, site, film)
        _check_absence(instance, client, film)
        assert (client.job(measured)["result"] or {})["integrated_lufs"] < 0
        wait_until(lambda: "no installed package provides" in str(client.job(waiting)["message"]))
        assert client.job(waiting)["status"] in ("pending", "running")
        assert [event.status for event in client.watch(client.upload(film)["id"])][
            -1
        ] == "completed"
        cancelled = _send_from_elsewhere(instance, site, film)
        client.cancel(cancelled)
        assert [event.status for event in client.watch(cancelled)][-1] == "cancelled"
    with running_instance(home, site, film.parent) as instance, instance.client() as client:
        assert [event.status for event in client.watch(waiting)][-1] == "completed"


def _send_from_elsewhere(instance: Instance, site: Path, film: Path) -> str:
    """Submit from a machine that has the package to an installation that has not."""
    equipped = Instance({**instance.environment, "PYTHONPATH": str(site)}, instance.home)
    sent = equipped.execute(sys.executable, "-c", SEND, str(film))
    assert sent.returncode == 0, sent.stderr
    return sent.stdout.split()[0]


def _check_absence(instance: Instance, client: Client, film: Path) -> None:
    assert get(instance, "/api/v1/loudness/x").status_code == 404
    with pytest.raises(ClientError) as refused:
        client.upload(film, kind="measure_loudness")
    assert refused.value.code == "job_kind_unknown"
    command = instance.run("loudness", str(film))
    assert command.returncode == 2
    assert "command_unknown" in command.stderr
    assert "capabilities" not in client.health()
