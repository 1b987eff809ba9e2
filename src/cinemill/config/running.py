"""What an instance that runs on a home folder says of itself: its servers, and its services."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cinemill.config.fields import derive_broker_url
from cinemill.config.model import Settings, name_of

SERVICES_FILE = "services.json"
"""In the folder ``run``: what the supervisor says of its services, from its start to its end."""


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


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """What the supervisor on this home says of a service that it keeps running."""

    supervisor_pid: int
    is_ready: bool
    """False while it is started, for the first time or again."""
    how: str
    """How it ended the last time; empty where it did not."""
    log_file: Path

    def describe(self) -> str:
        """Return a sentence for people who miss the service."""
        why = f" ({self.how})" if self.how else ""
        if self.is_ready:
            verb = "keeps it running, and starts it again where it has frozen"
        else:
            verb = "is starting it again" if why else "is starting it"
        return f"'cinemill up' (process {self.supervisor_pid}) {verb}{why}; see {self.log_file}."


def read_service(home: Path, name: str) -> ServiceReport | None:
    """Return the report of a service; None where no supervisor on this home keeps it running."""
    try:
        document = json.loads((home / "run" / SERVICES_FILE).read_text("utf-8"))
        pid, one = int(document["pid"]), document["services"][name]
        report = ServiceReport(pid, bool(one["is_ready"]), str(one["how"]), Path(one["log_file"]))
        os.kill(pid, 0)
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return None
    return report
