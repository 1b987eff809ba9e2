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
from cinemill.client.search_documents import (
    AnswerDocument,
    ChapterDocument,
    ChaptersDocument,
    CollectionDocument,
    ConversationDocument,
    EntityDocument,
    FindingDocument,
    HitDocument,
    KeyMomentDocument,
    PictureMomentDocument,
    PictureSearchDocument,
    RelationDocument,
    SceneDocument,
    SearchDocument,
    StatementDocument,
)
from cinemill.client.searches import AnswerEvent

__all__ = [
    "AnalysisDetails",
    "AnalysisDocument",
    "AnswerDocument",
    "AnswerEvent",
    "AssetDocument",
    "ChapterDocument",
    "ChaptersDocument",
    "Client",
    "ClientError",
    "CollectionDocument",
    "ConversationDocument",
    "DeadDocument",
    "DeadMessageDocument",
    "EntityDocument",
    "FindingDocument",
    "FrameScoreDocument",
    "HitDocument",
    "JobDocument",
    "KeyMomentDocument",
    "PictureMomentDocument",
    "PictureSearchDocument",
    "ProgressEvent",
    "RegionDocument",
    "RelationDocument",
    "ReviewDocument",
    "SceneDocument",
    "SearchDocument",
    "StatementDocument",
    "TaskResult",
    "TaskStatus",
]
