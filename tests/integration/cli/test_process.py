"""The command line against the whole mill: started, used, asked, stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.instance_settings import UNSPACED
from tests.speech import fetch_models
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.client import Client, ClientError

Run = Callable[..., subprocess.CompletedProcess[str]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment_of(home: Path) -> dict[str, str]:
    own = ("CINEMILL_", "DATABASE_URL", "REDIS_URL", "CELERY_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(own)},
        "CINEMILL_HOME": str(home),
        "CINEMILL_PORT": str(free_port()),
        "CELERY_WORKER_CONCURRENCY": "1",
        "COLUMNS": "200",
        **UNSPACED,
    }


def command(*arguments: object) -> list[str]:
    script = "from cinemill.cli.main import run; run()"
    return [sys.executable, "-c", script, *(str(argument) for argument in arguments)]


@contextmanager
def running_mill(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """``cinemill up``, from ready to stopped by Ctrl-C."""
    with log.open("w") as output:
        mill = subprocess.Popen(
            command("up"), env=environment, stdout=output, stderr=output, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            wait_until_ready(mill, log)
            yield mill
        finally:
            mill.send_signal(signal.SIGINT)
            mill.wait(PATIENCE_SECONDS)


def wait_until_ready(mill: subprocess.Popen[str], log: Path) -> None:
    wait_until(lambda: "Cinemill is ready" in log.read_text() or mill.poll() is not None)
    assert mill.poll() is None, log.read_text()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of commands that speak to a mill which runs on a home of its own."""
    folder = tmp_path_factory.mktemp("mill")
    environment = environment_of(folder / "home")
    log = folder / "up.log"
    with running_mill(environment, log) as mill:
        yield environment
    assert mill.returncode == 0, log.read_text()
    assert not (folder / "home" / "run" / "state.json").exists()


@pytest.fixture
def cinemill(environment: dict[str, str]) -> Run:
    return lambda *arguments: subprocess.run(
        command(*arguments),
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cinemill.cli.commands.selftest import make_film
    from cinemill.config import Settings

    folder = tmp_path_factory.mktemp("film")
    return make_film(Settings(home=folder), folder)


def first_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_the_link_that_is_printed_opens_the_page(environment: dict[str, str]) -> None:
    import httpx

    home = Path(environment["CINEMILL_HOME"])
    link = next(
        line.strip()
        for line in (home.parent / "up.log").read_text().splitlines()
        if "?token=" in line
    )
    with httpx.Client(follow_redirects=True, timeout=PATIENCE_SECONDS) as browser:
        assert "token" not in str(browser.get(link).raise_for_status().url)


def test_a_film_goes_through(cinemill: Run, film: Path, tmp_path: Path) -> None:
    done = cinemill("process", film, "--to", tmp_path / "made", "--json")
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)
    made = {file["kind"]: file for file in outcome["files"]}
    assert set(made) >= {"proxy", "poster", "sprite", "sprite_index", "audio"}
    assert made["proxy"]["facts"]["height"] == 360
    assert all(Path(file["place"]).stat().st_size == file["size_bytes"] for file in made.values())
    assert set(outcome["stages"]) >= {"probe", "prepare"}


