"""``python -m tests.faults.chaos``: kill every part while it works, and check that nothing is lost.

The same seed and size play the same timetable on the same jobs. The history records what really
happened, one JSON object per line. The exit code is 0 only if all invariants hold and all figures
are reached.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from tests.faults import invariants, report
from tests.faults.cluster import Cluster, ClusterPlan
from tests.faults.context import FaultContext
from tests.faults.faults import FAULTS, SIZES, Size, plan_timetable
from tests.faults.kinds import DRILL_CATALOG, EFFECT_TABLE
from tests.faults.on_database import SERVED
from tests.faults.queries import Queries
from tests.faults.submitter import History, Submitter, draw_submission
from tests.films import make_film, remux

from cinemill.config import load
from cinemill.worker.app_factory import build_app

FILMS = 12
DRAIN_SECONDS = 150.0
CONTINUOUS = ("0 parts fell", "handed back", "cancelled leaves nothing", SERVED)
"""Invariants that are checked while the faults are played."""
INVARIANTS = (*CONTINUOUS, *invariants.CHECKS, *invariants.FINAL_CHECKS)
OUTSTANDING = 10
"""Concurrent jobs: enough to keep the workers busy, few enough for a retry to find a free worker,
so that resumption is measured and not queueing."""


def main(arguments: list[str]) -> int:
    options = read_options(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="cinemill-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    only = tuple(name for name in options.faults.split(",") if name)
    replay = f"python -m tests.faults.chaos --seed {options.seed} --size {options.size}"
    replay += f" --faults {options.faults}" if only else ""
    replay += f" --jobs {options.jobs}" if options.jobs is not None else ""
    began = time.monotonic()
    outcome = play(folder, options.seed, _resize(SIZES[options.size], options.jobs), only)
    outcome.seconds = time.monotonic() - began
    outcome.replay = replay
    outcome.history = str(folder / "history.jsonl")
    if options.report:
        Path(options.report).write_text(json.dumps(outcome.to_json(), indent=1))
    print(report.render(outcome))
    return 0 if outcome.holds else 1


def read_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", choices=sorted(SIZES), default="full")
    parser.add_argument("--faults", default="", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--jobs", type=int, help="ordinary jobs; the size's own where not given")
    parser.add_argument("--folder", help="for data, logs and history; a new one by default")
    parser.add_argument("--report", help="write the outcome there as JSON")
    return parser.parse_args(arguments)


def play(folder: Path, seed: int, size: Size, only: tuple[str, ...]) -> report.Outcome:
    history = History(folder / "history.jsonl")
    history.write("begin", seed=seed, size=str(size), only=only)
    with Cluster(folder, ClusterPlan()) as cluster:
        context = _create_context(cluster, history, seed)
        films = make_films(cluster)
        cluster.start_all()
        timetable = plan_timetable(Random(seed), size, only)
        length = timetable[-1][0] if timetable else 0.0
        load_thread = threading.Thread(
            target=submit_jobs, args=(context, Random(seed), films, size.jobs, length), daemon=True
        )
        load_thread.start()
        played = run_timetable(context, timetable)
        load_thread.join()
        drained = await_drained(context)
        context.measure("last fault to all ended", drained)
        found = check_invariants(context)
        history.write("end", found=found)
        outcome = report.Outcome.of(context, found, played, size, only)
    history.close()
    return outcome


def submit_jobs(
    context: FaultContext, random: Random, films: list[Path], jobs: int, seconds: float
) -> None:
    """Submit so many ordinary jobs, evenly over so many seconds."""
    began = time.monotonic()
    for index in range(jobs):
        submission = draw_submission(random, films)
        while time.monotonic() - began < seconds * index / jobs:
            time.sleep(0.02)
        while context.queries.unfinished() > OUTSTANDING:
            time.sleep(0.1)
        context.submitter.submit(submission)


def run_timetable(context: FaultContext, timetable: list[tuple[float, str]]) -> dict[str, int]:
    """Play the faults, long ones concurrently; return how often each was played."""
    began = time.monotonic()
    queue = [
        (at, number, name, FAULTS[name](context)) for number, (at, name) in enumerate(timetable)
    ]
    heapq.heapify(queue)
    played: dict[str, int] = {}
    while queue:
        at, number, name, fault = heapq.heappop(queue)
        time.sleep(max(0.0, began + at - time.monotonic()))
        context.restart_ended_parts()
        try:
            wait_seconds = next(fault)
        except StopIteration:
            played[name] = played.get(name, 0) + 1
            context.history.write("played", fault=name)
        else:
            heapq.heappush(queue, (time.monotonic() - began + wait_seconds, number, name, fault))
    return played


def await_drained(context: FaultContext) -> float:
    """Return the seconds until every job had ended; after a limit the invariants will report it."""
    began = time.monotonic()
    while context.queries.unfinished() and time.monotonic() - began < DRAIN_SECONDS:
        context.restart_ended_parts()
        time.sleep(0.1)
    seconds = time.monotonic() - began
    time.sleep(
        2 * context.cluster.plan.heartbeat_seconds
    )  # for late messages to find nothing to claim
    return seconds


def check_invariants(context: FaultContext) -> dict[str, list[str]]:
    """Return the violations of each invariant; the cluster is stopped before the final checks."""
    found: dict[str, list[str]] = {name: [] for name in CONTINUOUS}
    found |= {name: list(check(context)) for name, check in invariants.CHECKS.items()}
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda part: part.stop(20.0), context.cluster.parts.values()))
    found |= {name: list(check(context)) for name, check in invariants.FINAL_CHECKS.items()}
    for name, problems in context.problems.items():
        found[name] = [*found.get(name, []), *problems]
    return found


def make_films(cluster: Cluster) -> list[Path]:
    """Create short videos with different bytes."""
    first = make_film(cluster.films / "film.mp4", seconds=2.0, size=(128, 96))
    return [
        remux(first, cluster.films / f"film-{number}.mp4", "-metadata", f"title={number}")
        for number in range(FILMS)
    ]


def _create_context(cluster: Cluster, history: History, seed: int) -> FaultContext:
    queries = Queries(cluster.database)
    queries.change(EFFECT_TABLE)
    app = build_app(load(cluster.environment), catalog=DRILL_CATALOG)
    submitter = Submitter(app.context.service, app, history, Random(seed + 1))
    return FaultContext(cluster, submitter, queries, history, Random(seed + 2))


def _resize(size: Size, jobs: int | None) -> Size:
    if jobs is None:
        return size
    return Size(jobs, size.kills, size.kill_every_seconds, size.rounds, size.min_kills)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
