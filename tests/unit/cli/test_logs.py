"""``cinemill logs``: of services, of one job, and what is added to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.conftest import Exchange

from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.files.log_files import LogFollower, read_last

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

JOB = "397dee33-f172-456c-8304-5e331e980c57"
RUN = "b8a6ca1f-d733-811b-82dc-32dcc2c35612"
OTHER = "4c1dee33-f172-456c-8304-5e331e980c57"
WORKER = f"""\
2026-11-30T20:33:34.000000Z [info     ] run started [runner] job={JOB} run={RUN}
2026-11-30T20:33:36.000000Z [info     ] run started [runner] job={OTHER}
2026-11-30T20:33:37.000000Z [error    ] Task step.probe[{RUN}] failed
Traceback (most recent call last):
  ValueError: of this job
2026-11-30T20:33:38.000000Z [info     ] something else
"""
API = "2026-11-30T20:33:35.000000Z [info     ] request path=/jobs\n"


@pytest.fixture
def folder(home: Path) -> Path:
    """Return the folder of logs, with those of a worker and an API."""
    log = home / "log"
    log.mkdir(parents=True)
    (log / "worker.out").write_text(WORKER)
    (log / "api.out").write_text(API)
    (log / "api.log").write_text(json.dumps({"event": "request", "timestamp": "2026"}) + "\n")
    return log


def test_services_are_merged_by_time(folder: Path, cinemill: Run) -> None:
    lines = cinemill("logs").stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["worker", "api", "worker"]
    assert len(lines) == 7


def test_one_service_is_shown_as_it_is(folder: Path, cinemill: Run) -> None:
    assert cinemill("logs", "api").stdout == API
    assert cinemill("logs", "worker", "-n", "1").stdout == WORKER.splitlines()[-1] + "\n"


def test_json_is_a_document_a_line(folder: Path, cinemill: Run) -> None:
    shown = cinemill("logs", "--json").stdout.splitlines()
    assert {json.loads(line)["event"] for line in shown} >= {"request"}


def test_job_has_the_lines_of_its_attempts(
    folder: Path, fake_server: LittleServer, cinemill: Run
) -> None:
    job = {"id": JOB, "status": "failed", "kind": "caption"}
    fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [job]}))
    fake_server.on(f"GET /api/v1/jobs/{JOB}", lambda x: x.send_json(job))
    for more in ((), ("--follow",)):
        shown = cinemill("logs", "397dee33", *more).stdout
        assert RUN in shown
        assert "ValueError: of this job" in shown
        assert OTHER not in shown
        assert "something else" not in shown


CRASH = f"2026-11-30T20:33:39.000000Z [warning  ] run crashed [dispatch] run={RUN} crashes=1\n"
LATER = f"2026-11-30T20:33:40.000000Z [error    ] Task step.probe[{RUN}] failed\n"


@pytest.mark.parametrize("more", [(), ("--follow",)], ids=str)
def test_job_has_the_lines_of_other_services_about_its_attempts(
    folder: Path, fake_server: LittleServer, cinemill: Run, more: tuple[str, ...]
) -> None:
    (folder / "beat.out").write_text(CRASH)
    (folder / "supervisor.out").write_text(CRASH)  # read before the worker's log
    job = {"id": JOB, "status": "failed", "kind": "caption"}
    fake_server.on(f"GET /api/v1/jobs/{JOB}", lambda x: x.send_json(job))
    shown = cinemill("logs", JOB, *more).stdout
    assert shown.count("run crashed") == 2


def test_what_is_added_to_a_followed_job_is_shown_once_and_whole(
    folder: Path, fake_server: LittleServer, cinemill: Run
) -> None:
    answers = 0

    def answer(exchange: Exchange) -> None:
        nonlocal answers
        answers += 1
        if answers == 2:  # the log was shown so far
            with (folder / "worker.out").open("a") as log:
                log.write(LATER)
        if answers == 3:
            with (folder / "worker.out").open("a") as log:
                log.write("Traceback\n  OSError: its last line\n")
        status = "running" if answers < 5 else "failed"
        exchange.send_json({"id": JOB, "status": status, "kind": "caption"})

    fake_server.on(f"GET /api/v1/jobs/{JOB}", answer)
    shown = cinemill("logs", JOB, "--follow").stdout
    assert shown.count("step.probe") == 2
    assert "OSError: its last line" in shown
    assert shown.count("ValueError: of this job") == 1


def test_logs_are_read_without_a_server(folder: Path, cinemill: Run) -> None:
    shown = cinemill("logs", JOB)
    assert shown.exit_code == ExitCode.OK
    assert "ValueError: of this job" in shown.stdout
    for unknown in (OTHER.replace("4", "5"), "397d"):
        assert cinemill("logs", unknown).exit_code == ExitCode.UNAVAILABLE
    slip = cinemill("logs", "wroker")
    assert slip.exit_code == ExitCode.USAGE
    assert "Did you mean worker?" in slip.stderr


def test_line_that_is_being_written_is_followed_whole(tmp_path: Path) -> None:
    log = tmp_path / "beat.out"
    log.write_text("one\ntw")
    follower = LogFollower(tmp_path, "beat")
    log.write_text("one\ntwo\nthree\n")
    before = read_last(log, "beat", 9, end=follower.position)
    assert [line.text for line in [*before, *follower.read()]] == ["one", "two", "three"]


def test_file_that_was_set_aside_is_read_and_followed(tmp_path: Path) -> None:
    log = tmp_path / "beat.out"
    log.write_text("one\n")
    follower = LogFollower(tmp_path, "beat")
    log.write_text("one\ntwo\nthr")
    assert [line.text for line in follower.read()] == ["two"]
    log.rename(tmp_path / "beat.out.1")
    log.write_text("four\n")
    assert [line.text for line in follower.read()][-1:] == ["four"]
    assert [line.text for line in read_last(log, "beat", 2)] == ["thr", "four"]


def test_logs_of_another_machine_are_explained(fake_server: LittleServer, cinemill: Run) -> None:
    result = cinemill("logs", "worker")
    assert result.exit_code == 2
    assert "log_missing: " in result.stderr
    assert fake_server.url in result.stderr
