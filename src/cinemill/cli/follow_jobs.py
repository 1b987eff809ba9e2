"""Following several jobs at once, as one stream of events."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.client import Client, ProgressEvent

CONNECTIONS = 12
"""Jobs followed at the same time; a stream that is opened later replays the missed events."""
SILENCE_SECONDS = 5.0

Update = tuple[str, "ProgressEvent | CinemillError | None"]


def follow_jobs(
    client: Client, job_ids: Sequence[str], *, on_silence: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, ProgressEvent | CinemillError]]:
    """Yield (job id, event or the error that ended following it) until every job has ended.

    ``on_silence`` is called each time that no job has sent an event for SILENCE_SECONDS.
    """
    updates: queue.Queue[Update] = queue.Queue()
    waiting = deque(job_ids)
    for _ in range(min(CONNECTIONS, len(job_ids))):
        # Daemon threads, so that Ctrl-C does not wait for a connection to receive data.
        threading.Thread(target=_follow, args=(client, waiting, updates), daemon=True).start()
    open_jobs = len(job_ids)
    while open_jobs:
        try:
            job_id, item = updates.get(timeout=SILENCE_SECONDS)
        except queue.Empty:
            on_silence()
            continue
        if item is None:
            open_jobs -= 1
        else:
            yield job_id, item


def _follow(client: Client, waiting: deque[str], updates: queue.Queue[Update]) -> None:
    while True:
        try:
            job_id = waiting.popleft()
        except IndexError:
            return
        try:
            for event in client.watch(job_id):
                updates.put((job_id, event))
        except CinemillError as error:
            updates.put((job_id, error))
        finally:
            updates.put((job_id, None))
