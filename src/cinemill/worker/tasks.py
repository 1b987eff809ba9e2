"""The product's tasks, imported and called by the names of the kinds of job.

::

    from cinemill.worker.tasks import process_video

    process_video.apply_async(args=["/videos/video.mp4"], priority=9).get()

A worker opens the file, so its path is absolute. The row is written before the message is sent, so
the job is as safe as one from the API. A bare ``send_task`` by name is adopted by a worker.
Each has a second name with the suffix ``_task``, as other systems' scripts have it.
"""

from __future__ import annotations

from celery import Task

from cinemill.jobs.adoption.names import list_task_names
from cinemill.worker.app import app


def __getattr__(name: str) -> Task:
    if name in list_task_names(app.context.catalog.jobs):
        return app.tasks[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
