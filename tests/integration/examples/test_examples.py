"""The scripts of five other systems, as their users have them, against one installation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.instances import Instance
from tests.integration.examples.conftest import EXAMPLES, Script
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.config import load

SYSTEMS = (
    "detection-pipeline",
    "intelligence-platform",
    "render-farm",
    "job-service",
    "upload-application",
)


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_system_has_its_scripts_and_says_what_has_changed(system: str) -> None:
    folder = EXAMPLES / f"from-{system}"
    page = (folder / "README.md").read_text("utf-8")
    assert "What has changed" in page
    for file in folder.iterdir():
        assert file.name in page or file.name == "README.md"


def test_render_farm_submits(script: Script, film: str) -> None:
    printed = script.run_python("from-render-farm/submit.py", film)
    assert printed["rendered"].endswith("True SUCCESS")
    assert (printed["previews"], printed["batch"]) == ("2", "2")
    assert printed["transcoded"].endswith(".mp4")
    assert int(printed["cleanup"]) >= 0
    assert float(printed["cpu"]) >= 0
    assert printed["result"] == "SUCCESS"
    assert "progress" in printed


@pytest.fixture
def farm_workers(script: Script, tmp_path: Path) -> Iterator[Path]:
    script.run_shell("from-render-farm/workers.sh", RUN_DIR=str(tmp_path))
    yield tmp_path
    stop_workers(tmp_path)


def stop_workers(folder: Path) -> None:
    for file in folder.glob("*.pid"):
        os.kill(int(file.read_text()), 15)
    wait_until(lambda: not list(folder.glob("*.pid")))


def count_workers(script: Script) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "cinemill.worker.app", "inspect", "ping", "--json"],
        env=script.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return len(json.loads(done.stdout)) if done.returncode == 0 else 0


def test_render_farm_has_workers_of_its_own(script: Script, farm_workers: Path) -> None:
    wait_until(lambda: count_workers(script) >= 3)
    assert {file.stem for file in farm_workers.glob("*.pid")} == {"render", "preview"}
    printed = script.run(
        "celery", "-A", "cinemill.worker.app", "inspect", "active_queues", "--json"
    )
    queues = {
        worker.partition("@")[0]: {queue["name"] for queue in consumed}
        for worker, consumed in json.loads(printed).items()
    }
    assert queues["render-cpu"] >= {"render", "transcode", "ingestion"}
    assert queues["preview"] >= {"preview", "caption", "ingestion"}
    assert "transcode" not in queues["preview"]


@pytest.mark.rediscli
def test_render_farm_is_inspected(script: Script, film: str) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is not installed")
    script.run_python("from-upload-application/check.py", submit_video(script, film))
    printed = script.run_shell("from-render-farm/inspect.sh")
    assert "render_video_task" in printed
    assert "celery-task-meta-" in printed


def submit_video(script: Script, film: str) -> str:
    code = f"from cinemill.worker.tasks import process_video as t; print(t.delay({film!r}).id)"
    return script.run(sys.executable, "-c", code).strip()


def upload(script: Script, film: str) -> str:
    with script.instance.client() as client:
        job = client.upload(Path(film))
        wait_until(lambda: client.job(job["id"])["status"] == "completed")
        return str(client.job(job["id"])["asset_id"])


def test_job_service(script: Script, film: str) -> None:
    video_id = upload(script, film)
    printed = script.run_python("from-job-service/videos.py", video_id)
    assert printed["status"] == "completed"
    assert printed["metadata"] == "320 180 h264"
    assert printed["proxy"].endswith(".mp4")
    assert Path(printed["thumbnail"]).is_file()
    assert printed["cancelled"] == "cancelled not needed after all"
    assert (printed["pending"], printed["stats"]) == ("True", "True")
    assert (printed["of"], printed["created"]) == ("the video True", "True")
    assert printed["deleted"] == "0"


def run_queries(script: Script, example: str) -> list[list[tuple[object, ...]]]:
    text = (EXAMPLES / example).read_text("utf-8")
    statements = [one for one in re.sub(r"--.*", "", text).split(";") if one.strip()]
    address = script.addresses["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(address) as connection:
        return [connection.execute(statement.encode()).fetchall() for statement in statements]


def test_queries_of_the_job_service(script: Script, film: str) -> None:
    upload(script, film)
    counts, stuck, averages = run_queries(script, "from-job-service/queries.sql")
    assert "completed" in {status for status, _ in counts}
    assert stuck == []
    assert all(seconds >= 0 for _, seconds in averages)  # type: ignore[operator]


def test_operator_of_the_job_service_revokes(script: Script, film: str) -> None:
    code = (
        "from cinemill.worker.tasks import generate_proxy_video as task;"
        f"print(task.apply_async(args=[{film!r}], countdown=3600).id)"
    )
    job_id = script.run(sys.executable, "-c", code).strip()
    script.run_shell("from-job-service/operate.sh", job_id)
    with script.instance.client() as client:
        wait_until(lambda: client.job(job_id)["status"] == "cancelled")


@pytest.mark.parametrize(
    ("queue", "concurrency"), [("video_processing", "2"), ("maintenance", "1")]
)
def test_worker_of_a_queue_of_the_job_service(
    script: Script, queue: str, concurrency: str, tmp_path: Path
) -> None:
    before = count_workers(script)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", str(EXAMPLES / "from-job-service/start-worker.sh"), queue, concurrency],
            env=script.environment,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: count_workers(script) > before)
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def test_upload_application(script: Script, film: str) -> None:
    printed = script.run_shell(
        "from-upload-application/client.sh", film, POLL_SECONDS="0.2", CURL_OPTIONS=""
    )
    assert "state SUCCESS" in printed
    assert ".mp4" in printed
    assert "deleted" in printed
    assert [f"{page} ok" in printed for page in ("health", "logs", "debug")] == [True] * 3


def test_settings_of_the_upload_application_are_in_force(instance: Instance) -> None:
    settings = load(instance.environment)
    assert (settings.celery_worker_pool, settings.celery_task_time_limit) == ("solo", 1800)
    assert settings.warnings == ()


def test_result_of_the_upload_application_by_its_id(script: Script, film: str) -> None:
    printed = script.run_python("from-upload-application/check.py", submit_video(script, film))
    assert printed["application"] == "cinemill"
    assert printed["result"].endswith(".mp4")


def test_detection_pipeline(script: Script, film: str) -> None:
    tested = script.run_python("from-detection-pipeline/pipeline.py", "test")
    assert tested["healthy"] == "True"
    printed = script.run_python("from-detection-pipeline/pipeline.py", "client", film)
    assert printed["verdict"]


def test_settings_of_the_detection_pipeline_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are, where the pipeline's own weights lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet50_pretrained.pth").write_bytes(b"weights")
    lines = (EXAMPLES / "from-detection-pipeline/pipeline.env").read_text("utf-8").splitlines()
    environ = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    settings = load({**environ, "CINEMILL_HOME": str(tmp_path / "home")})
    assert settings.database_url is not None
    assert settings.ensemble_weights == {"resnet50": 0.6, "clip": 0.4}


def test_queries_of_the_detection_pipeline(script: Script, film: str) -> None:
    script.run_python("from-detection-pipeline/pipeline.py", "client", film)
    analyses, *_ = run_queries(script, "from-detection-pipeline/queries.sql")
    assert analyses


def test_intelligence_platform(script: Script, film: str, second_film: str) -> None:
    printed = script.run_python("from-intelligence-platform/ingest.py", film, second_film)
    assert printed["chain"] == "True"
    assert printed["scenes"] == "1 True True"
    assert printed["group"] == "[True, True]"
    assert printed["chord"] == "['completed', 'completed']"
    assert printed["later"] == "True"


def test_workers_of_the_intelligence_platform(script: Script, tmp_path: Path) -> None:
    before = count_workers(script)
    script.run_shell("from-intelligence-platform/workers.sh", RUN_DIR=str(tmp_path))
    try:
        wait_until(lambda: count_workers(script) >= before + 4)
    finally:
        stop_workers(tmp_path)
