"""The outcome of one short drill; ``make chaos`` plays the long one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.faults.chaos import INVARIANTS
from tests.faults.faults import FAULTS
from tests.faults.invariants import WAITS
from tests.faults.on_database import SERVED

ROOT = Path(__file__).parents[2]
SEED = 1
DRILL_SECONDS = 600


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the outcome of one short drill, run in its own process."""
    folder = tmp_path_factory.mktemp("chaos")
    report = folder / "report.json"
    command = [sys.executable, "-m", "tests.faults.chaos", "--size", "short", "--seed", str(SEED)]
    done = subprocess.run(
        [*command, "--folder", str(folder / "cluster"), "--report", str(report)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DRILL_SECONDS,
        check=False,
    )
    print(done.stdout)
    assert report.exists(), done.stderr[-4000:]
    answer: dict[str, Any] = json.loads(report.read_text())
    return answer


@pytest.mark.parametrize("fault", FAULTS)
def test_chaos_run_plays_every_fault(outcome: dict[str, Any], fault: str) -> None:
    if fault in outcome["skipped"]:
        pytest.skip(outcome["skipped"][fault])
    assert outcome["played"].get(fault, 0) >= 1


TIMED = frozenset({"resumed in time", SERVED, WAITS})
"""Checked by ``make chaos`` only: times need a quiet machine, and so are not tested."""


@pytest.mark.parametrize("invariant", [name for name in INVARIANTS if name not in TIMED])
def test_invariant_holds_after_chaos_run(outcome: dict[str, Any], invariant: str) -> None:
    assert outcome["found"][invariant] == []


def test_chaos_run_kills_enough_workers_under_load(outcome: dict[str, Any]) -> None:
    reached = {name: row[2] for name, row in outcome["reached"].items()}
    assert reached["worker kills"]
    assert reached["jobs"]
