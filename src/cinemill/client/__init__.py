"""A mill from Python: upload, watch, fetch. Synchronous, on httpx.

::

    from cinemill.client import Client

    with Client.from_home() as mill:
        receipt = mill.upload("film.mp4")
        for event in mill.watch(receipt["task_id"]):
            print(event.progress, event.message)
        print(mill.result(receipt["task_id"])["output_filename"])
"""

from cinemill.client.client import Client
from cinemill.client.errors import ClientError
from cinemill.client.models import (
    AssetDocument,
    DeadDocument,
    DeadMessageDocument,
    JobDocument,
    ProgressEvent,
    TaskResult,
    TaskStatus,
    UploadReceipt,
)

__all__ = [
    "AssetDocument",
    "Client",
    "ClientError",
    "DeadDocument",
    "DeadMessageDocument",
    "JobDocument",
    "ProgressEvent",
    "TaskResult",
    "TaskStatus",
    "UploadReceipt",
]
