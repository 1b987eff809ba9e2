"""The embedded servers as an ordinary user, as root, and as root without user namespaces."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cinemill.local.servers.postgres import find_binaries

ROOT = Path(__file__).parents[3]
NOBODY = 65534
UNNAMED = 12345

RUN = """
import os, pathlib, sys, psutil
from cinemill.local.embedded_servers import embedded_servers
for time in range(2):
    with embedded_servers(pathlib.Path(sys.argv[1])) as servers:
        process = psutil.Process(servers.postgres.pid)
        print("running", os.geteuid(), process.uids().effective)
    assert not process.is_running()
"""


# Runs a command in a namespace of all users in which no further one may be created, as in many
# containers. The parent outside writes the maps: only there is it allowed to map more than itself.
WITHOUT_NAMESPACES = """
import ctypes, os, pathlib, sys
ready, mapped = os.pipe(), os.pipe()
if (child := os.fork()) == 0:
    assert ctypes.CDLL(None).unshare(0x10000000) == 0
    os.write(ready[1], b"x")
    os.read(mapped[0], 1)
    pathlib.Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready[0], 1)
for name in ("uid_map", "gid_map"):
    pathlib.Path(f"/proc/{child}/{name}").write_text("0 0 65536")
os.write(mapped[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="cinemill-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def run_servers(home: Path, before: Sequence[str]) -> list[str]:
    """Start and stop the servers twice under a command; return what they printed."""
    done = subprocess.run(
        [*before, sys.executable, "-c", RUN, str(home)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOME": "/"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def require(condition: bool, reason: str) -> None:
    if not condition:
        pytest.skip(reason)


def succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def others_can_reach_the_binaries() -> bool:
    return all(open_folder.stat().st_mode & 0o001 for open_folder in find_binaries().parents)


def has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def test_servers_run_as_an_ordinary_user(open_folder: Path) -> None:
    if os.geteuid() != 0:
        assert run_servers(open_folder / "home", [])[0].endswith(f" {os.geteuid()}")
        return
    require(shutil.which("setpriv") is not None, "no setpriv to become another user with")
    # With permission to read everywhere: our interpreter may be in the home folder of root.
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *reading]
    require(succeeds([*become, sys.executable, "-c", ""]), "setpriv may not make us another user")
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    assert run_servers(home, become) == [f"running {NOBODY} {NOBODY}"] * 2


def test_servers_run_as_a_user_without_a_name(open_folder: Path) -> None:
    require(not has_name(UNNAMED), "the user of this test has a name here")
    before = ["unshare", "--user", f"--map-user={UNNAMED}", f"--map-group={UNNAMED}"]
    require(shutil.which("unshare") is not None, "no unshare to become another user with")
    require(succeeds([*before, "unshare", "--user", "true"]), "namespaces are refused")
    lines = run_servers(open_folder / "home", before)
    assert lines == [f"running {UNNAMED} {UNNAMED}"] * 2


def test_servers_run_as_root_keep_its_files(open_folder: Path) -> None:
    require(os.geteuid() == 0, "we are not root")
    lines = run_servers(open_folder / "home", [])
    # From outside the namespace the server is root; where namespaces are refused, it is nobody.
    assert set(lines) <= {"running 0 0", f"running 0 {NOBODY}"}
    assert (open_folder / "home" / "postgres" / "data" / "PG_VERSION").exists()


def test_servers_run_as_nobody_where_namespaces_are_refused(open_folder: Path) -> None:
    require(os.geteuid() == 0, "we are not root")
    require(others_can_reach_the_binaries(), "the user nobody cannot reach the installation")
    before = [sys.executable, "-c", WITHOUT_NAMESPACES]
    require(succeeds([*before, "true"]), "cannot make a namespace that refuses namespaces")
    assert run_servers(open_folder / "home", before) == [f"running 0 {NOBODY}"] * 2