def test_another_file_is_made_of_a_film(cinemill: Run, film: Path, tmp_path: Path) -> None:
    wish = ("--codec", "vp9", "--container", "webm", "--height", 90, "--vmaf-min", 60)
    done = cinemill("transcode", film, *wish, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{film.stem}-90p-vp9.webm"]
    assert "was encoded from aac to opus" in done.stdout
    assert "VMAF" in done.stdout


def test_what_cannot_be_is_refused_before_the_film_is_sent(cinemill: Run, film: Path) -> None:
    done = cinemill("transcode", film, "--codec", "h264", "--container", "webm")
    assert done.returncode == 4
    assert "combination_impossible" in done.stderr
    assert "sent" not in done.stdout + done.stderr


def test_stills_are_taken_of_a_film(cinemill: Run, film: Path, tmp_path: Path) -> None:
    wish = ("-n", 3, "--sheet", 2, "--animated")
    done = cinemill("preview", film, *wish, "--to", tmp_path / "stills")
    assert done.returncode == 0, done.stderr
    made = {path.name.removeprefix(f"{film.stem}-") for path in (tmp_path / "stills").iterdir()}
    stills = {f"preview_000{number}.jpg" for number in (1, 2, 3)}
    assert made == {*stills, "sheet.jpg", "animated.mp4"}


def test_what_is_said_is_written_down(
    cinemill: Run, film: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    missing = cinemill("caption", film, "--model", "tiny.en")
    assert missing.returncode == 1
    assert "cinemill models fetch tiny.en" in missing.stderr
    (Path(environment["CINEMILL_HOME"]) / "models").symlink_to(fetch_models("tiny.en"))
    done = cinemill("caption", film, "--model", "tiny.en", "--to", tmp_path / "captions")
    assert done.returncode == 0, done.stderr
    made = {path.suffix for path in (tmp_path / "captions").iterdir()}
    assert made == {".srt", ".vtt", ".txt", ".json"}


def write_timeline(path: Path, film: Path, *ends: float) -> Path:
    """Scenes of a film beside the timeline, by a name without folders."""
    (path.parent / film.name).write_bytes(film.read_bytes())
    scenes = [{"video_path": film.name, "start_time": 0, "end_time": end} for end in ends]
    output = {"width": 160, "height": 90, "fps": 25}
    path.write_text(json.dumps({"scenes": scenes, "output_format": output, "transitions": False}))
    return path


def test_a_timeline_is_rendered(cinemill: Run, film: Path, tmp_path: Path) -> None:
    timeline = write_timeline(tmp_path / "edit.json", film, 1, 0.6)
    done = cinemill("render", timeline, "--to", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)
    (made,) = outcome["files"]
    assert made["kind"] == "render"
    assert Path(made["place"]).parent == tmp_path / "out"
    assert made["facts"]["frames"] == 40


def test_a_batch_answers_for_each_timeline(cinemill: Run, film: Path, tmp_path: Path) -> None:
    good = json.loads(write_timeline(tmp_path / "edit.json", film, 1).read_text())
    bad = {**good, "scenes": [{"video_path": "none.mp4", "start_time": 0, "end_time": 1}]}
    (tmp_path / "batch.json").write_text(json.dumps([good, bad]))
    done = cinemill("batch", tmp_path / "batch.json", "--json")
    assert done.returncode == 1, done.stderr
    first, second = json.loads(done.stdout)
    assert Path(first["output_path"]).exists()
    assert second["error"]["code"] == "source_not_found"


def test_a_timeline_that_is_no_json_is_told(cinemill: Run, tmp_path: Path) -> None:
    (tmp_path / "edit.json").write_text("{")
    done = cinemill("render", tmp_path / "edit.json")
    assert done.returncode == 4
    assert "timeline_unreadable" in done.stderr


def test_a_job_can_be_followed_asked_after_and_listed(cinemill: Run, film: Path) -> None:
    job_id = first_line(cinemill("submit", film, "--thumbnail-seconds", "1.5"))
    events = [json.loads(line) for line in cinemill("watch", job_id, "--json").stdout.splitlines()]
    assert events[-1]["status"] == "completed"
    status = json.loads(cinemill("status", job_id, "--json").stdout)
    assert {step["name"] for step in status["steps"]} == {"probe", "prepare"}
    listed = json.loads(cinemill("jobs", "--state", "completed", "--json").stdout)
    assert job_id in {job["id"] for job in listed}


def test_a_few_characters_name_a_job_and_the_list_names_its_film(cinemill: Run, film: Path) -> None:
    job_id = first_line(cinemill("submit", film))
    assert cinemill("watch", job_id[:8]).returncode == 0
    rows = [line.split()[:2] for line in cinemill("jobs").stdout.splitlines()]
    assert [job_id[:8], film.name] in rows
    assert json.loads(cinemill("status", job_id[:8], "--json").stdout)["id"] == job_id


def test_the_status_tells_of_workers_and_queues(cinemill: Run) -> None:
    told = json.loads(cinemill("status", "--json").stdout)
    (worker,) = told["workers"]
    assert worker["slots"] == 1
    assert {"proxy", "ingestion"} <= set(worker["queues"])
    assert told["health"]["status"] == "ok"
    assert "celery@" in cinemill("status").stdout


def test_one_more_worker_is_told_from_the_first(
    cinemill: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    with log.open("w") as output:
        worker = subprocess.Popen(
            command("worker", "--queues", "proxy", "-c", "1"),
            env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(lambda: "ready." in log.read_text() or worker.poll() is not None)
            assert worker.poll() is None, log.read_text()
            found = json.loads(cinemill("status", "--json").stdout)["workers"]
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(PATIENCE_SECONDS)
    own = f"worker-{worker.pid}"
    assert {one["name"].partition("@")[0] for one in found} == {"celery", own}
    assert next(one["queues"] for one in found if one["name"].startswith(own)) == ["proxy"]


def test_what_is_no_film_is_exit_code_4(cinemill: Run, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("no film at all\n" * 100)
    done = cinemill("process", path)
    assert done.returncode == 4, done.stderr
    assert "media_unrecognized" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_a_running_mill_well(cinemill: Run) -> None:
    done = cinemill("doctor", "--json")
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    assert [f for f in findings if f["level"] == "fail"] == []
    words = {f["part"]: f["words"] for f in findings}
    assert words["database"].startswith("PostgreSQL 18")
    assert "database ok" in words["API"]
    assert words["workers"].startswith("celery@")
    assert words["Redis"].startswith("Valkey ")
    assert "CINEMILL_PORT=" in words["settings"]
    assert "DATABASE_URL" not in words["settings"], "the running mill's, set by nobody"
    assert abs(float(words["clock"].split()[0])) < 30


def test_records_and_files_agree_until_a_file_is_harmed(
    cinemill: Run, environment: dict[str, str], film: Path
) -> None:
    cinemill("process", film)
    assert cinemill("verify").returncode == 0
    objects = Path(environment["CINEMILL_HOME"]) / "objects"
    victim = next(path for path in objects.rglob("*") if path.is_file())
    kept = victim.read_bytes()
    victim.chmod(0o600)
    victim.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    done = cinemill("verify", "--json")
    repaired = cinemill("verify", "--repair")
    victim.write_bytes(kept)
    assert done.returncode == 1
    assert repaired.returncode == 1, "what is missing or damaged after a repair is no success"
    assert len(json.loads(done.stdout)["damaged"]) == 1
    assert cinemill("verify").returncode == 0


def test_the_selftest_passes(cinemill: Run) -> None:
    done = cinemill("selftest", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(json.loads(done.stdout).values())


def test_a_second_mill_on_the_home_is_refused(cinemill: Run) -> None:
    done = cinemill("up")
    assert done.returncode == 3
    assert "home_locked" in done.stderr


def test_a_wrong_token_is_exit_code_2(environment: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{environment['CINEMILL_PORT']}"
    far = {**environment, "CINEMILL_URL": url, "CINEMILL_TOKEN": "wrong"}
    done = subprocess.run(command("jobs"), env=far, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unauthorized" in done.stderr
    assert "CINEMILL_TOKEN" in done.stderr


def test_the_python_client_finds_the_mill_of_a_home(environment: dict[str, str]) -> None:
    with Client.from_home(Path(environment["CINEMILL_HOME"])) as mill:
        assert mill.health()["status"] == "ok"
        with pytest.raises(ClientError) as caught:
            mill.job("00000000-0000-0000-0000-000000000000")
        assert caught.value.status == 404


def test_without_a_mill_one_is_started_and_stopped(tmp_path: Path, film: Path) -> None:
    environment = environment_of(tmp_path / "home")
    done = subprocess.run(
        command("process", film),
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert "Starting a temporary server" in done.stderr
    assert "proxy" in done.stdout
    assert not (tmp_path / "home" / "run" / "state.json").exists()
    with pytest.raises(ClientError):
        Client.from_home(tmp_path / "home")
