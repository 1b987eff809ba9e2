"""MIG instances belong to one process of the machine each, whichever worker it is of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cinemill.inference.sessions.instance_locks import take_instance

HOLDER = """
import sys
from pathlib import Path
from cinemill.inference.sessions.instance_locks import take_instance
print(take_instance(sys.argv[2:], Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""
UUIDS = ("MIG-1", "MIG-GPU-2/7/0")


@contextmanager
def hold_instance(folder: Path, *uuids: str) -> Iterator[str]:
    """Yield what another process has taken, which is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), *uuids],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def test_each_process_takes_another_instance_until_there_is_none(tmp_path: Path) -> None:
    with ExitStack() as held:
        found = [held.enter_context(hold_instance(tmp_path, *UUIDS)) for _ in range(3)]
        assert found == [*UUIDS, "None"]
        assert take_instance(UUIDS, tmp_path) is None


def test_instance_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with hold_instance(tmp_path, UUIDS[0]) as found:
        assert found == UUIDS[0]
        assert take_instance(UUIDS[:1], tmp_path) is None
    with hold_instance(tmp_path, *UUIDS) as found:
        assert found == UUIDS[0]


def test_homes_have_locks_of_their_own(tmp_path: Path) -> None:
    with hold_instance(tmp_path / "one", *UUIDS), hold_instance(tmp_path / "two", *UUIDS) as found:
        assert found == UUIDS[0]


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(OSError, match="run"):
        take_instance(UUIDS, tmp_path / "run" / "instances")
