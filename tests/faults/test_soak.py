"""The soak: it finds what grows, and a minute of it runs to its verdict."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import psutil
import pytest
from tests.faults.gauges import read_processes
from tests.faults.growth import MIB, Series, fit

ROOT = Path(__file__).parents[2]
SECONDS = 75
LEAK = """
import sys, threading
held = []
for line in sys.stdin:
    held.append((open("/dev/null"), bytearray(b"x" * 2_000_000)))
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("more", flush=True)
"""


def make_points(per_hour: float, noise: float, count: int = 60) -> list[tuple[float, float]]:
    random = Random(7)
    return [
        (n / 60, 100 * MIB + per_hour * n / 60 + random.uniform(-noise, noise))
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("per_hour", "noise", "verdict"),
    [
        (40 * MIB, 3 * MIB, "grows"),
        (-40 * MIB, 3 * MIB, "shrinks"),
        (0.0, 20 * MIB, "steady"),
        (2 * MIB, 0.0, "steady"),
        (8 * MIB, 90 * MIB, "steady"),
    ],
)
def test_slope_that_is_large_and_certain_is_growth(
    per_hour: float, noise: float, verdict: str
) -> None:
    found = fit("api", "RSS", make_points(per_hour, noise))
    assert found.verdict == verdict
    if verdict != "steady":
        assert found.per_hour == pytest.approx(per_hour, rel=0.1)


def test_few_samples_say_nothing() -> None:
    assert fit("api", "RSS", make_points(1000 * MIB, 0.0, count=3)).verdict == "unknown"


def test_what_happens_during_the_warm_up_does_not_count() -> None:
    series = Series()
    for n in range(60):
        series.add(n / 60, {("api", "RSS"): min(n, 20) * 10 * MIB})
    (trend,) = series.trends()
    assert trend.verdict == "steady"


def test_process_that_leaks_memory_files_and_threads_is_found() -> None:
    series = Series()
    command = [sys.executable, "-c", LEAK]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for n in range(30):
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            series.add(n / 60, read_processes(psutil.Process(process.pid), time.time()))
        process.kill()
    growing = {one.measure for one in series.trends() if one.verdict == "grows"}
    assert growing == {"RSS", "PSS", "files", "threads"}


def test_short_soak_measures_every_part_and_has_a_verdict(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "tests.faults.soak", "--hours", str(SECONDS / 3600)]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path / "soak"), "--report", str(report)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert report.exists(), done.stderr[-4000:]
    outcome = json.loads(report.read_text())
    subjects = {one["subject"] for one in outcome["trends"]}
    parts = {"supervisor", "api", "beat", "worker", "worker pool process", "valkey", "postgres"}
    parts |= {"postgres connection", "redis", "table job", "folder objects", "folder log"}
    assert parts <= subjects
    done_work = {"uploaded", "submitted", "followed", "looked", "cancelled", "deleted"}
    assert done_work <= set(outcome["counts"])
    assert not [what for what in outcome["counts"] if what.startswith("error")]
    # Not the verdict itself: a minute is mostly warm-up.
    assert done.stdout.splitlines()[-1].strip().startswith(("NOTHING GROWS", *"123456789"))
