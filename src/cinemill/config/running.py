"""The mill that runs on this home: where its embedded servers listen."""

from __future__ import annotations

import json
from pathlib import Path

from cinemill.config.fields import derive_broker_url
from cinemill.config.model import Settings


def apply_running_instance(settings: Settings) -> Settings:
    """Settings with the servers of the mill that runs on this home, where none are set.

    Unchanged where both are set or no mill runs.
    """
    running = read_state(settings.home)
    update: dict[str, str | None] = {}
    if settings.database_url is None and running.get("database_url"):
        update["database_url"] = running["database_url"]
    if settings.redis_url is None and running.get("redis_url"):
        update["redis_url"] = running["redis_url"]
    if settings.celery_broker_url is None:
        update["celery_broker_url"] = derive_broker_url(
            {"redis_url": update.get("redis_url", settings.redis_url)}
        )
    return settings.model_copy(update={k: v for k, v in update.items() if v is not None})


def read_state(home: Path) -> dict[str, str]:
    """What the supervisor wrote of itself, as text values; empty where none runs."""
    try:
        document = json.loads((home / "run" / "state.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        {name: str(value) for name, value in document.items()} if isinstance(document, dict) else {}
    )
