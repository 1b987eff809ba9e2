"""A log that cannot be written is no reason for a traceback, and none to stop working."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import logging, os, shutil, sys
from pathlib import Path
from cinemill.telemetry import configure_logging, get_logger
log_file = Path(sys.argv[1])
configure_logging("test", log_file=log_file)
log = get_logger("test")
log.info("first")
exec(sys.argv[2])
for number in range(50):
    log.info("line", number=number)
logging.getLogger("stock").error("of a library")
exec(sys.argv[3])
log.info("last")
print("done")
"""
FULL = Path("/dev/full")


def work(log_file: Path, break_it: str = "", mend_it: str = "", **streams: int) -> str:
    """Log in a process of its own; return what it wrote to standard error."""
    command = [sys.executable, "-c", WORK, str(log_file), break_it, mend_it]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=streams.get("stderr", subprocess.PIPE), check=False
    )
    assert done.stdout.decode().endswith("done\n")
    said = (done.stderr or b"").decode()
    assert "Traceback" not in said
    assert "Logging error" not in said
    assert done.returncode in (0, 120)  # the second: Python could not flush at its end
    return said


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_disk_costs_lines_and_says_so_once(tmp_path: Path) -> None:
    log_file = tmp_path / "log" / "worker.log"
    log_file.parent.mkdir()
    log_file.symlink_to(FULL)
    said = work(log_file)
    assert said.count("cannot be written: No space left on device") == 1
    assert "of a library" in said


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_standard_error_on_a_full_disk_costs_lines(tmp_path: Path) -> None:
    with FULL.open("wb") as full:
        work(tmp_path / "worker.log", stderr=full.fileno())
    assert "last" in (tmp_path / "worker.log").read_text()


def test_a_folder_that_goes_and_comes_back(tmp_path: Path) -> None:
    log_file = tmp_path / "log" / "worker.log"
    said = work(
        log_file,
        "shutil.rmtree(log_file.parent)",
        "log_file.parent.mkdir()",
    )
    assert said.count("cannot be written: No such file or directory") == 1
    assert "last" in log_file.read_text()


def test_a_log_that_cannot_be_opened_keeps_no_service_from_starting(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert "cannot be written" in work(tmp_path / "log" / "worker.log")


def test_a_rotated_file_is_followed(tmp_path: Path) -> None:
    log_file = tmp_path / "worker.log"
    work(log_file, "os.rename(log_file, f'{log_file}.1')")
    assert "first" in log_file.with_name("worker.log.1").read_text()
    assert "last" in log_file.read_text()
    assert os.access(log_file, os.W_OK)
    shutil.rmtree(tmp_path)
