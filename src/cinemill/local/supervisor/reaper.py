"""A separate process that ends every child after the supervisor itself was killed.

Run as ``python -I -S reaper.py``. The supervisor writes lines to its standard input:
``+ PID SIGNAL GRACE_SECONDS`` for a group leader that it started (SIGNAL 9 for one that may be
killed at once), ``- PID`` for one that has ended. At the end of the input, when the supervisor is
gone, the remaining children are ended: first those that may be killed, then the servers, which get
their signal and their grace.

The parent-death signal reaches direct children only, and only on Linux; this reaches their groups.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

POLL_SECONDS = 0.05


def read_children(lines: Iterable[str]) -> dict[int, tuple[int, float]]:
    """Return the children left at the end of the input: pid → (signal, grace in seconds)."""
    children: dict[int, tuple[int, float]] = {}
    for line in lines:
        sign, pid, *rest = line.split()
        if sign == "+":
            children[int(pid)] = (int(rest[0]), float(rest[1]))
        else:
            children.pop(int(pid), None)
    return children


def kill_children(children: dict[int, tuple[int, float]]) -> None:
    """Kill the groups with SIGKILL as signal; signal the other leaders, wait, kill their groups."""
    gentle = {pid: child for pid, child in children.items() if child[0] != signal.SIGKILL}
    for pid in children.keys() - gentle.keys():
        _signal_group(pid, signal.SIGKILL)
    for pid, (number, _) in gentle.items():
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    deadline = time.monotonic() + max((grace for _, grace in gentle.values()), default=0.0)
    while any(map(_is_alive, gentle)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for pid in gentle:
        _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _is_alive(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    kill_children(read_children(sys.stdin))
