"""Celery's worker: ``python -m cinemill.worker``.

Options: ``[--queues a,b] [--name NODE] [--concurrency N | --autoscale MAX,MIN]``.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cinemill.config import Settings
from cinemill.config.parsers import parse_autoscale
from cinemill.errors import DependencyUnavailable, InputRejected, SettingsInvalid
from cinemill.jobs.adoption.names import expand_queues
from cinemill.jobs.catalog import list_common
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.shared_memory import require_semaphores
from cinemill.telemetry import get_logger

if TYPE_CHECKING:
    # It loads the catalog of capabilities, which happens below, where errors become a message.
    from cinemill.worker.context import WorkerContext

KIB = 1024

log = get_logger(__name__)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="cinemill worker")
    parser.add_argument("--queues", help="comma-separated; default: all queues")
    bounds = parser.add_mutually_exclusive_group()
    bounds.add_argument("--concurrency", type=int, help="tasks at a time")
    bounds.add_argument("--autoscale", help="maximum and minimum number of processes")
    parser.add_argument("--name", default="celery", help="of the node, before its machine's")
    options = parser.parse_args(arguments)
    try:
        # Imported here: it reads the settings, whose errors become a message.
        from cinemill.catalog import COMPOSITION
        from cinemill.worker.app import app

        planned = plan_worker(
            options.queues,
            options.concurrency,
            app.context,
            autoscale=options.autoscale,
            are_packages_left_out=bool(COMPOSITION.left_out),
        )
        app.context.slots = count_slots(planned, app.context.settings)
        planned["hostname"] = f"{options.name}@{socket.gethostname()}"
        check_tools(app.context.settings)
        app.context.check_database_route()
    except SettingsInvalid as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - nothing is logged yet
        return 2
    except InputRejected as error:
        print(f"{error.message} {error.hint}", file=sys.stderr)  # noqa: T201 - as above
        return 2
    except DependencyUnavailable as error:
        print(f"{error.message} {error.hint}", file=sys.stderr)  # noqa: T201 - as above
        return 3
    # Not through Celery's command line, which loads all of its commands, 15 MB a process.
    worker = app.Worker(**planned)
    worker.start()
    return int(worker.exitcode or 0)


def check_tools(settings: Settings) -> None:
    """Find what tasks need before any is taken. Raises ToolMissing, SharedMemoryUnusable.

    A worker without FFmpeg would hold messages that it cannot process.
    """
    if settings.celery_worker_pool == "prefork":
        require_semaphores()
    find_ffmpeg(settings.ffmpeg_path)
    detect_sandbox(settings.sandbox)


def plan_worker(
    queues: str | None,
    concurrency: int | None,
    context: WorkerContext,
    *,
    autoscale: str | None = None,
    are_packages_left_out: bool = False,
) -> dict[str, Any]:
    """Return Celery's ``Worker`` arguments for comma-separated queues.

    If packages were left out, an unknown queue may be one of theirs: the others are still
    consumed. Raises InputRejected.
    """
    known = context.catalog.queues
    given = queues.split(",") if queues else list_common(known)
    names, unknown = expand_queues(given, known)
    if unknown and are_packages_left_out and names:
        log.warning("unknown queues are not consumed", queues=unknown)
    elif unknown:
        raise InputRejected(
            f"There is no queue called {', '.join(unknown)}.",
            code="queue_unknown",
            hint=f"Use some of: {', '.join(context.catalog.queues)}.",
        )
    chosen = [context.catalog.queues[name] for name in names]
    return {
        "queues": names,
        "concurrency": concurrency,
        "autoscale": autoscale_bounds(concurrency, autoscale, context.settings),
        "max_tasks_per_child": min(queue.max_tasks_per_child for queue in chosen),
        "max_memory_per_child": max(queue.memory_bytes for queue in chosen) // KIB,
        "loglevel": "INFO",
        "without_mingle": True,
        "without_gossip": True,
    }


def count_slots(planned: Mapping[str, Any], settings: Settings) -> int:
    """Return how many tasks at most a worker with these arguments works on at a time."""
    if settings.celery_worker_pool == "solo":
        return 1
    maximum, _ = planned["autoscale"] or (planned["concurrency"], None)
    return int(maximum or settings.celery_worker_concurrency)


def autoscale_bounds(
    concurrency: int | None, autoscale: str | None, settings: Settings
) -> tuple[int, int] | None:
    """Return the maximum and minimum number of processes, or None if the number is fixed.

    This worker's own options override the settings. Raises InputRejected.
    """
    written = autoscale or (settings.celery_worker_autoscale if concurrency is None else None)
    if written is None:
        return None
    if settings.celery_worker_pool != "prefork":
        raise _autoscale_error(f"The pool {settings.celery_worker_pool!r} has one process.")
    try:
        return parse_autoscale(written)
    except ValueError as error:
        raise _autoscale_error(f"--autoscale {error}.") from error


def _autoscale_error(why: str) -> InputRejected:
    return InputRejected(
        why,
        code="autoscale_invalid",
        hint="Use --autoscale 4,1 with CELERY_WORKER_POOL 'prefork', or --concurrency 4.",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
