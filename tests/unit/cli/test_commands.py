"""What commands ask of the mill, what they print, and with which code they end."""

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
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.waiting import PATIENCE_SECONDS

from cinemill.cli import console, follow_jobs, temporary_server
from cinemill.cli import progress as display
from cinemill.cli.console import format_size, show_seconds
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.progress import BarDisplay
from cinemill.cli.temporary_server import Stopped

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
        "message": "The file is truncated: it ends before the video does.",
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
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a film")
    return path


@pytest.fixture
def busy_mill(fake_server: LittleServer) -> LittleServer:
    """Takes a film, tells of it, and is done with it."""
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
    def test_tells_what_was_made_and_how_long_it_took(
        self, busy_mill: LittleServer, cinemill: Run, film: Path
    ) -> None:
        result = cinemill("process", film)
        assert result.exit_code == ExitCode.OK, result.output
        for words in ("film.mp4: completed", "854×480, 10 fps, 5.3 s", "1 min 01 s"):
            assert words in result.stdout
        assert f"{busy_mill.url}/api/v1/assets/a1/files/proxy" in result.stdout

    def test_fetches_the_files_where_a_folder_is_named(
        self, busy_mill: LittleServer, cinemill: Run, film: Path, tmp_path: Path
    ) -> None:
        result = cinemill("process", film, "--to", tmp_path / "made" / "here", "--json")
        (outcome,) = json.loads(result.stdout)
        path = tmp_path / "made" / "here" / "f-proxy.mp4"
        assert outcome["files"][0]["place"] == str(path)
        assert outcome["stages"] == {"probe": 0.5, "prepare": 61.0}
        assert path.read_bytes() == PROXY

    def test_films_of_one_name_are_fetched_into_folders_of_their_own(
        self, busy_mill: LittleServer, cinemill: Run, film: Path, tmp_path: Path
    ) -> None:
        films = [film, tmp_path / "b" / "film.mp4", tmp_path / "film.mov"]
        films[1].parent.mkdir()
        for other in films[1:]:
            other.write_bytes(b"another film")
        result = cinemill("process", *films, "--to", tmp_path / "out", "--json")
        places = [outcome["files"][0]["place"] for outcome in json.loads(result.stdout)]
        folders = ("film", "film-2", "film-3")
        assert places == [str(tmp_path / "out" / name / "f-proxy.mp4") for name in folders]
        assert all(Path(place).read_bytes() == PROXY for place in places)

    def test_a_folder_that_cannot_be_written_is_refused_before_the_upload(
        self, busy_mill: LittleServer, cinemill: Run, film: Path
    ) -> None:
        for folder in ("/proc/none", film, film / "below"):
            result = cinemill("process", film, "--to", folder)
            assert result.exit_code == ExitCode.USAGE
            assert "--to" in result.stderr
            assert "Traceback" not in result.output
        assert busy_mill.seen == []

    def test_what_cannot_be_fetched_is_told_and_stops_no_other(
        self, busy_mill: LittleServer, cinemill: Run, film: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.mp4"
        other.write_bytes(b"another film")

        def send_and_spoil(x: Exchange) -> None:
            (tmp_path / "out" / "film").write_text("a file where the folder would be")
            x.send_json(ASSET)

        busy_mill.on("GET /api/v1/assets/a1", send_and_spoil, lambda x: x.send_json(ASSET))
        result = cinemill("process", film, other, "--to", tmp_path / "out", "--json")
        first, second = json.loads(result.stdout)
        assert result.exit_code == ExitCode.UNAVAILABLE
        assert first["error"]["code"] == "folder_unusable"
        assert first["job_id"] == "j1"
        assert second["status"] == "completed"

    def test_a_file_that_is_not_there_stops_no_other(
        self, busy_mill: LittleServer, cinemill: Run, film: Path, tmp_path: Path
    ) -> None:
        result = cinemill("process", tmp_path / "gone.mp4", film, "--json")
        assert result.exit_code == ExitCode.USAGE
        first, second = json.loads(result.stdout)
        assert first["error"]["code"] == "file_unusable"
        assert second["status"] == "completed"

    def test_one_film_that_is_refused_stops_no_other(
        self, busy_mill: LittleServer, cinemill: Run, film: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.txt"
        other.write_bytes(b"no film")
        problem = {"code": "media_unrecognized", "detail": "No video.", "hint": "Send one."}
        busy_mill.on(
            "POST /api/v1/upload",
            lambda x: x.send_json(problem, 422),
            lambda x: x.send_json(accepted()),
        )
        result = cinemill("process", other, film, "--json")
        assert result.exit_code == ExitCode.REJECTED
        first, second = json.loads(result.stdout)
        assert first["error"]["code"] == "media_unrecognized"
        assert second["status"] == "completed"

    def test_a_rejected_film_is_explained(
        self, busy_mill: LittleServer, cinemill: Run, film: Path
    ) -> None:
        busy_mill.on("GET /api/v1/jobs/j1/events", lambda x: x.send_events(event("failed", 40)))
        busy_mill.on("GET /api/v1/jobs/j1", lambda x: x.send_json(FAILED))
        result = cinemill("process", film)
        assert result.exit_code == ExitCode.REJECTED
        for words in ("media_truncated", "ends before", "| last words", "→ Upload it again."):
            assert words in result.stderr

    def test_a_terminal_gets_a_bar_with_stage_and_time_left(
        self,
        busy_mill: LittleServer,
        cinemill: Run,
        film: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "160")
        late = json.dumps({"status": "running", "progress": 50, "seconds_left": 90, "message": "x"})
        busy_mill.on(
            "GET /api/v1/jobs/j1/events",
            lambda x: x.send_events(f"id: 1\ndata: {late}\n\n", event("completed", 100)),
        )
        shown = cinemill("process", film).stderr
        assert "film.mp4" in shown
        assert "━" in shown
        assert "100%" in shown
        assert "Completed" in shown

    def test_bars_end_before_the_last_word_of_a_mill_of_its_own(
        self, cinemill: Run, film: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        displays: list[BarDisplay] = []

        def keep(*, quiet: bool) -> BarDisplay:
            displays.append(BarDisplay())
            return displays[-1]

        def stop(_: object, work: object, *, on_start: object) -> None:
            displays[0].__enter__()
            raise Stopped

        monkeypatch.setattr(display, "open_display", keep)
        monkeypatch.setattr(temporary_server, "run_with_server", stop)
        result = cinemill("process", film)
        assert result.exit_code == ExitCode.INTERRUPTED
        show_cursor, last_word = "\x1b[?25h", "Stopped."
        assert show_cursor in result.stderr.partition(last_word)[0]


class TestSubmit:
    def test_prints_nothing_but_ids_to_stdout(
        self, busy_mill: LittleServer, cinemill: Run, film: Path
    ) -> None:
        result = cinemill("submit", film, "--priority", "9")
        assert result.stdout == "j1\n"
        assert b'name="priority"' in busy_mill.seen[0].body

    def test_a_film_that_is_refused_stops_no_other(
        self, busy_mill: LittleServer, cinemill: Run, film: Path, tmp_path: Path
    ) -> None:
        other, third, absent = (tmp_path / name for name in ("other.txt", "third.mp4", "gone.mp4"))
        other.write_bytes(b"no film")
        third.write_bytes(b"a third")
        busy_mill.on(
            "POST /api/v1/upload",
            lambda x: x.send_json(accepted()),
            lambda x: x.send_json({"code": "media_unrecognized", "detail": "No video."}, 422),
            lambda x: x.send_json(accepted("j3")),
        )
        result = cinemill("submit", film, other, absent, tmp_path, third)
        assert result.stdout == "j1\nj3\n"
        assert result.exit_code == ExitCode.USAGE, "a file that is not there is the worse one"
        told = result.stderr
        for words in (
            "film.mp4: uploaded, job j1",
            "other.txt: media_unrecognized: No video.",
            "gone.mp4 does not exist",
            "is a folder, not a video",
            "third.mp4: uploaded, job j3",
        ):
            assert words in told
        assert "other.txt: sent" not in told

    def test_ids_go_to_a_pipe_though_bars_go_to_the_terminal(
        self, busy_mill: LittleServer, film: Path
    ) -> None:
        ours, theirs = os.openpty()
        script = "from cinemill.cli.main import run; run()"
        done = subprocess.run(
            [sys.executable, "-c", script, "submit", film],
            stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        os.close(theirs)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
        assert done.stdout == "j1\n"
        assert "film.mp4" in shown
        assert "uploaded, job j1" in shown

    def test_ids_stand_above_the_bars_on_a_terminal(
        self, busy_mill: LittleServer, film: Path
    ) -> None:
        ours, theirs = os.openpty()
        script = "from cinemill.cli.main import run; run()"
        subprocess.run(
            [sys.executable, "-c", script, "submit", film],
            stdout=theirs, stderr=theirs, timeout=PATIENCE_SECONDS, check=True,
            env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(ours, 65536).decode())
        os.close(ours)
        assert "j1" in re.split(r"[\r\n]+", shown)

    def test_a_pipe_is_refused_and_not_waited_for(
        self, fake_server: LittleServer, cinemill: Run, tmp_path: Path
    ) -> None:
        os.mkfifo(tmp_path / "film.mp4")
        result = cinemill("submit", tmp_path / "film.mp4")
        assert result.exit_code == ExitCode.USAGE
        assert "is not a regular file" in result.stderr
        assert fake_server.seen == []

    def test_programs_get_jobs_and_errors_apart(
        self, busy_mill: LittleServer, cinemill: Run, film: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.txt"
        other.write_bytes(b"no film")
        problem = {"code": "media_unrecognized", "detail": "No video."}
        busy_mill.on(
            "POST /api/v1/upload",
            lambda x: x.send_json(problem, 422),
            lambda x: x.send_json(accepted()),
        )
        result = cinemill("submit", other, film, "--json")
        assert result.exit_code == ExitCode.REJECTED
        assert [one["id"] for one in json.loads(result.stdout)] == ["j1"]
        error = json.loads(result.stderr)["error"]
        assert (error["about"], error["code"]) == ("other.txt", "media_unrecognized")

    def test_a_mill_that_is_gone_is_not_asked_again_for_every_film(
        self, cinemill: Run, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "other.mp4"
        other.write_bytes(b"another")
        monkeypatch.setenv("CINEMILL_URL", "http://127.0.0.1:1")
        result = cinemill("submit", film, other)
        assert result.exit_code == ExitCode.UNAVAILABLE
        assert "film.mp4: mill_unreachable" in result.stderr
        assert "other.mp4: not_sent" in result.stderr


class TestWatch:
    def test_ends_with_the_job(self, busy_mill: LittleServer, cinemill: Run) -> None:
        result = cinemill("watch", "j1")
        assert result.exit_code == ExitCode.OK
        assert "100% Completed" in result.stderr

    def test_gives_programs_one_line_an_event(self, busy_mill: LittleServer, cinemill: Run) -> None:
        lines = cinemill("watch", "j1", "--json").stdout.splitlines()
        assert [json.loads(line)["status"] for line in lines] == ["running", "completed"]

    def test_a_failed_job_is_exit_code_1(self, busy_mill: LittleServer, cinemill: Run) -> None:
        failure = {"code": "command_failed", "message": "It broke."}
        busy_mill.on("GET /api/v1/jobs/j1/events", lambda x: x.send_events(event("failed", 40)))
        busy_mill.on("GET /api/v1/jobs/j1", lambda x: x.send_json({**FAILED, "error": failure}))
        result = cinemill("watch", "j1")
        assert result.exit_code == ExitCode.JOB_FAILED
        assert "cinemill retry j1" in result.stderr

    def test_an_unknown_job_is_exit_code_2(self, fake_server: LittleServer, cinemill: Run) -> None:
        problem = {"code": "not_found", "detail": "There is no job x."}
        fake_server.on("GET /api/v1/jobs/x/events", lambda x: x.send_json(problem, 404))
        result = cinemill("watch", "x")
        assert result.exit_code == ExitCode.USAGE
        assert "There is no job x." in result.stderr

    def test_a_silent_job_is_told_of_again(
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

    def test_ctrl_c_leaves_the_job_going_and_says_so(self, fake_server: LittleServer) -> None:
        listening, released = threading.Event(), threading.Event()

        def hold(x: Exchange) -> None:
            x.begin(200, Content_Type="text/event-stream")
            x.wfile.write(event("running", 5).encode())
            listening.set()
            released.wait(PATIENCE_SECONDS)
            x.close_connection = True

        fake_server.on("GET /api/v1/jobs/j1/events", hold)
        # What is started in a shell's background inherits that Ctrl-C means nothing.
        heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        script = f"{heed}; from cinemill.cli.main import run; run()"
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
    def test_are_listed_with_film_state_and_age_on_eighty_columns(
        self, fake_server: LittleServer, cinemill: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(console, "PIPE_WIDTH", 80)
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

    def test_a_full_disk_under_the_output_is_a_sentence(self, fake_server: LittleServer) -> None:
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

    def test_films_of_a_long_list_are_asked_for_at_once(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        jobs = [{**JOB, "id": f"j{n}", "asset_id": f"a{n}"} for n in range(6)]
        films = [{"id": f"a{n}", "filename": f"{n}.mp4"} for n in range(5)]
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": jobs}))
        fake_server.on("GET /api/v1/assets", lambda x: x.send_json({"assets": films}))
        fake_server.on("GET /api/v1/assets/a5", lambda x: x.send_json({"code": "gone"}, 404))
        shown = cinemill("jobs").stdout
        assert "4.mp4" in shown
        assert "(removed)" in shown
        assert len(fake_server.seen) == 3

    def test_are_given_to_programs_whole(self, fake_server: LittleServer, cinemill: Run) -> None:
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [JOB], "next": None}))
        assert json.loads(cinemill("jobs", "--state", "completed", "--json").stdout) == [JOB]
        assert fake_server.seen[0].path == "/api/v1/jobs?status=completed&limit=20"

    def test_of_an_unknown_state_are_refused_naming_the_states(self, cinemill: Run) -> None:
        result = cinemill("jobs", "--state", "nosuch")
        assert result.exit_code == ExitCode.USAGE
        for state in ("pending", "running", "completed", "failed", "cancelled"):
            assert state in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "No jobs yet"),
            (("--state", "failed"), "No such jobs"),
            (("--kind", "proces_video"), "kinds are process_video"),
        ],
    )
    def test_that_are_not_there_are_said_not_to_be(
        self, fake_server: LittleServer, cinemill: Run, arguments: tuple[str, ...], words: str
    ) -> None:
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": []}))
        result = cinemill("jobs", *arguments)
        assert result.stdout == ""
        assert words in result.stderr

    def test_that_cannot_be_cancelled_stop_no_other(
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

    def test_are_cancelled_with_a_reason(self, fake_server: LittleServer, cinemill: Run) -> None:
        fake_server.on(
            "POST /api/v1/jobs/j1/cancel", lambda x: x.send_json({**JOB, "status": "cancelled"})
        )
        assert "j1 is cancelled." in cinemill("cancel", "j1", "--reason", "wrong film").stderr
        assert json.loads(fake_server.seen[0].body) == {"reason": "wrong film"}

    def test_that_run_are_said_to_be_stopping(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        fake_server.on(
            "POST /api/v1/jobs/j1/cancel", lambda x: x.send_json({**JOB, "status": "running"})
        )
        shown = cinemill("cancel", "j1").stderr
        assert "being cancelled" in shown
        assert "is cancelled" not in shown

    def test_are_retried_alone_or_in_bulk(self, fake_server: LittleServer, cinemill: Run) -> None:
        fake_server.on("POST /api/v1/jobs/j1/retry", lambda x: x.send_json(JOB))
        fake_server.on("POST /api/v1/jobs/retry", lambda x: x.send_json({"retried": 7}))
        assert "queued again" in cinemill("retry", "j1").stderr
        assert "7 job(s)" in cinemill("retry", "--failed", "--code", "disk_full").stderr
        assert json.loads(fake_server.seen[1].body) == {"code": "disk_full"}

    def test_have_a_status_with_steps(self, fake_server: LittleServer, cinemill: Run) -> None:
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

    def test_dead_ones_are_listed_and_redriven(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        failure = {"code": "crashed", "message": "Out of tries.", "hint": "Redrive it."}
        dead = {"id": "s1", "job_id": "j1", "step_name": "prepare", "error": failure}
        serve_dead(fake_server, steps=[dead])
        fake_server.on("POST /api/v1/dead/s1/redrive", lambda x: x.send_json(JOB))
        assert "Out of tries." in cinemill("dead", "list").stdout
        assert "j1" in cinemill("dead", "redrive", "s1").stderr

    def test_messages_that_became_no_job_are_listed_with_the_reason(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        serve_dead(fake_server, messages=[DEAD_MESSAGE])
        told = cinemill("dead", "list").stdout
        assert "It is not JSON." in told
        assert "8 bytes" in told
        listed = json.loads(cinemill("dead", "list", "--json").stdout)
        assert [(one["id"], one["step_name"]) for one in listed] == [(UUIDS[0], "")]
        assert listed[0]["error"]["code"] == "message_not_json"

    def test_a_message_is_dropped_by_its_first_characters(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        serve_dead(fake_server, messages=[DEAD_MESSAGE])
        fake_server.on(f"DELETE /api/v1/dead/messages/{UUIDS[0]}", lambda x: x.send_json({}))
        assert "was deleted" in cinemill("dead", "drop", UUIDS[0][:6]).stderr

    def test_a_whole_id_is_dropped_though_no_page_lists_it(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        fake_server.on(f"DELETE /api/v1/dead/messages/{UUIDS[0]}", lambda x: x.send_json({}))
        assert "was deleted" in cinemill("dead", "drop", UUIDS[0]).stderr

    def test_a_message_cannot_be_redriven_and_it_is_said_why(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        serve_dead(fake_server, messages=[DEAD_MESSAGE])
        refused = cinemill("dead", "redrive", UUIDS[0])
        assert refused.exit_code != 0
        assert "Only its beginning is stored" in refused.stderr


class TestParts:
    def test_a_worker_is_told_where_the_servers_are(
        self, cinemill: Run, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        became: list[tuple[list[str], dict[str, str]]] = []

        def exec_command(_: str, command: list[str], environment: dict[str, str]) -> None:
            became.append((command, environment))
            raise SystemExit(0)

        monkeypatch.setattr(os, "execve", exec_command)
        (home / "run").mkdir(parents=True)
        state = {"pid": 1, "database_url": "postgresql+psycopg://d", "redis_url": "redis://r"}
        (home / "run" / "state.json").write_text(json.dumps(state))
        cinemill("worker", "--queues", "proxy,preview", "-c", "3")
        ((command, environment),) = became
        assert command[1:] == [
            "-m", "cinemill.worker", "--name", f"worker-{os.getpid()}",
            "--queues", "proxy,preview", "--concurrency", "3",
        ]  # fmt: skip
        assert environment["DATABASE_URL"] == "postgresql+psycopg://d"
        assert environment["REDIS_URL"] == "redis://r"

        cinemill("worker", "--autoscale", "4,1")
        assert became[-1][0][-2:] == ["--autoscale", "4,1"]

    @pytest.mark.parametrize("part", ["worker", "beat", "flower"])
    def test_none_starts_without_servers(self, cinemill: Run, part: str) -> None:
        assert cinemill(part).exit_code == ExitCode.UNAVAILABLE


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(None, ""), (0.04, "0.0 s"), (59.9, "59.9 s"), (185, "3 min 05 s"), (7380, "2 h 03 min")],
    )
    def test_of_time(self, seconds: float | None, words: str) -> None:
        assert show_seconds(seconds) == words

    @pytest.mark.parametrize(
        ("size", "words"),
        [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e12, "2.5 TB")],
    )
    def test_of_size(self, size: float, words: str) -> None:
        assert format_size(size) == words
