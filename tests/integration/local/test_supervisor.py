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
from tests.integration.local.fake_services import (
    Journal,
    fake_service,
    run_supervised,
    script,
)
from tests.processes import is_alive, processes_of
from tests.waiting import wait_until

from cinemill.errors import DependencyUnavailable
from cinemill.local.supervisor.liveness import CpuActivity, Liveness
from cinemill.local.supervisor.spec import ServiceSpec
from cinemill.local.supervisor.supervisor import IGNORED_SIGNALS, STOP_SIGNALS, Supervisor


def journal_of(folder: Path) -> list[str]:
    return (folder / "journal").read_text().splitlines()


def do_nothing(supervisor: Supervisor, journal: Journal) -> None:
    assert supervisor.pids()


def test_services_start_after_their_needs_and_stop_before_them(tmp_path: Path) -> None:
    specs = [
        fake_service(tmp_path, "api", needs=("server",), rank=0),
        fake_service(tmp_path, "worker", needs=("server",), rank=1),
        fake_service(tmp_path, "server", rank=2),
    ]
    run_supervised(tmp_path, specs, do_nothing)
    lines = journal_of(tmp_path)
    assert lines[0] == "started server"
    assert sorted(lines[1:3]) == ["started api", "started worker"]
    assert lines[3:] == ["stopped api", "stopped worker", "stopped server"]
    wait_until(lambda: processes_of(tmp_path) == [])


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=str)
def test_signal_of_a_terminal_or_init_system_stops_in_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    def send(supervisor: Supervisor, journal: Journal) -> None:
        os.kill(os.getpid(), number)
        wait_until(lambda: journal.events("server") == ["ready", "stopped"])

    specs = [
        fake_service(tmp_path, "api", needs=("server",), rank=0),
        fake_service(tmp_path, "server", rank=1),
    ]
    run_supervised(tmp_path, specs, send)
    assert journal_of(tmp_path)[-2:] == ["stopped api", "stopped server"]


@pytest.mark.parametrize("number", IGNORED_SIGNALS, ids=str)
def test_signal_for_log_files_stops_nothing(tmp_path: Path, number: signal.Signals) -> None:
    def send(supervisor: Supervisor, journal: Journal) -> None:
        before = supervisor.pids()
        os.kill(os.getpid(), number)
        # A later signal that restarts a service shows that the first was taken by then.
        os.kill(before["api"], signal.SIGKILL)
        wait_until(lambda: journal.events("api").count("ready") == 2)

    journal = run_supervised(tmp_path, [fake_service(tmp_path, "api")], send)
    assert journal.events("api")[-1] == "stopped"


def test_supervisor_under_nohup_goes_on_without_its_terminal(tmp_path: Path) -> None:
    def hang_up(supervisor: Supervisor, journal: Journal) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(supervisor.pids()["api"], signal.SIGKILL)
        wait_until(lambda: journal.events("api").count("ready") == 2)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run_supervised(tmp_path, [fake_service(tmp_path, "api")], hang_up)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_files_of_services_are_readable_by_their_user_only(tmp_path: Path) -> None:
    code = "import pathlib, sys; pathlib.Path(sys.argv[1], 'made').write_text('')"
    before = os.umask(0o022)
    try:
        run_supervised(tmp_path, [script(tmp_path, "writer", code, once=True)], wait_for_nothing)
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


def wait_for_nothing(supervisor: Supervisor, journal: Journal) -> None:
    assert journal.events("writer") == ["ready"]


def test_killed_service_restarts_without_affecting_others(tmp_path: Path) -> None:
    def kill_one(supervisor: Supervisor, journal: Journal) -> None:
        before = supervisor.pids()
        os.kill(before["worker"], signal.SIGKILL)
        wait_until(lambda: journal.events("worker").count("ready") == 2)
        after = supervisor.pids()
        assert after["worker"] != before["worker"]
        assert after["api"] == before["api"]

    specs = [fake_service(tmp_path, "api"), fake_service(tmp_path, "worker")]
    journal = run_supervised(tmp_path, specs, kill_one)
    assert "restarting: was killed by SIGKILL" in journal.events("worker")


def test_children_of_a_killed_service_are_killed(tmp_path: Path) -> None:
    def kill_one(supervisor: Supervisor, journal: Journal) -> None:
        wait_until(lambda: len(processes_of(tmp_path)) == 2)
        family = processes_of(tmp_path)
        os.kill(supervisor.pids()["worker"], signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, family)))
        wait_until(lambda: journal.events("worker").count("ready") == 2)

    run_supervised(tmp_path, [fake_service(tmp_path, "worker", family="yes")], kill_one)
    wait_until(lambda: processes_of(tmp_path) == [])


@pytest.mark.usefixtures("allow_error_logs")
def test_crash_loop_is_reported_with_a_log_tail_and_retried(tmp_path: Path) -> None:
    # It works the first time and fails from then on, as after a bad edit of its settings.
    code = (
        "import pathlib, sys, time; mark = pathlib.Path(sys.argv[1], 'ran');"
        "sys.exit('its settings are gone') if mark.exists() else mark.touch(); time.sleep(0.3)"
    )

    def watch(supervisor: Supervisor, journal: Journal) -> None:
        wait_until(lambda: any(event.startswith("crash loop") for event in journal.events("api")))

    journal = run_supervised(tmp_path, [script(tmp_path, "api", code)], watch)
    report = next(event for event in journal.events("api") if event.startswith("crash loop"))
    assert "its settings are gone" in report
    assert "exit code 1" in report


