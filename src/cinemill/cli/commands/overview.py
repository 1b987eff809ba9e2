"""``cinemill status`` without an id: an overview of the server, in eighty columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from cinemill.cli.console import console, format_duration, format_size, make_table, print_json
from cinemill.cli.ids import shorten
from cinemill.core.job import JobState

if TYPE_CHECKING:
    from cinemill.client import Client
    from cinemill.client.models import (
        HardwareDocument,
        HealthDocument,
        QueueCounts,
        StatsDocument,
        WorkerDocument,
    )

_DURATIONS = ("average", "p50", "p90", "p99")
_WORST_SHOWN = 3
_PARTS: Sequence[Literal["database", "redis", "workers", "relay"]] = (
    "database",
    "redis",
    "workers",
    "relay",
)
_STARTS = "none responds; 'cinemill up' starts it by itself, and its log is {log} in CINEMILL_HOME"


def show_overview(client: Client, *, json: bool) -> None:
    """Print health, workers, jobs by state, queues and processing times."""
    health, stats = client.health(), client.stats()
    if json:
        addresses = {"url": client.base_url, "public_url": client.public_url}
        print_json({**addresses, "health": health, "workers": None, **stats})
        return
    workers = stats.get("workers")
    screen = console()
    facts = make_table("", "")
    facts.show_header = False
    for label, words in _overview_rows(client, health, stats, workers):
        facts.add_row(label, words)
    screen.print(facts)
    _show_queues(stats.get("queue", {}).get("by_queue") or {}, workers)
    _show_kinds(stats)


def _overview_rows(
    client: Client,
    health: HealthDocument,
    stats: StatsDocument,
    workers: Sequence[WorkerDocument] | None,
) -> Iterator[tuple[str, str]]:
    parts = ", ".join(f"{name} {health[name]}" for name in _PARTS if name in health)
    yield "Server", f"{client.base_url}, version {health.get('version', '?')}"
    if client.public_url != client.base_url:
        yield "Page", client.public_url
    yield "Health", f"{health.get('status', 'unknown')} ({parts})"
    yield "Workers", "\n".join(_describe_workers(workers, health))
    if relay := _describe_relay(str(health.get("relay", ""))):
        yield "Relay", relay
    if offers := stats.get("hardware"):
        yield "Hardware", "\n".join(_describe_hardware(offers))
    yield "Jobs", _describe_jobs(stats.get("queue") or {})
    if failures := "\n".join(_describe_failures(stats)):
        yield "Failed", failures
    stuck = stats.get("stuck") or []
    if stuck:
        shown = ", ".join(shorten(str(job.get("id", ""))) for job in stuck[:_WORST_SHOWN])
        more = " and more" if len(stuck) > _WORST_SHOWN else ""
        yield "Stuck", f"{len(stuck)}: {shown}{more}; see 'cinemill status JOB'"


def _describe_workers(
    workers: Sequence[WorkerDocument] | None, health: HealthDocument
) -> Iterator[str]:
    from cinemill.catalog import COMMON_QUEUES

    redis = health.get("redis", "")
    if workers is None:
        what = "refuses to answer" if redis == "refusing" else "does not respond"
        yield f"unknown: they report to Redis, which {what}"
    elif not workers and redis == "refusing":
        yield "unknown: they report to Redis, which refuses to store their reports"
    elif not workers and health.get("workers") == "starting":
        yield _STARTS.format(log="log/worker.out")
    elif not workers:
        yield "none responds; start one with 'cinemill worker'"
    for worker in workers or ():
        special = sorted(set(worker["queues"]) - set(COMMON_QUEUES))
        is_everywhere = set(COMMON_QUEUES) <= set(worker["queues"])
        all_common = f"all {len(COMMON_QUEUES)} queues"
        queues = ", ".join([all_common, *special] if is_everywhere else worker["queues"])
        memory_bytes = worker.get("memory_bytes")
        held = "" if memory_bytes is None else f", {format_size(memory_bytes)}"
        yield f"{worker['name']}: {worker['busy']} of {worker['slots']} busy{held}, on {queues}"


def _describe_relay(relay: str) -> str:
    """Return what to do about the relay; empty where it runs, or the server does not say."""
    if relay == "starting":
        return _STARTS.format(log="log/beat.out")
    if relay == "none":
        return "none responds, so no job starts; start one with 'cinemill beat'"
    return ""


def _describe_hardware(offers: Sequence[HardwareDocument]) -> Iterator[str]:
    for offer in offers:
        words = f"{offer['node']}: {offer['encoder']} {offer['status']}"
        if offer["status"] == "resting":
            words += f", retested in {format_duration(offer['rests_seconds'])}; {offer['reason']}"
        yield words


def _describe_jobs(queue: QueueCounts) -> str:
    counts = queue.get("by_status") or {}
    shown = [f"{counts[state]} {state}" for state in JobState if counts.get(state)]
    return ", ".join(shown) or "none yet; upload a video with 'cinemill submit FILE'"


def _describe_failures(stats: StatsDocument) -> Iterator[str]:
    for kind, outcome in sorted((stats.get("outcomes") or {}).items()):
        if outcome["failed"]:
            codes = [f"{count} {code}" for code, count in outcome["failures"].items()]
            more = ", …" if len(codes) > _WORST_SHOWN else ""
            reasons = ", ".join(codes[:_WORST_SHOWN]) + more
            ended = outcome["completed"] + outcome["failed"]
            yield f"{kind}: {outcome['failed']} of {ended} in the last 7 days ({reasons})"


def _show_queues(depths: Mapping[str, int], workers: Sequence[WorkerDocument] | None) -> None:
    """Print the queues that hold jobs, then whether the others are empty or have no worker."""
    from cinemill.catalog import COMMON_QUEUES, QUEUES

    screen = console()
    worker_counts = {
        name: sum(name in worker["queues"] for worker in workers or ())
        for name in (*QUEUES, *(depths.keys() - QUEUES.keys()))
    }
    shown = [name for name in worker_counts if depths.get(name)]
    if shown:
        table = make_table("!Queue", ">Waiting", ">Workers")
        for name in shown:
            number = "?" if workers is None else str(worker_counts[name])
            table.add_row(name, str(depths[name]), number)
        screen.print()
        screen.print(table)
    # Hardware queues need no worker: without one, their work goes to the common queues.
    unserved = [name for name in COMMON_QUEUES if workers and not worker_counts[name]]
    screen.print()
    screen.print("All other queues are empty." if shown else "All queues are empty.")
    if unserved:
        names = ",".join(unserved)
        screen.print(
            f"No worker consumes: {', '.join(unserved)}. Start one with "
            f"'cinemill worker --queues {names}'.",
            style="yellow",
        )


def _show_kinds(stats: StatsDocument) -> None:
    numbers = (stats.get("queue") or {}).get("by_type") or {}
    times = stats.get("processing_times") or {}
    if not numbers:
        return
    table = make_table("!Kind", ">Jobs", ">Completed", ">Average", ">p50", ">p90", ">p99")
    for kind, number in sorted(numbers.items()):
        row = times.get(kind, {})
        spans = (format_duration(row.get(f"{name}_seconds")) for name in _DURATIONS)
        table.add_row(kind, str(number), str(row.get("count", 0)), *spans)
    screen = console()
    screen.print()
    screen.print(table)
