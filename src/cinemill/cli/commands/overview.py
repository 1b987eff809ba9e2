"""``cinemill status`` without an id: the whole mill at a glance, on eighty columns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from cinemill.cli import connect
from cinemill.cli.console import console, make_table, print_json, show_seconds
from cinemill.cli.ids import shorten
from cinemill.core.job import JobState

if TYPE_CHECKING:
    from cinemill.client import Client
    from cinemill.client.models import (
        HardwareDocument,
        HealthDocument,
        QueueCounts,
        StatsDocument,
    )
    from cinemill.worker.inspection import WorkerReport

_DURATIONS = ("average", "p50", "p90", "p99")
_WORST_SHOWN = 3


def show_overview(mill: Client, *, json: bool) -> None:
    """Health, workers, jobs by state, queues, processing times."""
    health, stats = mill.health(), mill.stats()
    workers = ask_workers()
    if json:
        reports = None if workers is None else [asdict(worker) for worker in workers]
        print_json({"url": mill.base_url, "health": health, "workers": reports, **stats})
        return
    screen = console()
    facts = make_table("", "")
    facts.show_header = False
    for label, words in _tell_facts(mill.base_url, health, stats, workers):
        facts.add_row(label, words)
    screen.print(facts)
    _show_queues(stats.get("queue", {}).get("by_queue") or {}, workers)
    _show_kinds(stats)


def ask_workers() -> list[WorkerReport] | None:
    """Who works for this mill; None where its broker is not known here, or does not answer."""
    from cinemill.config import apply_running_instance
    from cinemill.errors import RedisUnavailable

    settings = connect.load_settings()
    # Another machine's mill: the broker of the one that runs here says nothing of it.
    if not os.environ.get("CINEMILL_URL"):
        settings = apply_running_instance(settings)
    if settings.celery_broker_url is None:
        return None
    from cinemill.worker.inspection import inspect_workers

    try:
        return inspect_workers(settings)
    except RedisUnavailable:
        return None


def _tell_facts(
    base_url: str,
    health: HealthDocument,
    stats: StatsDocument,
    workers: Sequence[WorkerReport] | None,
) -> Iterator[tuple[str, str]]:
    parts = ", ".join(f"{name} {health[name]}" for name in ("database", "redis") if name in health)
    yield "Server", f"{base_url}, version {health.get('version', '?')}"
    yield "Health", f"{health.get('status', 'unknown')} ({parts})"
    yield "Workers", "\n".join(_tell_workers(workers))
    if offers := stats.get("hardware"):
        yield "Hardware", "\n".join(_tell_hardware(offers))
    yield "Jobs", _tell_jobs(stats.get("queue") or {})
    stuck = stats.get("stuck") or []
    if stuck:
        shown = ", ".join(shorten(str(job.get("id", ""))) for job in stuck[:_WORST_SHOWN])
        more = " and more" if len(stuck) > _WORST_SHOWN else ""
        yield "Stuck", f"{len(stuck)}: {shown}{more}; see 'cinemill status JOB'"


def _tell_workers(workers: Sequence[WorkerReport] | None) -> Iterator[str]:
    from cinemill.catalog import COMMON_QUEUES

    if workers is None:
        yield "unknown: run this command on the server's machine, or set REDIS_URL"
    elif not workers:
        yield "none responds; start one with 'cinemill worker'"
    for worker in workers or ():
        special = sorted(set(worker.queues) - set(COMMON_QUEUES))
        is_everywhere = set(COMMON_QUEUES) <= set(worker.queues)
        all_common = f"all {len(COMMON_QUEUES)} queues"
        queues = ", ".join([all_common, *special] if is_everywhere else worker.queues)
        yield f"{worker.name}: {worker.busy} of {worker.slots} busy, on {queues}"


def _tell_hardware(offers: Sequence[HardwareDocument]) -> Iterator[str]:
    for offer in offers:
        words = f"{offer['node']}: {offer['encoder']} {offer['status']}"
        if offer["status"] == "resting":
            words += f", retested in {show_seconds(offer['rests_seconds'])}; {offer['reason']}"
        yield words


def _tell_jobs(queue: QueueCounts) -> str:
    counts = queue.get("by_status") or {}
    told = [f"{counts[state]} {state}" for state in JobState if counts.get(state)]
    return ", ".join(told) or "none yet; upload a video with 'cinemill submit FILE'"


def _show_queues(depths: Mapping[str, int], workers: Sequence[WorkerReport] | None) -> None:
    """Queues in which something waits; the others are named as empty, or as deserted."""
    from cinemill.catalog import COMMON_QUEUES, QUEUES

    screen = console()
    staff = {
        name: sum(name in worker.queues for worker in workers or ())
        for name in (*QUEUES, *(depths.keys() - QUEUES.keys()))
    }
    shown = [name for name in staff if depths.get(name)]
    if shown:
        table = make_table("!Queue", ">Waiting", ">Workers")
        for name in shown:
            number = "?" if workers is None else str(staff[name])
            table.add_row(name, str(depths[name]), number)
        screen.print()
        screen.print(table)
    # Hardware is nobody's duty: without any its work goes to the common queues.
    deserted = [name for name in COMMON_QUEUES if workers and not staff[name]]
    screen.print()
    screen.print("All other queues are empty." if shown else "All queues are empty.")
    if deserted:
        screen.print(f"No worker consumes: {', '.join(deserted)}.", style="yellow")


def _show_kinds(stats: StatsDocument) -> None:
    numbers = (stats.get("queue") or {}).get("by_type") or {}
    times = stats.get("processing_times") or {}
    if not numbers:
        return
    table = make_table("!Kind", ">Jobs", ">Completed", ">Average", ">p50", ">p90", ">p99")
    for kind, number in sorted(numbers.items()):
        row = times.get(kind, {})
        spans = (show_seconds(row.get(f"{name}_seconds")) for name in _DURATIONS)
        table.add_row(kind, str(number), str(row.get("count", 0)), *spans)
    screen = console()
    screen.print()
    screen.print(table)
