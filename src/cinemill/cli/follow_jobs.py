"""Following several jobs at once, as one stream of news."""

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
"""Jobs followed at the same time; the streams keep what the later ones have missed."""
SILENCE_SECONDS = 5.0

News = tuple[str, "ProgressEvent | CinemillError | None"]


def follow_jobs(
    mill: Client, job_ids: Sequence[str], *, on_silence: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, ProgressEvent | CinemillError]]:
    """(job id, event or the error that ended the following) until every job has ended.

    ``on_silence`` is called whenever nothing is heard of any job for some seconds.
    """
    news: queue.Queue[News] = queue.Queue()
    waiting = deque(job_ids)
    for _ in range(min(CONNECTIONS, len(job_ids))):
        # Daemons: Ctrl-C must not wait for a connection to say something.
        threading.Thread(target=_follow, args=(mill, waiting, news), daemon=True).start()
    going = len(job_ids)
    while going:
        try:
            job_id, item = news.get(timeout=SILENCE_SECONDS)
        except queue.Empty:
            on_silence()
            continue
        if item is None:
            going -= 1
        else:
            yield job_id, item


def _follow(mill: Client, waiting: deque[str], news: queue.Queue[News]) -> None:
    while True:
        try:
            job_id = waiting.popleft()
        except IndexError:
            return
        try:
            for event in mill.watch(job_id):
                news.put((job_id, event))
        except CinemillError as error:
            news.put((job_id, error))
        finally:
            news.put((job_id, None))
