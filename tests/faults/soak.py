"""``python -m tests.faults.soak``: steady mixed load for hours, and what grew in every process.

Runs a whole instance, as ``cinemill up`` does, on a home of its own. The exit code is 0 only if
nothing grows and no request failed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import psutil
from tests.faults import gauges
from tests.faults.growth import Series, Trend, render
from tests.faults.soak_load import Load
from tests.films import make_film, remux
from tests.instance_settings import UNSPACED
from tests.instances import running_instance
from tests.processes import processes_of

from cinemill.config.running import read_state
from cinemill.storage.database import Database

FILMS = 4
MOST_SAMPLES = 400
LEAST_INTERVAL_SECONDS = 2.0
HOUR = 3600.0


def main(arguments: list[str]) -> int:
    options = read_options(arguments)
    with tempfile.TemporaryDirectory(prefix="cinemill-soak-") as temporary:
        folder = Path(options.folder or temporary)
        trends, counts = soak(folder, options.hours * HOUR)
    print(render(one for one in trends if not _is_empty(one)))
    print("\ndone:", ", ".join(f"{what} {count}" for what, count in sorted(counts.items())))
    for name, why in gauges.BOUNDED.items():
        print(f"{name}: {why}")
    if options.report:
        document = {"trends": [asdict(one) for one in trends], "counts": counts}
        Path(options.report).write_text(json.dumps(document, indent=1))
    growing = [one for one in trends if one.verdict == "grows" and not _is_bounded(one)]
    errors = {what: count for what, count in counts.items() if what.startswith("error")}
    print("\nNOTHING GROWS" if not growing else f"\n{len(growing)} GROW", errors or "")
    return 0 if not growing and not errors else 1


def read_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--hours", type=float, default=1.0, help="fractions are allowed")
    parser.add_argument("--folder", help="for the instance's home; a temporary one by default")
    parser.add_argument("--report", help="write the outcome there as JSON")
    return parser.parse_args(arguments)


def soak(folder: Path, seconds: float) -> tuple[list[Trend], dict[str, int]]:
    """Keep an instance under load for so long; return what changed, and how much was done."""
    films = make_films(folder / "films")
    home = folder / "home"
    os.environ.update(UNSPACED)
    series = Series()
    with running_instance(home, None, films[0].parent) as instance:
        main = find_supervisor(home)
        state = read_state(home)
        database = Database(state["database_url"], pool_size=1, application_name="soak")
        load = Load(home, films, Random(1))
        load.start()
        try:
            sample(series, instance.home, main, state["redis_url"], database, seconds)
        finally:
            load.stop()
            database.close()
    return series.trends(), dict(load.counts)


def sample(
    series: Series,
    home: Path,
    main: psutil.Process,
    redis_url: str,
    database: Database,
    seconds: float,
) -> None:
    """Measure everything at equal intervals for so long."""
    interval = max(LEAST_INTERVAL_SECONDS, seconds / MOST_SAMPLES)
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        values: dict[tuple[str, str], float] = {
            **gauges.read_processes(main, time.time()),
            **gauges.read_redis(redis_url),
            **gauges.read_tables(database),
            **gauges.read_folders(home),
        }
        series.add(elapsed / HOUR, values)
        time.sleep(interval)


def find_supervisor(home: Path) -> psutil.Process:
    """Return the process that all others of this home descend from."""
    pid: Any = read_state(home).get("pid")
    if pid is not None:
        return psutil.Process(int(pid))
    ours = {process.pid for process in processes_of(home)}
    tops = [psutil.Process(pid) for pid in ours if psutil.Process(pid).ppid() not in ours]
    return tops[0]


def make_films(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    first = make_film(folder / "film.mp4", seconds=1.0, size=(128, 96))
    return [
        remux(first, folder / f"film-{number}.mp4", "-metadata", f"title=Film {number}")
        for number in range(FILMS)
    ]


def _is_empty(trend: Trend) -> bool:
    """Check for a table that the load does not touch; there are dozens."""
    return trend.subject.startswith("table ") and not trend.rise


def _is_bounded(trend: Trend) -> bool:
    return trend.subject in gauges.BOUNDED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
