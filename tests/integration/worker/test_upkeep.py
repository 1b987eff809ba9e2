"""The maintenance tasks on a running worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import text
from tests.films import make_film
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS

from cinemill.capabilities.operations.gpus import list_gpus
from cinemill.storage.retrieval import conversations
from cinemill.worker.result_backend import JobFailed


def call(stack: Stack, name: str, *args: object, **kwargs: object) -> Any:
    task = stack.app.tasks[name].apply_async(args=list(args), kwargs=kwargs)
    return task.get(timeout=PATIENCE_SECONDS)


def test_cleanup_task_follows_the_contract(stack: Stack, films_folder: Path) -> None:
    film = make_film(films_folder / "to be cleaned.mp4", seconds=1)
    paths = call(stack, "generate_preview", str(film), num_frames=3)["preview_paths"]
    assert call(stack, "cleanup", max_age_days=7, max_size_gb=50)["deleted_files"] == 0
    assert all(Path(path).exists() for path in paths)
    assert call(stack, "cleanup", max_age_days=7, max_size_gb=0)["deleted_files"] >= 3
    assert not any(Path(path).exists() for path in paths)
    assert not Path(paths[0]).parent.exists()
    again = call(stack, "generate_preview", str(film), num_frames=3)
    assert Path(again["preview_paths"][0]).exists()


def test_resource_measurements_appear_in_the_key_and_on_the_channel(stack: Stack) -> None:
    client: Any = redis.Redis.from_url(str(stack.context.redis_url), decode_responses=True)
    with client, client.pubsub() as channel:
        channel.subscribe("resource_monitor")
        assert channel.get_message(timeout=PATIENCE_SECONDS)["type"] == "subscribe"
        measured = call(stack, "monitor_resources")
        published = json.loads(channel.get_message(timeout=PATIENCE_SECONDS)["data"])
        kept = json.loads(client.get("system_resources"))
    for document in (measured, published, kept):
        assert 0 <= document["cpu"]["percent"] <= 100
        assert 0 < document["memory"]["percent"] <= 100
        assert 0 < document["disk"]["percent"] <= 100
        assert document["gpu"]["available"] is bool(document["gpu"]["gpus"])
        for gpu in document["gpu"]["gpus"]:
            assert {"index", "name", "utilization", "memory_used", "memory_total"} <= gpu.keys()


def test_health_check_follows_the_contract(stack: Stack) -> None:
    result = call(stack, "health_check")
    assert result["healthy"] is True, result
    assert set(result["checks"]) == {"database", "redis", "disk", "folders", "ffmpeg"}
    for check in result["checks"].values():
        assert check["healthy"] is True
        assert check["message"].endswith(".")


def test_vectors_stay_in_postgresql_where_there_is_no_qdrant(stack: Stack) -> None:
    result = call(stack, "project_embeddings")
    assert (result["count"], result["gap"], result["reused"]) == (0, "", True)
    with pytest.raises(JobFailed, match="CINEMILL_QDRANT_URL"):
        call(stack, "rebuild_projection")


def test_gpu_usage_follows_the_contract_with_and_without_a_gpu(stack: Stack) -> None:
    result = call(stack, "monitor_gpu_usage")
    gpus = list_gpus()
    assert result["available"] is bool(gpus)
    assert [gpu["uuid"] for gpu in result["gpus"]] == [gpu["uuid"] for gpu in gpus]
    for gpu in result["gpus"]:
        assert {"index", "name", "utilization", "memory_used", "memory_total"} <= gpu.keys()


def test_unused_conversations_are_deleted_and_no_others(stack: Stack) -> None:
    days = stack.context.settings.retention_days
    owner = "asks rarely"
    with stack.database.begin() as connection:
        old, new = (conversations.create_conversation(connection, owner) for _ in range(2))
        connection.execute(
            text(
                "UPDATE conversation SET used_at = now() - make_interval(days => :days, mins => 1)"
                " WHERE id = CAST(:id AS uuid)"
            ),
            {"id": old, "days": days},
        )
    assert {"deleted_files", "freed_bytes"} <= call(stack, "collect_garbage").keys()
    with stack.database.begin() as connection:
        assert conversations.list_conversations(connection, owner) == [new]
        assert conversations.delete_conversation(connection, new, owner)


def test_expired_results_are_deleted_and_no_others(stack: Stack) -> None:
    with stack.database.begin() as connection:
        for name, expires in {"old": "-1 s", "new": "1 day", "for ever": None}.items():
            connection.execute(
                text(
                    "INSERT INTO analyses (id, owner, kind, state, verdict, expires_at) VALUES"
                    " (:id, 'ann', 'detect_video', 'completed', 'no_face',"
                    "  now() + CAST(:expires AS interval))"
                ),
                {"id": f"expiry {name}", "expires": expires},
            )
    assert call(stack, "cleanup_expired_results")["deleted"] == 1
    assert call(stack, "cleanup_expired_results")["deleted"] == 0
    with stack.database.begin() as connection:
        query = text("DELETE FROM analyses WHERE id LIKE 'expiry %' RETURNING id")
        assert set(connection.execute(query).scalars()) == {"expiry new", "expiry for ever"}
