"""Messages for us that no worker of ours reads: ``doctor`` and ``/health`` show them."""

from __future__ import annotations

from cinemill.jobs.adoption.names import list_queue_names, list_task_names
from cinemill.jobs.catalog import Catalog
from cinemill.storage.jobs.stray_messages import count_stray_messages


def count_unread(broker_url: str | None, catalog: Catalog) -> dict[str, int]:
    """Count messages of our kinds of job in lists without our key prefix, by queue.

    Raises RedisUnavailable.
    """
    queues, tasks = list_queue_names(catalog.queues), list_task_names(catalog.jobs)
    return count_stray_messages(broker_url, queues, tasks)
