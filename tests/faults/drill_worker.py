"""``python -m tests.faults.drill_worker``: the drill's worker, beat or submitter."""

from __future__ import annotations

import os
import select
import sys
import time


def sleep_by_select(seconds: float) -> None:
    """Sleep by select: under libfaketime 0.9.10 clock_nanosleep of time.sleep fails (EINVAL)."""
    select.select([], [], [], seconds)


def main(arguments: list[str]) -> None:
    if "FAKETIME" in os.environ:
        time.sleep = sleep_by_select  # type: ignore[assignment]
    # Only now: other modules import sleep from time when they are imported.
    from tests.faults.process_entrypoints import run

    run(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
