"""The maintenance tasks on a running worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import redis
from tests.films import make_film
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS


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
