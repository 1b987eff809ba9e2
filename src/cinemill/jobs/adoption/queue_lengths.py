"""How many jobs wait, by the queues in which other systems' scripts expect their messages."""

from __future__ import annotations

from cinemill.errors import RedisUnavailable
from cinemill.jobs.adoption.names import QUEUED_KINDS
from cinemill.storage.adoption.queue_lengths import QueueLists
from cinemill.storage.database import Database
from cinemill.storage.jobs import statistics
from cinemill.storage.jobs.stray_messages import StrayMessages


class QueueLengths:
    """Keeps lists as long as those queues; nothing of ours reads them."""

    def __init__(self, database: Database, lists: QueueLists, strays: StrayMessages) -> None:
        self._database = database
        self._lists = lists
        self._strays = strays
        self._last: dict[str, int] = dict.fromkeys(QUEUED_KINDS, -1)
        """What each list was filled with; -1 where that is not known."""

    def write(self) -> int:
        """Write the lengths that have changed, and return how many. Raises RedisUnavailable.

        Lists that have become shorter, such as by FLUSHALL, are filled again. All are 0 while other
        Celery workers read this Redis, which would take the placeholders.
        """
        with self._database.begin() as connection:
            waiting = statistics.count_waiting(connection)
        lengths = {
            queue: sum(waiting.get(kind, 0) for kind in kinds)
            for queue, kinds in QUEUED_KINDS.items()
        }
        if any(lengths.values()) and self._strays.count_workers():
            lengths = dict.fromkeys(lengths, 0)
        try:
            lost = self._lists.list_short({name: count for name, count in lengths.items() if count})
            changed = {
                queue: count
                for queue, count in lengths.items()
                if count != self._last[queue] or queue in lost
            }
            self._lists.fill(changed)
        except RedisUnavailable:
            self._last = dict.fromkeys(QUEUED_KINDS, -1)
            raise
        self._last = lengths
        return len(changed)
