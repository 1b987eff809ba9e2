"""What others may rely on: this list changes on purpose or not at all."""

from __future__ import annotations

import inspect

import cinemill.client
from cinemill.client import Client


def test_package_exports() -> None:
    assert cinemill.client.__all__ == [
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


def test_methods_of_a_client_and_their_parameters() -> None:
    surface = {
        name: ", ".join(list(inspect.signature(member).parameters)[1:])
        for name, member in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_")
    }
    assert surface == {
        "analyses": "asset_id, status, verdict, limit",
        "analysis": "analysis_id",
        "analysis_frames": "analysis_id, face",
        "analysis_regions": "analysis_id",
        "analyze": "asset_id, fast, priority",
        "analyze_batch": "asset_ids, fast, priority",
        "ask": "question, conversation_id, asset_ids, collections",
        "ask_events": "question, conversation_id, asset_ids, collections",
        "asset": "asset_id",
        "assets": "limit",
        "cancel": "job_id, reason",
        "chapters": "asset_id",
        "cleanup": "task_id",
        "close": "",
        "collections": "",
        "conversation": "conversation_id",
        "conversations": "limit",
        "create_job": "asset_id, kind, params, priority",
        "dead": "",
        "dead_messages": "limit",
        "delete": "job_id",
        "delete_asset": "asset_id, undo_seconds",
        "delete_conversation": "conversation_id",
        "download": "asset_id, kind, to, variant, on_bytes",
        "drop_dead_message": "message_id",
        "entities": "name",
        "entity": "entity_id",
        "evidence": "entity_id, relation, collections",
        "findings": "asset_id, kind, start, end",
        "health": "",
        "job": "job_id",
        "job_status": "job_id",
        "jobs": "status, kind, asset_id, before, id_prefix, limit",
        "redrive": "step_id",
        "restore_asset": "asset_id",
        "result": "task_id",
        "retry": "job_id",
        "retry_failed": "kind, code",
        "review": "analysis_id, action, reviewer, reason, verdict, seen",
        "review_queue": "limit",
        "reviews": "analysis_id",
        "scenes": "asset_id",
        "search": "query, mode, limit, asset_ids, collections, speakers",
        "search_by_picture": "picture, limit, asset_ids, collections",
        "search_pictures": "words, limit, asset_ids, collections",
        "set_collection": "asset_id, collection",
        "similar_moments": "asset_id, seconds, by, limit, asset_ids, collections",
        "stats": "",
        "submit": "kind, params, priority, idempotency_key",
        "task": "task_id",
        "upload": "path, kind, params, priority, thumbnail_seconds, collection, "
        "idempotency_key, on_bytes",
        "watch": "job_id, last_event_id",
    }
