"""``python -m cinemill.worker [--queues a,b] [--concurrency N]``: Celery's own worker, as ours."""

from __future__ import annotations

import argparse
import sys

from cinemill.errors import InputRejected, SettingsInvalid


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="cinemill worker")
    parser.add_argument("--queues", help="comma-separated; all queues where it is not given")
    parser.add_argument("--concurrency", type=int, help="tasks at a time")
    options = parser.parse_args(arguments)
    try:
        from cinemill.worker.app import app

        command = plan_command(options.queues, options.concurrency, app.mill)
    except SettingsInvalid as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - nothing is logged yet
        return 2
    except InputRejected as error:
        print(f"{error.message} {error.way_on}", file=sys.stderr)  # noqa: T201 - as above
        return 2
    app.worker_main(command)
    return 0


def plan_command(queues: str | None, concurrency: int | None, mill: object) -> list[str]:
    """Celery's own command line for a worker of these queues. Raises InputRejected."""
    from cinemill.worker.mill import Mill

    assert isinstance(mill, Mill)  # noqa: S101 - for the type checker
    names = queues.split(",") if queues else list(mill.catalog.queues)
    unknown = [name for name in names if name not in mill.catalog.queues]
    if unknown:
        raise InputRejected(
            f"There is no queue called {', '.join(unknown)}.",
            code="queue_unknown",
            way_on=f"Use some of: {', '.join(mill.catalog.queues)}.",
        )
    chosen = [mill.catalog.queues[name] for name in names]
    command = ["worker", "--without-mingle", "--without-gossip", "--loglevel", "INFO"]
    command += ["--queues", ",".join(names)]
    command += ["--max-tasks-per-child", str(min(queue.recycle_after for queue in chosen))]
    memory_kib = max(queue.memory_bytes for queue in chosen) // 1024
    command += ["--max-memory-per-child", str(memory_kib)]
    if concurrency is not None:
        command += ["--concurrency", str(concurrency)]
    return command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
