"""The addresses of the servers that a running instance has started for its home folder."""

from __future__ import annotations

import json
from pathlib import Path

from cinemill.config.fields import derive_broker_url
from cinemill.config.model import Settings, name_of


def apply_running_instance(settings: Settings) -> Settings:
    """Return the settings with the servers of the instance that runs on this home, where unset.

    The result equals ``settings`` where both servers are set or no instance runs.
    """
    running = read_state(settings.home)
    update: dict[str, str | None] = {
        field: running.get(field)
        for field in ("database_url", "redis_url")
        if getattr(settings, field) is None
    }
    if settings.database_url is None:
        update["database_direct_url"] = running.get("database_direct_url")
    if settings.celery_broker_url is None:
        redis_url = update.get("redis_url", settings.redis_url)
        update["celery_broker_url"] = derive_broker_url({"redis_url": redis_url})
    update = {field: url for field, url in update.items() if url}
    joined = settings.model_copy(update=update)
    joined._sources = {**settings._sources, **{name_of(f): "running instance" for f in update}}
    return joined


def read_state(home: Path) -> dict[str, str]:
    """Return what the supervisor wrote about itself, as text; empty where none runs."""
    try:
        document = json.loads((home / "run" / "state.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: str(v) for k, v in document.items()} if isinstance(document, dict) else {}
