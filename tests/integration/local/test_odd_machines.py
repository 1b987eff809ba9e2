"""Homes by symbolic links, machines without shared memory, users without a home."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cinemill.local.servers import postgres
from cinemill.local.servers.postgres import PostgresServer
from cinemill.local.supervisor.orphans import find_orphans, stop_orphans
from cinemill.shared_memory import find_problem, require_semaphores

ROOT = Path(__file__).parents[3]

CREATE_CLUSTER = """
import pathlib, sys
from cinemill.local.servers import postgres
server = postgres.describe_postgres(pathlib.Path(sys.argv[1]))
postgres.init_cluster(server)
print(server.data.joinpath("cinemill.conf").read_text())
"""
NEED_SEMAPHORES = """
from cinemill.errors import CinemillError
from cinemill.shared_memory import require_semaphores
try:
    require_semaphores()
except CinemillError as error:
    print(error.code, error.message, error.hint)
"""


CHECK_WORKER = """
from cinemill.config import Settings
from cinemill.errors import CinemillError
from cinemill.worker.__main__ import check_tools
try:
    check_tools(Settings())
except CinemillError as error:
    print(error.code)
check_tools(Settings(celery_worker_pool="solo"))
"""


@contextmanager
def server_in(folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of this name that works in a folder, as a server does."""
    program = folder.parent / "bin" / name
    program.parent.mkdir()
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "600"], cwd=folder) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "postgres" / "data"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def describe(data: Path) -> PostgresServer:
    binaries = postgres.find_binaries()
    return PostgresServer(data.parent, 5432, "password", "password", binaries, "same")


def test_leftover_server_is_found_by_any_name_of_its_folder(tmp_path: Path, data: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(data.parent)
    with server_in(data, "valkey-server") as process:
        assert [one.pid for one in find_orphans(link / "data", "valkey-server")] == [process.pid]
        stop_orphans(link / "data", "valkey-server", signal.SIGTERM, grace_seconds=10)
        assert process.wait(timeout=10) == -signal.SIGTERM
    assert find_orphans(link / "gone", "valkey-server") == []


def test_pid_file_of_a_server_that_runs_stays(data: Path) -> None:
    pid_file = data / "postmaster.pid"
    with server_in(data, "postgres") as process:
        pid_file.write_text(f"{process.pid}\n{data}\n")
        postgres.init_cluster(describe(data))
        assert pid_file.exists()


@pytest.mark.parametrize("pid", ["{own}", "4194999", "", "no number"])
def test_pid_file_of_another_program_is_removed(data: Path, pid: str) -> None:
    (data / "postmaster.pid").write_text(f"{pid.format(own=os.getpid())}\n{data}\n")
    postgres.init_cluster(describe(data))
    assert not (data / "postmaster.pid").exists()


def test_pid_file_with_the_number_of_another_cluster_is_removed(data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with server_in(tmp_path / "elsewhere", "postgres") as process:
        (data / "postmaster.pid").write_text(f"{process.pid}\n{data}\n")
        postgres.init_cluster(describe(data))
    assert not (data / "postmaster.pid").exists()


def run_in(walls: list[str], code: str, *arguments: str) -> str:
    """Run Python in bubblewrap's walls; skip the test where this machine has none that work."""
    bwrap = shutil.which("bwrap")
    before = [str(bwrap), "--bind", "/", "/", "--dev-bind", "/dev", "/dev", *walls]
    if bwrap is None or subprocess.run([*before, "true"], check=False).returncode != 0:
        pytest.skip("no bubblewrap that works, to change /dev/shm with")
    command = [*before, sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.sandbox
def test_cluster_is_created_in_little_shared_memory(tmp_path: Path) -> None:
    printed = run_in(["--size", "65536", "--tmpfs", "/dev/shm"], CREATE_CLUSTER, str(tmp_path))
    assert "dynamic_shared_memory_type = sysv" in printed


@pytest.mark.sandbox
def test_missing_semaphores_are_named(tmp_path: Path) -> None:
    walls = ["--ro-bind", str(tmp_path), "/dev/shm"]
    printed = run_in(walls, NEED_SEMAPHORES)
    assert printed.startswith("shared_memory_unusable ")
    assert "/dev/shm: Read-only file system" in printed
    assert "CELERY_WORKER_POOL=solo" in printed


@pytest.mark.sandbox
def test_worker_of_its_own_names_missing_semaphores(tmp_path: Path) -> None:
    """As in containers, where no instance has checked before it."""
    walls = ["--ro-bind", str(tmp_path), "/dev/shm"]
    assert run_in(walls, CHECK_WORKER).strip() == "shared_memory_unusable"


def test_semaphores_of_this_machine_are_enough() -> None:
    require_semaphores()


def test_missing_shared_memory_is_named(tmp_path: Path) -> None:
    assert find_problem(tmp_path / "shm") == f"{tmp_path / 'shm'} does not exist"


def test_user_without_a_home_is_asked_for_one() -> None:
    before = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
    if shutil.which("unshare") is None or subprocess.run([*before, "true"], check=False).returncode:
        pytest.skip("no user namespace to be another user in")
    path = {"PATH": os.environ["PATH"]}
    run = "from cinemill.cli.main import run; run()"
    command = [*before, sys.executable, "-c", run, "config"]
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "CINEMILL_HOME: must be set" in done.stderr
    assert "Traceback" not in done.stderr
