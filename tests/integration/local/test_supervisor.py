"""The supervisor's mechanics, with small real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.local.standins import (
    Journal,
    run_supervised,
    script,
    stand_in,
)
from tests.processes import lives, processes_of
from tests.waiting import wait_until

from cinemill.errors import DependencyUnavailable
from cinemill.local.supervisor.liveness import CpuActivity, Liveness
from cinemill.local.supervisor.spec import ServiceSpec
from cinemill.local.supervisor.supervisor import Supervisor


def journal_of(folder: Path) -> list[str]:
    return (folder / "journal").read_text().splitlines()


def nothing(supervisor: Supervisor, journal: Journal) -> None:
    assert supervisor.pids()


def test_parts_start_after_what_they_need_and_stop_before_it(tmp_path: Path) -> None:
    specs = [
        stand_in(tmp_path, "api", needs=("server",), rank=0),
        stand_in(tmp_path, "worker", needs=("server",), rank=1),
        stand_in(tmp_path, "server", rank=2),
    ]
    run_supervised(tmp_path, specs, nothing)
    lines = journal_of(tmp_path)
    assert lines[0] == "started server"
    assert sorted(lines[1:3]) == ["started api", "started worker"]
    assert lines[3:] == ["stopped api", "stopped worker", "stopped server"]
    assert processes_of(tmp_path) == []


def test_a_killed_part_comes_back_and_its_neighbour_notices_nothing(tmp_path: Path) -> None:
    def kill_one(supervisor: Supervisor, journal: Journal) -> None:
        before = supervisor.pids()
        os.kill(before["worker"], signal.SIGKILL)
        wait_until(lambda: journal.events("worker").count("ready") == 2)
        after = supervisor.pids()
        assert after["worker"] != before["worker"]
        assert after["api"] == before["api"]

    specs = [stand_in(tmp_path, "api"), stand_in(tmp_path, "worker")]
    journal = run_supervised(tmp_path, specs, kill_one)
    assert "restarting: was killed by SIGKILL" in journal.events("worker")


def test_the_children_of_a_killed_part_go_with_it(tmp_path: Path) -> None:
    def kill_one(supervisor: Supervisor, journal: Journal) -> None:
        wait_until(lambda: len(processes_of(tmp_path)) == 2)
        family = processes_of(tmp_path)
        os.kill(supervisor.pids()["worker"], signal.SIGKILL)
        wait_until(lambda: not any(map(lives, family)))
        wait_until(lambda: journal.events("worker").count("ready") == 2)

    run_supervised(tmp_path, [stand_in(tmp_path, "worker", family="yes")], kill_one)
    assert processes_of(tmp_path) == []


@pytest.mark.usefixtures("allow_error_logs")
def test_a_crash_loop_is_told_with_the_last_lines_and_tried_on(tmp_path: Path) -> None:
    # Fine the first time, and from then on broken, as after a bad edit of its settings.
    code = (
        "import pathlib, sys, time; mark = pathlib.Path(sys.argv[1], 'ran');"
        "sys.exit('its settings are gone') if mark.exists() else mark.touch(); time.sleep(0.3)"
    )

    def watch(supervisor: Supervisor, journal: Journal) -> None:
        wait_until(lambda: any(event.startswith("crash loop") for event in journal.events("api")))

    journal = run_supervised(tmp_path, [script(tmp_path, "api", code)], watch)
    told = next(event for event in journal.events("api") if event.startswith("crash loop"))
    assert "its settings are gone" in told
    assert "exit code 1" in told


def test_a_part_that_never_gets_ready_ends_the_start_with_its_words(tmp_path: Path) -> None:
    broken = replace(
        script(tmp_path, "api", "import sys; sys.exit('no such module')"),
        ready_file=tmp_path / "never",
    )
    waiting = stand_in(tmp_path, "worker", needs=("api",))
    beside = stand_in(tmp_path, "server")
    with pytest.raises(DependencyUnavailable, match="no such module") as caught:
        run_supervised(tmp_path, [broken, waiting, beside], nothing)
    assert "api.log" in caught.value.hint
    assert processes_of(tmp_path) == []
    assert "started worker" not in (tmp_path / "journal").read_text()


def test_a_childs_own_reason_is_passed_on_without_another_try(tmp_path: Path) -> None:
    code = (
        "import sys; from cinemill.errors import DatabaseNewer;"
        "from cinemill.local.supervisor.exit_report import write_complaint;"
        "print(write_complaint(DatabaseNewer('from the future'))); sys.exit(2)"
    )
    with pytest.raises(DependencyUnavailable, match="from the future") as caught:
        run_supervised(tmp_path, [script(tmp_path, "migration", code, once=True)], nothing)
    assert caught.value.code == "database_newer"
    assert (tmp_path / "migration.log").read_text().count("from the future") == 1


def test_who_needs_a_once_service_starts_when_it_is_done(tmp_path: Path) -> None:
    mark = "import pathlib, sys; pathlib.Path(sys.argv[1], 'journal').write_text('migrated\\n')"
    specs = [
        script(tmp_path, "migration", mark, once=True),
        stand_in(tmp_path, "api", needs=("migration",)),
    ]
    run_supervised(tmp_path, specs, nothing)
    assert journal_of(tmp_path) == ["migrated", "started api", "stopped api"]


def test_what_does_not_stop_in_time_is_killed_with_its_children(tmp_path: Path) -> None:
    stubborn = stand_in(tmp_path, "worker", manner="stay", family="yes", grace_seconds=0.3)
    journal = run_supervised(tmp_path, [stubborn], nothing)
    assert journal.events("worker")[-1] == "killed"
    assert processes_of(tmp_path) == []


def test_asked_twice_it_waits_no_longer(tmp_path: Path) -> None:
    def ask_twice(supervisor: Supervisor, journal: Journal) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: "stopped worker" in journal_of(tmp_path))
        os.kill(os.getpid(), signal.SIGINT)

    stubborn = stand_in(tmp_path, "worker", manner="stay", grace_seconds=3600)
    journal = run_supervised(tmp_path, [stubborn], ask_twice)
    assert journal.events("worker")[-1] == "killed"


IMPATIENT = Liveness(interval_seconds=0.5, misses=8, grace_seconds=0.3)


def watched(spec: ServiceSpec) -> ServiceSpec:
    return replace(spec, lives=CpuActivity())


def test_a_frozen_part_is_ended_with_its_children_and_comes_back(tmp_path: Path) -> None:
    def freeze(supervisor: Supervisor, journal: Journal) -> None:
        wait_until(lambda: len(processes_of(tmp_path)) == 3)
        before = supervisor.pids()
        family = processes_of(tmp_path)
        os.kill(before["worker"], signal.SIGSTOP)
        wait_until(lambda: journal.events("worker").count("ready") == 2)
        after = supervisor.pids()
        assert after["worker"] != before["worker"]
        assert after["api"] == before["api"]
        gone = [member for member in family if member.pid != before["api"]]
        wait_until(lambda: not any(map(lives, gone)))

    specs = [
        watched(stand_in(tmp_path, "api")),
        watched(stand_in(tmp_path, "worker", family="yes")),
    ]
    journal = run_supervised(tmp_path, specs, freeze, IMPATIENT)
    assert any("worker did not respond for" in event for event in journal.events("worker"))
    assert journal.events("api") == ["ready", "stopped"]


def test_a_part_that_paused_for_a_moment_is_left_to_itself(tmp_path: Path) -> None:
    def pause(supervisor: Supervisor, journal: Journal) -> None:
        before = supervisor.pids()
        for _ in range(3):
            os.kill(before["worker"], signal.SIGSTOP)
            time.sleep(IMPATIENT.interval_seconds * 2)
            os.kill(before["worker"], signal.SIGCONT)
            time.sleep(IMPATIENT.interval_seconds * 2)
        assert supervisor.pids() == before

    journal = run_supervised(tmp_path, [watched(stand_in(tmp_path, "worker"))], pause, IMPATIENT)
    assert journal.events("worker") == ["ready", "stopped"]


def test_a_frozen_part_holds_no_stop_up_beyond_its_grace(tmp_path: Path) -> None:
    def freeze(supervisor: Supervisor, journal: Journal) -> None:
        os.kill(supervisor.pids()["worker"], signal.SIGSTOP)

    frozen = watched(stand_in(tmp_path, "worker", grace_seconds=0.5))
    journal = run_supervised(tmp_path, [frozen], freeze)
    assert journal.events("worker") == ["ready", "killed"]
    assert processes_of(tmp_path) == []


KILLED = """
import asyncio, pathlib, sys
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.supervisor.spec import ServiceSpec
from cinemill.local.supervisor.supervisor import Supervisor
from tests.integration.local.standins import stand_in
folder = pathlib.Path(sys.argv[1])
specs = [stand_in(folder, "api"), stand_in(folder, "worker", manner="stay", family="yes")]
asyncio.run(Supervisor(specs, log_folder=folder).run((folder / "ready").touch))
"""


def test_kill_nine_of_the_supervisor_leaves_no_process(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=root) as supervisor:
        wait_until((tmp_path / "ready").exists)
        wait_until(lambda: len(processes_of(tmp_path)) == 4)
        supervisor.kill()
    wait_until(lambda: processes_of(tmp_path) == [])
