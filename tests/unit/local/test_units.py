"""The unit files against the product: every queue has a worker, every command exists."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

from cinemill.catalog import COMMON_QUEUES
from cinemill.cli.main import app
from cinemill.local.service_plan import WORKER_GRACE_SECONDS

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMMANDS = {
    command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands
}


def read_unit(path: Path) -> ConfigParser:
    unit = ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=(";",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text())
    return unit


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_units_start_existing_commands(path: Path) -> None:
    service = read_unit(path)["Service"]
    program, command, *_ = service["ExecStart"].split()
    assert program.endswith("/cinemill")
    assert command in COMMANDS
    assert service["KillMode"] == "mixed"


def test_supervisord_has_a_worker_for_every_queue() -> None:
    conf = read_unit(DEPLOY / "supervisor" / "cinemill.conf")
    commands = [conf[name]["command"] for name in conf.sections() if name.startswith("program:")]
    named = [re.search(r"--queues (\S+)", command) for command in commands]
    queues = [queue for match in named if match for queue in match[1].split(",")]
    assert sorted(queues) == sorted(COMMON_QUEUES)
    assert {command.split()[1] for command in commands} <= COMMANDS


def test_unit_stop_timeout_of_workers_equals_the_supervisors() -> None:
    unit = read_unit(DEPLOY / "systemd" / "cinemill-worker@.service")["Service"]
    assert float(unit["TimeoutStopSec"]) >= WORKER_GRACE_SECONDS
    assert "REMAP_SIGTERM=SIGQUIT" in (DEPLOY / "systemd" / "cinemill-worker@.service").read_text()
