"""The command line with a real server."""

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
from tests.model_files import fetch_models
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
def running_server(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """Run ``cinemill up`` until it is ready, and stop it with Ctrl-C at the end."""
    with log.open("w") as output:
        server = subprocess.Popen(
            command("up"), env=environment, stdout=output, stderr=output, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            wait_until_ready(server, log)
            yield server
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(PATIENCE_SECONDS)


def wait_until_ready(server: subprocess.Popen[str], log: Path) -> None:
    wait_until(lambda: "Cinemill is ready" in log.read_text() or server.poll() is not None)
    assert server.poll() is None, log.read_text()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the environment of commands that use a running server on a home of its own."""
    folder = tmp_path_factory.mktemp("server")
    environment = environment_of(folder / "home")
    log = folder / "up.log"
    with running_server(environment, log) as server:
        yield environment
    assert server.returncode == 0, log.read_text()
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
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cinemill.cli.commands.selftest import make_test_video
    from cinemill.config import Settings

    folder = tmp_path_factory.mktemp("film")
    return make_test_video(Settings(home=folder), folder)


def first_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_up_prints_a_link_that_opens_the_page(environment: dict[str, str]) -> None:
    import httpx

    home = Path(environment["CINEMILL_HOME"])
    link = next(
        line.strip()
        for line in (home.parent / "up.log").read_text().splitlines()
        if "?token=" in line
    )
    with httpx.Client(follow_redirects=True, timeout=PATIENCE_SECONDS) as browser:
        assert "token" not in str(browser.get(link).raise_for_status().url)


def test_process_creates_all_outputs(cinemill: Run, video: Path, tmp_path: Path) -> None:
    done = cinemill("process", video, "--to", tmp_path / "made", "--json")
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)
    made = {file["kind"]: file for file in outcome["files"]}
    assert set(made) >= {"proxy", "poster", "sprite", "sprite_index", "audio"}
    assert made["proxy"]["facts"]["height"] == 360
    assert all(Path(file["place"]).stat().st_size == file["size_bytes"] for file in made.values())
    assert set(outcome["stages"]) >= {"probe", "prepare"}


def test_transcode_creates_an_output(cinemill: Run, video: Path, tmp_path: Path) -> None:
    options = ("--codec", "vp9", "--container", "webm", "--height", 90, "--vmaf-min", 60)
    done = cinemill("transcode", video, *options, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{video.stem}-90p-vp9.webm"]
    assert "was encoded from aac to opus" in done.stdout
    assert "VMAF" in done.stdout


def test_transcode_rejects_impossible_combinations_before_upload(
    cinemill: Run, video: Path
) -> None:
    done = cinemill("transcode", video, "--codec", "h264", "--container", "webm")
    assert done.returncode == 2
    assert "combination_impossible" in done.stderr
    assert "sent" not in done.stdout + done.stderr


def test_preview_extracts_stills(cinemill: Run, video: Path, tmp_path: Path) -> None:
    options = ("-n", 3, "--sheet", 2, "--animated")
    done = cinemill("preview", video, *options, "--to", tmp_path / "stills")
    assert done.returncode == 0, done.stderr
    made = {path.name.removeprefix(f"{video.stem}-") for path in (tmp_path / "stills").iterdir()}
    stills = {f"preview_000{number}.jpg" for number in (1, 2, 3)}
    assert made == {*stills, "sheet.jpg", "animated.mp4"}


def test_caption_transcribes_speech(
    cinemill: Run, video: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    missing = cinemill("caption", video, "--model", "tiny.en")
    assert missing.returncode == 1
    assert "cinemill models fetch tiny.en" in missing.stderr
    (Path(environment["CINEMILL_HOME"]) / "models").symlink_to(fetch_models("tiny.en"))
    done = cinemill("caption", video, "--model", "tiny.en", "--to", tmp_path / "captions")
    assert done.returncode == 0, done.stderr
    made = {path.suffix for path in (tmp_path / "captions").iterdir()}
    assert made == {".srt", ".vtt", ".txt", ".json"}


def write_timeline(path: Path, video: Path, *ends: float) -> Path:
    """Write a timeline with scenes of a video in the same folder, by its file name."""
    (path.parent / video.name).write_bytes(video.read_bytes())
    scenes = [{"video_path": video.name, "start_time": 0, "end_time": end} for end in ends]
    output = {"width": 160, "height": 90, "fps": 25}
    path.write_text(json.dumps({"scenes": scenes, "output_format": output, "transitions": False}))
    return path


def test_render_creates_a_video(cinemill: Run, video: Path, tmp_path: Path) -> None:
    timeline = write_timeline(tmp_path / "edit.json", video, 1, 0.6)
    done = cinemill("render", timeline, "--to", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)
    (made,) = outcome["files"]
    assert made["kind"] == "render"
    assert Path(made["place"]).parent == tmp_path / "out"
    assert made["facts"]["frames"] == 40


def test_batch_reports_each_timeline(cinemill: Run, video: Path, tmp_path: Path) -> None:
    good = json.loads(write_timeline(tmp_path / "edit.json", video, 1).read_text())
    bad = {**good, "scenes": [{"video_path": "none.mp4", "start_time": 0, "end_time": 1}]}
    (tmp_path / "batch.json").write_text(json.dumps([good, bad]))
    done = cinemill("batch", tmp_path / "batch.json", "--json")
    assert done.returncode == 4, done.stderr
    first, second = json.loads(done.stdout)
    assert Path(first["output_path"]).exists()
    assert second["error"]["code"] == "source_not_found"


def test_render_rejects_a_timeline_that_is_not_json(cinemill: Run, tmp_path: Path) -> None:
    (tmp_path / "edit.json").write_text("{")
    done = cinemill("render", tmp_path / "edit.json")
    assert done.returncode == 4
    assert "timeline_unreadable" in done.stderr


def test_job_can_be_watched_shown_and_listed(cinemill: Run, video: Path) -> None:
    job_id = first_line(cinemill("submit", video, "--thumbnail-seconds", "1.5"))
    events = [json.loads(line) for line in cinemill("watch", job_id, "--json").stdout.splitlines()]
    assert events[-1]["status"] == "completed"
    status = json.loads(cinemill("status", job_id, "--json").stdout)
    assert {step["name"] for step in status["steps"]} == {"probe", "prepare"}
    listed = json.loads(cinemill("jobs", "--status", "completed", "--json").stdout)
    assert job_id in {job["id"] for job in listed}


def test_job_id_can_be_abbreviated_and_the_list_shows_the_video(cinemill: Run, video: Path) -> None:
    job_id = first_line(cinemill("submit", video))
    assert cinemill("watch", job_id[:8]).returncode == 0
    rows = [line.split()[:2] for line in cinemill("jobs").stdout.splitlines()]
    assert [job_id[:8], video.name] in rows
    assert json.loads(cinemill("status", job_id[:8], "--json").stdout)["id"] == job_id


def test_file_names_may_be_any_bytes(
    cinemill: Run, environment: dict[str, str], video: Path, tmp_path: Path
) -> None:
    names = (b"caf\xe9.mp4", b"\xff\xfe.mp4", "日本 🎬.mp4".encode(), b"-l.mp4", b"two\nlines.mp4")
    files = [Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)) for name in names]
    for number, file in enumerate(files):
        file.write_bytes(video.read_bytes() + b"\0" * (number + 1))
    done = cinemill("submit", "--json", *files)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == len(names)
    listed = cinemill("jobs").stdout
    assert all(name in listed for name in ("caf\ufffd.mp4", "日本 🎬.mp4", "two lines.mp4"))
    (created,) = json.loads(cinemill("process", "--json", "--to", tmp_path / "to", files[0]).stdout)
    assert created["status"] == "completed"


def test_status_shows_workers_and_queues(cinemill: Run) -> None:
    status = json.loads(cinemill("status", "--json").stdout)
    (worker,) = status["workers"]
    assert worker["slots"] == 1
    assert {"proxy", "ingestion"} <= set(worker["queues"])
    assert status["health"]["status"] == "ok"
    assert "celery@" in cinemill("status").stdout


def test_additional_worker_has_a_name_of_its_own(
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


def test_process_of_a_file_that_is_no_video_is_exit_code_4(cinemill: Run, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("no film at all\n" * 100)
    done = cinemill("process", path)
    assert done.returncode == 4, done.stderr
    assert "media_unrecognized" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_passes_on_a_running_server(cinemill: Run) -> None:
    done = cinemill("doctor", "--json")
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    assert [f for f in findings if f["level"] == "fail"] == []
    words = {f["part"]: f["message"] for f in findings}
    assert words["database"].startswith("PostgreSQL 18")
    assert "database ok" in words["API"]
    assert words["workers"].startswith("celery@")
    assert words["Redis"].startswith("Valkey ")
    assert "CINEMILL_PORT=" in words["settings"]
    assert "DATABASE_URL" not in words["settings"], "the running server's URLs are not settings"
    assert abs(float(words["clock"].split()[0])) < 30


def test_verify_detects_a_damaged_file(
    cinemill: Run, environment: dict[str, str], video: Path
) -> None:
    cinemill("process", video)
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


def test_selftest_passes(cinemill: Run) -> None:
    done = cinemill("selftest", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(json.loads(done.stdout).values())


def test_up_rejects_a_second_server_on_the_same_home(cinemill: Run) -> None:
    done = cinemill("up")
    assert done.returncode == 3
    assert "home_locked" in done.stderr


def test_wrong_token_is_exit_code_2(environment: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{environment['CINEMILL_PORT']}"
    far = {**environment, "CINEMILL_URL": url, "CINEMILL_TOKEN": "wrong"}
    done = subprocess.run(command("jobs"), env=far, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unauthorized" in done.stderr
    assert "CINEMILL_TOKEN" in done.stderr


def test_python_client_finds_the_server_of_a_home(environment: dict[str, str]) -> None:
    with Client.from_home(Path(environment["CINEMILL_HOME"])) as client:
        assert client.health()["status"] == "ok"
        with pytest.raises(ClientError) as caught:
            client.job("00000000-0000-0000-0000-000000000000")
        assert caught.value.status == 404


def test_process_starts_and_stops_a_temporary_server(tmp_path: Path, video: Path) -> None:
    environment = environment_of(tmp_path / "home")
    done = subprocess.run(
        command("process", video),
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