def test_service_that_never_becomes_ready_fails_the_start_with_its_output(tmp_path: Path) -> None:
    broken = replace(
        script(tmp_path, "api", "import sys; sys.exit('no such module')"),
        ready_file=tmp_path / "never",
    )
    waiting = fake_service(tmp_path, "worker", needs=("api",))
    other = fake_service(tmp_path, "server")
    with pytest.raises(DependencyUnavailable, match="no such module") as caught:
        run_supervised(tmp_path, [broken, waiting, other], do_nothing)
    assert "api.log" in caught.value.hint
    wait_until(lambda: processes_of(tmp_path) == [])
    assert "started worker" not in (tmp_path / "journal").read_text()


def test_exit_report_of_a_child_fails_the_start_without_a_retry(tmp_path: Path) -> None:
    code = (
        "import sys; from cinemill.errors import DatabaseNewer;"
        "from cinemill.local.supervisor.exit_report import write_exit_report;"
        "print(write_exit_report(DatabaseNewer('from the future'))); sys.exit(2)"
    )
    with pytest.raises(DependencyUnavailable, match="from the future") as caught:
        run_supervised(tmp_path, [script(tmp_path, "migration", code, once=True)], do_nothing)
    assert caught.value.code == "database_newer"
    assert (tmp_path / "migration.log").read_text().count("from the future") == 1


def test_service_that_needs_a_once_service_starts_after_it(tmp_path: Path) -> None:
    mark = "import pathlib, sys; pathlib.Path(sys.argv[1], 'journal').write_text('migrated\\n')"
    specs = [
        script(tmp_path, "migration", mark, once=True),
        fake_service(tmp_path, "api", needs=("migration",)),
    ]
    run_supervised(tmp_path, specs, do_nothing)
    assert journal_of(tmp_path) == ["migrated", "started api", "stopped api"]


def test_service_that_does_not_stop_in_time_is_killed_with_its_children(tmp_path: Path) -> None:
    stubborn = fake_service(tmp_path, "worker", manner="stay", family="yes", grace_seconds=0.3)
    journal = run_supervised(tmp_path, [stubborn], do_nothing)
    assert journal.events("worker")[-1] == "killed"
    wait_until(lambda: processes_of(tmp_path) == [])


def test_second_stop_request_ends_the_grace(tmp_path: Path) -> None:
    def stop_twice(supervisor: Supervisor, journal: Journal) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: "stopped worker" in journal_of(tmp_path))
        os.kill(os.getpid(), signal.SIGINT)

    stubborn = fake_service(tmp_path, "worker", manner="stay", grace_seconds=3600)
    journal = run_supervised(tmp_path, [stubborn], stop_twice)
    assert journal.events("worker")[-1] == "killed"


SHORT_LIVENESS = Liveness(interval_seconds=0.5, misses=8, grace_seconds=0.3)


def with_liveness_check(spec: ServiceSpec) -> ServiceSpec:
    return replace(spec, is_alive=CpuActivity())


def test_frozen_service_is_killed_with_its_children_and_restarts(tmp_path: Path) -> None:
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
        wait_until(lambda: not any(map(is_alive, gone)))

    specs = [
        with_liveness_check(fake_service(tmp_path, "api")),
        with_liveness_check(fake_service(tmp_path, "worker", family="yes")),
    ]
    journal = run_supervised(tmp_path, specs, freeze, SHORT_LIVENESS)
    assert any("worker did not respond for" in event for event in journal.events("worker"))
    assert journal.events("api") == ["ready", "stopped"]


def test_briefly_paused_service_is_not_restarted(tmp_path: Path) -> None:
    def pause(supervisor: Supervisor, journal: Journal) -> None:
        before = supervisor.pids()
        for _ in range(3):
            os.kill(before["worker"], signal.SIGSTOP)
            time.sleep(SHORT_LIVENESS.interval_seconds * 2)
            os.kill(before["worker"], signal.SIGCONT)
            time.sleep(SHORT_LIVENESS.interval_seconds * 2)
        assert supervisor.pids() == before

    journal = run_supervised(
        tmp_path, [with_liveness_check(fake_service(tmp_path, "worker"))], pause, SHORT_LIVENESS
    )
    assert journal.events("worker") == ["ready", "stopped"]


def test_frozen_service_delays_a_stop_by_its_grace_only(tmp_path: Path) -> None:
    def freeze(supervisor: Supervisor, journal: Journal) -> None:
        os.kill(supervisor.pids()["worker"], signal.SIGSTOP)

    frozen = with_liveness_check(fake_service(tmp_path, "worker", grace_seconds=0.5))
    journal = run_supervised(tmp_path, [frozen], freeze)
    assert journal.events("worker") == ["ready", "killed"]
    wait_until(lambda: processes_of(tmp_path) == [])


KILLED = """
import asyncio, pathlib, sys
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.supervisor.spec import ServiceSpec
from cinemill.local.supervisor.supervisor import Supervisor
from tests.integration.local.fake_services import fake_service
folder = pathlib.Path(sys.argv[1])
specs = [fake_service(folder, "api"), fake_service(folder, "worker", manner="stay", family="yes")]
asyncio.run(Supervisor(specs, log_folder=folder).run((folder / "ready").touch))
"""


def test_sigkill_of_the_supervisor_leaves_no_process(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=root) as supervisor:
        wait_until((tmp_path / "ready").exists)
        wait_until(lambda: len(processes_of(tmp_path)) == 4)
        supervisor.kill()
    wait_until(lambda: processes_of(tmp_path) == [])
