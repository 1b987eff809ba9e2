"""Requests, output and exit codes of the commands."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.waiting import PATIENCE_SECONDS

from cinemill.cli import follow_jobs, temporary_server
from cinemill.cli import progress as display
from cinemill.cli.console import format_duration, format_size
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.progress import BarDisplay
from cinemill.cli.temporary_server import Stopped
from cinemill.cli.terminal import screen

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import Exchange, LittleServer

PROXY = b"a proxy"
UUIDS = ("397dee33-f172-456c-8304-5e331e980c57", "397d0a11-4715-49c4-b2e6-fd5798517600")
JOB: dict[str, Any] = {
    "id": "j1",
    "kind": "process_video",
    "status": "completed",
    "progress": 100,
    "asset_id": "a1",
    "queued_at": "2026-01-02T03:04:05+00:00",
    "result": {"stages": {"probe": 0.5, "prepare": 61.0}},
}
FAILED = {
    **JOB,
    "status": "failed",
    "result": None,
    "error": {
        "code": "media_truncated",
        "message": "The file is truncated: its end is missing.",
        "hint": "Upload it again.",
        "log_tail": "last words",
    },
}
DEAD_MESSAGE = {
    "id": UUIDS[0],
    "queue": "default",
    "task": "",
    "task_id": "",
    "error": {"code": "message_not_json", "message": "It is not JSON.", "hint": "Send JSON."},
    "excerpt": "nonsense",
    "size_bytes": 8,
    "received_at": "2026-01-02T03:04:05+00:00",
}
ASSET = {
    "id": "a1",
    "artifacts": [
        {
            "kind": "proxy",
            "sha256": hashlib.sha256(PROXY).hexdigest(),
            "size_bytes": len(PROXY),
            "facts": {"width": 854, "height": 480, "fps": 10.0, "duration_seconds": 5.3},
            "url": "/api/v1/assets/a1/files/proxy",
        }
    ],
}

INGESTED: dict[str, Any] = {
    **JOB,
    "result": {
        **JOB["result"],
        "profile": "full",
        "findings": {"shot": 2, "face": 0},
        "passages": {"speech": 3},
        "gaps": [
            {
                "subject": "object",
                "code": "model_missing",
                "message": "The model nanodet is not there.",
                "hint": "Run 'cinemill models fetch nanodet'.",
            }
        ],
    },
}


def event(status: str, progress: float) -> str:
    data = json.dumps({"status": status, "progress": progress, "message": status.title()})
    return f"id: {progress}\ndata: {data}\n\n"


def accepted(job_id: str = "j1") -> dict[str, Any]:
    return {**JOB, "id": job_id, "status": "pending", "result": None}


def serve_dead(
    server: LittleServer, *, steps: Sequence[Any] = (), messages: Sequence[Any] = ()
) -> None:
    server.on("GET /api/v1/dead", lambda x: x.send_json({"dead": steps, "next": None}))
    page = {"messages": messages, "next": None}
    server.on("GET /api/v1/dead/messages", lambda x: x.send_json(page))


def send_proxy(x: Exchange) -> None:
    x.begin(200, Content_Length=len(PROXY), Content_Disposition='inline; filename="f-proxy.mp4"')
    x.wfile.write(PROXY)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a film")
    return path


@pytest.fixture
def upload_server(fake_server: LittleServer) -> LittleServer:
    """Return a fake server that accepts a video and completes its job."""
    fake_server.on("POST /api/v1/upload", lambda x: x.send_json(accepted()))
    fake_server.on(
        "GET /api/v1/jobs/j1/events",
        lambda x: x.send_events(event("running", 5), event("completed", 100)),
    )
    fake_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(JOB))
    fake_server.on("GET /api/v1/assets/a1", lambda x: x.send_json(ASSET))
    fake_server.on("GET /api/v1/assets/a1/files/proxy", send_proxy)
    return fake_server


class TestProcess:
    def test_process_shows_outputs_and_stage_times(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        result = cinemill("process", video)
        assert result.exit_code == ExitCode.OK, result.output
        for words in ("film.mp4: completed", "854×480, 10 fps, 5.3 s", "1 min 01 s"):
            assert words in result.stdout
        assert f"{upload_server.url}/api/v1/assets/a1/files/proxy" in result.stdout

    def test_process_with_a_profile_shows_what_was_found_and_what_is_missing(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        upload_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(INGESTED))
        result = cinemill("process", video, "--profile", "full")
        assert result.exit_code == ExitCode.OK, result.output
        for words in (
            "Found: 2 shots, 0 faces",
            "Passages for search: 3 from speech",
            "Missing: object: The model nanodet is not there.",
            "→ Run 'cinemill models fetch nanodet'.",
            "854×480",
        ):
            assert words in result.stdout
        sent = b"".join(one.body for one in upload_server.seen)
        assert b'{"profile": "full"}' in sent or b'{"profile":"full"}' in sent

    def test_process_says_once_what_a_damaged_video_lacks(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        gaps = [
            {"subject": "picture", "message": "Missing: 0:02.0–0:02.4 of stream 0.", "hint": "x"},
            {"subject": "sound", "message": "The whole track is missing.", "hint": "x"},
        ]
        job = {**JOB, "result": {**JOB["result"], "gaps": gaps}}
        upload_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(job))
        shown = cinemill("process", video, "--best-effort").stdout
        lines = [line for line in shown.splitlines() if line.startswith(("Missing", "→"))]
        assert lines == [
            "Missing: picture: 0:02.0–0:02.4 of stream 0.",
            "Missing: sound: The whole track is missing.",
            "→ x",
        ]

    def test_ingest_shows_only_what_was_found(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        upload_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(INGESTED))
        result = cinemill("ingest", video, "--json")
        (outcome,) = json.loads(result.stdout)
        found = {name: INGESTED["result"][name] for name in ("findings", "passages", "gaps")}
        assert outcome.items() >= {**found, "profile": "full", "files": []}.items()
        result = cinemill("ingest", video)
        assert "Found: 2 shots" in result.stdout
        assert "854×480" not in result.stdout

    def test_ingest_passes_the_provider_on(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        upload_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(INGESTED))
        result = cinemill("ingest", video, "--provider", "rekognition")
        assert result.exit_code == ExitCode.OK, result.output
        sent = b"".join(one.body for one in upload_server.seen).replace(b" ", b"")
        assert b'{"profile":"standard","provider":"rekognition"}' in sent

    def test_ingest_moves_each_video_into_the_collection(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        upload_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(INGESTED))
        upload_server.on("PATCH /api/v1/assets/a1", lambda x: x.send_json({"id": "a1"}))
        result = cinemill("ingest", video, "--collection", "news")
        assert result.exit_code == ExitCode.OK, result.output
        moved = [one.body for one in upload_server.seen if one.method == "PATCH"]
        assert [json.loads(body) for body in moved] == [{"collection": "news"}]

    def test_ingest_rejects_an_impossible_collection_before_the_upload(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        result = cinemill("ingest", video, "--collection", "x" * 256)
        assert result.exit_code == ExitCode.USAGE, result.output
        assert not upload_server.seen

    def test_process_downloads_into_the_folder(
        self, upload_server: LittleServer, cinemill: Run, video: Path, tmp_path: Path
    ) -> None:
        result = cinemill("process", video, "--to", tmp_path / "made" / "here", "--json")
        (outcome,) = json.loads(result.stdout)
        path = tmp_path / "made" / "here" / "f-proxy.mp4"
        assert outcome["files"][0]["place"] == str(path)
        assert outcome["stages"] == {"probe": 0.5, "prepare": 61.0}
        assert path.read_bytes() == PROXY

    def test_process_downloads_videos_of_the_same_name_into_separate_folders(
        self, upload_server: LittleServer, cinemill: Run, video: Path, tmp_path: Path
    ) -> None:
        videos = [video, tmp_path / "b" / "film.mp4", tmp_path / "film.mov"]
        videos[1].parent.mkdir()
        for other in videos[1:]:
            other.write_bytes(b"another film")
        result = cinemill("process", *videos, "--to", tmp_path / "out", "--json")
        places = [outcome["files"][0]["place"] for outcome in json.loads(result.stdout)]
        folders = ("film", "film-2", "film-3")
        assert places == [str(tmp_path / "out" / name / "f-proxy.mp4") for name in folders]
        assert all(Path(place).read_bytes() == PROXY for place in places)

    def test_process_rejects_an_unwritable_folder_before_upload(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        for folder in ("/proc/none", video, video / "below"):
            result = cinemill("process", video, "--to", folder)
            assert result.exit_code == ExitCode.USAGE
            assert "folder_unusable" in result.stderr
            assert "Traceback" not in result.output
        assert upload_server.seen == []

    def test_process_reports_a_failed_download_and_continues(
        self, upload_server: LittleServer, cinemill: Run, video: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.mp4"
        other.write_bytes(b"another film")

        def send_and_spoil(x: Exchange) -> None:
            (tmp_path / "out" / "film").write_text("a file where the folder would be")
            x.send_json(ASSET)

        upload_server.on("GET /api/v1/assets/a1", send_and_spoil, lambda x: x.send_json(ASSET))
        result = cinemill("process", video, other, "--to", tmp_path / "out", "--json")
        first, second = json.loads(result.stdout)
        assert result.exit_code == ExitCode.UNAVAILABLE
        assert first["error"]["code"] == "folder_unusable"
        assert first["job_id"] == "j1"
        assert second["status"] == "completed"

    def test_process_continues_after_a_missing_file(
        self, upload_server: LittleServer, cinemill: Run, video: Path, tmp_path: Path
    ) -> None:
        result = cinemill("process", tmp_path / "gone.mp4", video, "--json")
        assert result.exit_code == ExitCode.USAGE
        first, second = json.loads(result.stdout)
        assert first["error"]["code"] == "file_unusable"
        assert second["status"] == "completed"

    def test_process_continues_after_a_rejected_video(
        self, upload_server: LittleServer, cinemill: Run, video: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.txt"
        other.write_bytes(b"no film")
        problem = {"code": "media_unrecognized", "detail": "No video.", "hint": "Send one."}
        upload_server.on(
            "POST /api/v1/upload",
            lambda x: x.send_json(problem, 422),
            lambda x: x.send_json(accepted()),
        )
        result = cinemill("process", other, video, "--json")
        assert result.exit_code == ExitCode.REJECTED
        first, second = json.loads(result.stdout)
        assert first["error"]["code"] == "media_unrecognized"
        assert second["status"] == "completed"

    def test_process_explains_a_rejected_video(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        upload_server.on("GET /api/v1/jobs/j1/events", lambda x: x.send_events(event("failed", 40)))
        upload_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(FAILED))
        result = cinemill("process", video)
        assert result.exit_code == ExitCode.REJECTED
        for words in (
            "media_truncated",
            "its end is missing",
            "| last words",
            "→ Upload it again.",
        ):
            assert words in result.stderr

    def test_process_shows_a_bar_on_a_terminal(
        self,
        upload_server: LittleServer,
        cinemill: Run,
        video: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(screen, "is_terminal", lambda _: True)
        monkeypatch.setenv("COLUMNS", "160")
        late = json.dumps({"status": "running", "progress": 50, "seconds_left": 90, "message": "x"})
        upload_server.on(
            "GET /api/v1/jobs/j1/events",
            lambda x: x.send_events(f"id: 1\ndata: {late}\n\n", event("completed", 100)),
        )
        shown = cinemill("process", video).stderr
        assert "film.mp4" in shown
        assert "━" in shown
        assert "100%" in shown
        assert "Completed" in shown

    def test_process_closes_bars_before_the_message_of_a_stopped_server(
        self, cinemill: Run, video: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(screen, "is_terminal", lambda _: True)
        displays: list[BarDisplay] = []

        def keep(*, quiet: bool) -> BarDisplay:
            displays.append(BarDisplay())
            return displays[-1]

        def stop(_: object, work: object, *, on_start: object) -> None:
            displays[0].__enter__()
            raise Stopped

        monkeypatch.setattr(display, "open_display", keep)
        monkeypatch.setattr(temporary_server, "run_with_server", stop)
        result = cinemill("process", video)
        assert result.exit_code == ExitCode.INTERRUPTED
        show_cursor, last_word = "\x1b[?25h", "Stopped."
        assert show_cursor in result.stderr.partition(last_word)[0]


class TestSubmit:
    def test_submit_prints_only_ids_to_stdout(
        self, upload_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        result = cinemill("submit", video, "--priority", "9")
        assert result.stdout == "j1\n"
        assert b'name="priority"' in upload_server.seen[0].body

    def test_submit_continues_after_a_rejected_video(
        self, upload_server: LittleServer, cinemill: Run, video: Path, tmp_path: Path
    ) -> None:
        other, third, absent = (tmp_path / name for name in ("other.txt", "third.mp4", "gone.mp4"))
        other.write_bytes(b"no film")
        third.write_bytes(b"a third")
        upload_server.on(
            "POST /api/v1/upload",
            lambda x: x.send_json(accepted()),
            lambda x: x.send_json({"code": "media_unrecognized", "detail": "No video."}, 422),
            lambda x: x.send_json(accepted("j3")),
        )
        result = cinemill("submit", video, other, absent, tmp_path, third)
        assert result.stdout == "j1\nj3\n"
        assert result.exit_code == ExitCode.USAGE, "the missing file is the more severe error"
        output = result.stderr
        for words in (
            "film.mp4: uploaded, job j1",
            "other.txt: media_unrecognized: No video.",
            "gone.mp4 does not exist",
            "is a folder, not a video",
            "third.mp4: uploaded, job j3",
        ):
            assert words in output
        assert "other.txt: sent" not in output

    def test_submit_prints_ids_to_a_pipe_and_bars_to_the_terminal(
        self, upload_server: LittleServer, video: Path
    ) -> None:
        ours, theirs = os.openpty()
        script = "from cinemill.cli.main import run; run()"
        done = subprocess.run(
            [sys.executable, "-c", script, "submit", video],
            stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        os.close(theirs)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
        assert done.stdout == "j1\n"
        assert "film.mp4" in shown
        assert "uploaded, job j1" in shown

    def test_submit_prints_ids_above_the_bars(
        self, upload_server: LittleServer, video: Path
    ) -> None:
        ours, theirs = os.openpty()
        script = "from cinemill.cli.main import run; run()"
        subprocess.run(
            [sys.executable, "-c", script, "submit", video],
            stdout=theirs, stderr=theirs, timeout=PATIENCE_SECONDS, check=True,
            env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(ours, 65536).decode())
        os.close(ours)
        assert "j1" in re.split(r"[\r\n]+", shown)

    def test_submit_rejects_a_pipe_without_reading_it(
        self, fake_server: LittleServer, cinemill: Run, tmp_path: Path
    ) -> None:
        os.mkfifo(tmp_path / "film.mp4")
        result = cinemill("submit", tmp_path / "film.mp4")
        assert result.exit_code == ExitCode.USAGE
        assert "is not a regular file" in result.stderr
        assert fake_server.seen == []

    def test_submit_json_separates_jobs_and_errors(
        self, upload_server: LittleServer, cinemill: Run, video: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.txt"
        other.write_bytes(b"no film")
        problem = {"code": "media_unrecognized", "detail": "No video."}
        upload_server.on(
            "POST /api/v1/upload",
            lambda x: x.send_json(problem, 422),
            lambda x: x.send_json(accepted()),
        )
        result = cinemill("submit", other, video, "--json")
        assert result.exit_code == ExitCode.REJECTED
        assert [one["id"] for one in json.loads(result.stdout)] == ["j1"]
        error = json.loads(result.stderr)["error"]
        assert (error["about"], error["code"]) == ("other.txt", "media_unrecognized")

    def test_submit_stops_at_an_unreachable_server(
        self, cinemill: Run, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "other.mp4"
        other.write_bytes(b"another")
        monkeypatch.setenv("CINEMILL_URL", "http://127.0.0.1:1")
        result = cinemill("submit", video, other)
        assert result.exit_code == ExitCode.UNAVAILABLE
        assert "film.mp4: mill_unreachable" in result.stderr
        assert "other.mp4: not_sent" in result.stderr


class TestWatch:
    def test_watch_ends_with_the_job(self, upload_server: LittleServer, cinemill: Run) -> None:
        result = cinemill("watch", "j1")
        assert result.exit_code == ExitCode.OK
        assert "100% Completed" in result.stderr

    def test_watch_json_prints_one_line_per_event(
        self, upload_server: LittleServer, cinemill: Run
    ) -> None:
        lines = cinemill("watch", "j1", "--json").stdout.splitlines()
        assert [json.loads(line)["status"] for line in lines] == ["running", "completed"]

    def test_watch_failed_job_is_exit_code_1(
        self, upload_server: LittleServer, cinemill: Run
    ) -> None:
        failure = {"code": "command_failed", "message": "It broke."}
        upload_server.on("GET /api/v1/jobs/j1/events", lambda x: x.send_events(event("failed", 40)))
        upload_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json({**FAILED, "error": failure}))
        result = cinemill("watch", "j1")
        assert result.exit_code == ExitCode.JOB_FAILED
        assert "cinemill retry j1" in result.stderr

    def test_watch_unknown_job_is_exit_code_2(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        problem = {"code": "not_found", "detail": "There is no job x."}
        fake_server.on("GET /api/v1/jobs/x/events", lambda x: x.send_json(problem, 404))
        result = cinemill("watch", "x")
        assert result.exit_code == ExitCode.USAGE
        assert "There is no job x." in result.stderr

    def test_watch_repeats_the_last_line_of_a_silent_job(
        self, fake_server: LittleServer, cinemill: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(follow_jobs, "SILENCE_SECONDS", 0.02)
        monkeypatch.setattr(display, "WAITING_SECONDS", 0.1)

        def be_silent(x: Exchange) -> None:
            x.begin(200, Content_Type="text/event-stream")
            x.wfile.write(event("pending", 0).encode())
            time.sleep(1.5)
            x.wfile.write(event("completed", 100).encode())
            x.close_connection = True

        fake_server.on("GET /api/v1/jobs/j1/events", be_silent)
        fake_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(JOB))
        assert "j1: still 0% Pending" in cinemill("watch", "j1").stderr

    def test_watch_ctrl_c_leaves_the_job_running(self, fake_server: LittleServer) -> None:
        listening, released = threading.Event(), threading.Event()

        def hold(x: Exchange) -> None:
            x.begin(200, Content_Type="text/event-stream")
            x.wfile.write(event("running", 5).encode())
            listening.set()
            released.wait(PATIENCE_SECONDS)
            x.close_connection = True

        fake_server.on("GET /api/v1/jobs/j1/events", hold)
        # Programs that a shell starts in the background inherit an ignored SIGINT.
        enable_ctrl_c = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        script = f"{enable_ctrl_c}; from cinemill.cli.main import run; run()"
        with subprocess.Popen(
            [sys.executable, "-c", script, "watch", "j1"], stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            assert listening.wait(PATIENCE_SECONDS)
            assert "5%" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            words = process.stderr.read()
        released.set()
        assert process.returncode == ExitCode.INTERRUPTED
        assert "job keeps running" in words
        assert {seen.method for seen in fake_server.seen} == {"GET"}


class TestJobs:
    def test_jobs_list_shows_video_state_and_age_in_eighty_columns(
        self, fake_server: LittleServer, cinemill: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(screen, "PIPE_WIDTH", 80)
        name = f"{'a very long name of a ' * 4}holiday.mp4"
        queued_at = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
        waiting = {**JOB, "id": UUIDS[1], "status": "pending", "progress": 0, "asset_id": None}
        done = {**JOB, "id": UUIDS[0], "queued_at": queued_at}
        by_path = {"params": {"path": "/films/b.mp4"}, "queued_at": queued_at}
        fake_server.on(
            "GET /api/v1/jobs", lambda x: x.send_json({"jobs": [done, {**waiting, **by_path}]})
        )
        fake_server.on(
            "GET /api/v1/assets/a1", lambda x: x.send_json({"id": "a1", "filename": name})
        )
        head, _, first, second = cinemill("jobs").stdout.splitlines()
        assert head.split() == ["Job", "Video", "Kind", "State", "Done", "Age"]
        assert first.startswith(f"{UUIDS[0][:8]}  a very long name")
        assert first.rstrip().endswith("…  process_video  completed  100%  5 min")
        assert second.split()[:2] == [UUIDS[1][:8], "b.mp4"]
        assert max(len(line) for line in (head, first, second)) <= 80

    def test_jobs_full_disk_at_stdout_is_reported_without_traceback(
        self, fake_server: LittleServer
    ) -> None:
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": []}))
        script = "from cinemill.cli.main import run; run()"
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-c", script, "jobs", "--json"],
                stdout=full, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert done.returncode == ExitCode.UNAVAILABLE
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr

    def test_jobs_list_requests_video_names_at_once(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        jobs = [{**JOB, "id": f"j{n}", "asset_id": f"a{n}"} for n in range(6)]
        videos = [{"id": f"a{n}", "filename": f"{n}.mp4"} for n in range(5)]
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": jobs}))
        fake_server.on("GET /api/v1/assets", lambda x: x.send_json({"assets": videos}))
        fake_server.on("GET /api/v1/assets/a5", lambda x: x.send_json({"code": "gone"}, 404))
        shown = cinemill("jobs").stdout
        assert "4.mp4" in shown
        assert "(removed)" in shown
        assert len(fake_server.seen) == 3

    def test_jobs_json_prints_whole_documents(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [JOB], "next": None}))
        assert json.loads(cinemill("jobs", "--status", "completed", "--json").stdout) == [JOB]
        assert fake_server.seen[0].path == "/api/v1/jobs?status=completed&limit=20"

    def test_jobs_unknown_state_is_rejected_with_the_valid_ones(self, cinemill: Run) -> None:
        result = cinemill("jobs", "--state", "nosuch")
        assert result.exit_code == ExitCode.USAGE
        for state in ("pending", "running", "completed", "failed", "cancelled"):
            assert state in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "No jobs yet"),
            (("--state", "failed"), "No such jobs"),  # its former name
            (("--status", "failed"), "No such jobs"),
            (("--kind", "proces_video"), "Did you mean process_video?"),
        ],
    )
    def test_jobs_empty_list_prints_a_message(
        self, fake_server: LittleServer, cinemill: Run, arguments: tuple[str, ...], words: str
    ) -> None:
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": []}))
        result = cinemill("jobs", *arguments)
        assert result.stdout == ""
        assert words in result.stderr

    def test_cancel_continues_after_a_finished_job(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        ended = {"code": "job_ended", "detail": "It has ended."}
        fake_server.on("POST /api/v1/jobs/j1/cancel", lambda x: x.send_json(ended, 409))
        fake_server.on(
            "POST /api/v1/jobs/j2/cancel",
            lambda x: x.send_json({**JOB, "id": "j2", "status": "cancelled"}),
        )
        result = cinemill("cancel", "j1", "j2")
        assert result.exit_code == ExitCode.USAGE
        assert "j1: job_ended" in result.stderr
        assert "j2 is cancelled." in result.stderr

    def test_cancel_sends_the_reason(self, fake_server: LittleServer, cinemill: Run) -> None:
        fake_server.on(
            "POST /api/v1/jobs/j1/cancel", lambda x: x.send_json({**JOB, "status": "cancelled"})
        )
        assert "j1 is cancelled." in cinemill("cancel", "j1", "--reason", "wrong film").stderr
        assert json.loads(fake_server.seen[0].body) == {"reason": "wrong film"}

    def test_cancel_of_a_running_job_says_it_is_being_cancelled(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        fake_server.on(
            "POST /api/v1/jobs/j1/cancel", lambda x: x.send_json({**JOB, "status": "running"})
        )
        shown = cinemill("cancel", "j1").stderr
        assert "being cancelled" in shown
        assert "is cancelled" not in shown

    def test_retry_one_job_or_all_failed_jobs(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": []}))
        fake_server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(JOB))
        fake_server.on("POST /api/v1/jobs/j1/retry", lambda x: x.send_json(JOB))
        fake_server.on("POST /api/v1/jobs/retry", lambda x: x.send_json({"retried": 7}))
        assert "queued again" in cinemill("retry", "j1").stderr
        assert "7 job(s)" in cinemill("retry", "--failed", "--code", "disk_full").stderr
        assert json.loads(fake_server.seen[-1].body) == {"code": "disk_full"}

    def test_status_of_a_job_shows_its_steps(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        steps = [{"name": "probe", "queue": "ingestion", "status": "succeeded", "attempts": 1}]
        document = {**JOB, "queue_place": 3, "steps": steps}
        fake_server.on("GET /api/v1/jobs/j1/status", lambda x: x.send_json(document))
        fake_server.on(
            "GET /api/v1/assets/a1", lambda x: x.send_json({"id": "a1", "filename": "film.mp4"})
        )
        shown = cinemill("status", "j1").stdout
        assert "Position in queue" in shown
        assert "film.mp4" in shown
        assert "ingestion" in shown

    def test_dead_steps_are_listed_and_redriven(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        failure = {"code": "crashed", "message": "Out of tries.", "hint": "Redrive it."}
        dead = {"id": "s1", "job_id": "j1", "step_name": "prepare", "error": failure}
        serve_dead(fake_server, steps=[dead])
        fake_server.on("POST /api/v1/dead/s1/redrive", lambda x: x.send_json(JOB))
        assert "Out of tries." in cinemill("dead", "list").stdout
        assert "j1" in cinemill("dead", "redrive", "s1").stderr

    def test_dead_messages_are_listed_with_the_reason(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        serve_dead(fake_server, messages=[DEAD_MESSAGE])
        output = cinemill("dead", "list").stdout
        assert "It is not JSON." in output
        assert "8 bytes" in output
        listed = json.loads(cinemill("dead", "list", "--json").stdout)
        assert [(one["id"], one["step_name"]) for one in listed] == [(UUIDS[0], "")]
        assert listed[0]["error"]["code"] == "message_not_json"

    def test_dead_drop_accepts_an_abbreviated_id(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        serve_dead(fake_server, messages=[DEAD_MESSAGE])
        fake_server.on(f"DELETE /api/v1/dead/messages/{UUIDS[0]}", lambda x: x.send_json({}))
        assert "was deleted" in cinemill("dead", "drop", UUIDS[0][:6]).stderr

    def test_dead_drop_accepts_a_whole_id_without_listing(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        fake_server.on(f"DELETE /api/v1/dead/messages/{UUIDS[0]}", lambda x: x.send_json({}))
        assert "was deleted" in cinemill("dead", "drop", UUIDS[0]).stderr

    def test_dead_redrive_of_a_message_explains_why_not(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        serve_dead(fake_server, messages=[DEAD_MESSAGE])
        refused = cinemill("dead", "redrive", UUIDS[0])
        assert refused.exit_code != 0
        assert "Only its beginning is stored" in refused.stderr


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
class TestComponents:
    def test_worker_gets_the_urls_of_the_running_servers(
        self, cinemill: Run, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        executed: list[tuple[list[str], dict[str, str]]] = []
        umasks: list[int] = []

        def exec_command(_: str, command: list[str], environment: dict[str, str]) -> None:
            executed.append((command, environment))
            umasks.append(os.umask(0o022))
            raise SystemExit(0)

        monkeypatch.setattr(os, "execve", exec_command)
        (home / "run").mkdir(parents=True)
        state = {"pid": 1, "database_url": "postgresql+psycopg://d", "redis_url": "redis://r"}
        (home / "run" / "state.json").write_text(json.dumps(state))
        cinemill("worker", "--queues", "proxy,preview", "-c", "3")
        ((command, environment),) = executed
        assert command[1:] == [
            "-m", "cinemill.worker", "--name", f"worker-{os.getpid()}",
            "--queues", "proxy,preview", "--concurrency", "3",
        ]  # fmt: skip
        assert environment["DATABASE_URL"] == "postgresql+psycopg://d"
        assert environment["REDIS_URL"] == "redis://r"
        assert umasks == [0o077]

        cinemill("worker", "--autoscale", "4,1")
        assert executed[-1][0][-2:] == ["--autoscale", "4,1"]

    @pytest.mark.parametrize("part", ["worker", "beat", "flower"])
    def test_component_does_not_start_without_servers(self, cinemill: Run, part: str) -> None:
        assert cinemill(part).exit_code == ExitCode.UNAVAILABLE


class TestFormats:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(None, ""), (0.04, "0.0 s"), (59.9, "59.9 s"), (185, "3 min 05 s"), (7380, "2 h 03 min")],
    )
    def test_format_duration(self, seconds: float | None, words: str) -> None:
        assert format_duration(seconds) == words

    @pytest.mark.parametrize(
        ("size", "words"),
        [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e12, "2.5 TB")],
    )
    def test_format_size(self, size: float, words: str) -> None:
        assert format_size(size) == words
