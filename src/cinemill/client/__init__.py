"""Cinemill from Python: upload, watch, download. Synchronous, on httpx.

::

    from cinemill.client import Client

    with Client.from_home() as client:
        job = client.upload("film.mp4")
        for event in client.watch(job["id"]):
            print(event.progress, event.message)
        print(client.result(job["id"])["output_filename"])
"""

from cinemill.client.client import Client
from cinemill.client.errors import ClientError
from cinemill.client.models import (
    AnalysisDetails,
    AnalysisDocument,
    AssetDocument,
    DeadDocument,
    DeadMessageDocument,
    FrameScoreDocument,
    JobDocument,
    ProgressEvent,
    RegionDocument,
    ReviewDocument,
    TaskResult,
    TaskStatus,
)

__all__ = [
    "AnalysisDetails",
    "AnalysisDocument",
    "AssetDocument",
    "Client",
    "ClientError",
    "DeadDocument",
    "DeadMessageDocument",
    "FrameScoreDocument",
    "JobDocument",
    "ProgressEvent",
    "RegionDocument",
    "ReviewDocument",
    "TaskResult",
    "TaskStatus",
]
