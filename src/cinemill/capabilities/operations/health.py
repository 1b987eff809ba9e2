"""Checks of what work depends on, from the worker that runs them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from cinemill.errors import CinemillError
from cinemill.steps.resources import StepResources
from cinemill.storage.projection.health import HealthState, examine_projections
from cinemill.telemetry import get_logger

log = get_logger(__name__)

_REDIS = {
    "ok": "Redis takes writes.",
    "nearly_full": "Over four fifths of Redis' memory are used.",
    "refusing": "Redis answers and takes no write: nothing new starts.",
    "unavailable": "Redis does not respond.",
}


def check_all(resources: StepResources) -> dict[str, Any]:
    """Run all checks and log a warning for each that fails.

    Returns ``healthy``, and ``checks`` by name (``database``, ``redis``, ``disk``, ``folders``,
    ``ffmpeg``, and ``qdrant`` where it is set up), each with ``healthy`` and a ``message``. One
    that fails does not stop the others.
    """
    due = {**_CHECKS, **({} if resources.qdrant is None else {"qdrant": _check_qdrant})}
    checks = {name: _run(check, resources) for name, check in due.items()}
    for name, result in checks.items():
        if not result["healthy"]:
            log.warning("a health check failed", check=name, why=result["message"])
    return {"healthy": all(one["healthy"] for one in checks.values()), "checks": checks}


Check = Callable[[StepResources], tuple[bool, str]]


def _run(check: Check, resources: StepResources) -> dict[str, Any]:
    try:
        is_healthy, message = check(resources)
    except CinemillError as error:
        is_healthy, message = False, error.message
    except OSError as error:
        is_healthy, message = False, str(error)
    return {"healthy": is_healthy, "message": message}


def _check_database(resources: StepResources) -> tuple[bool, str]:
    asked = time.perf_counter()
    resources.database.ping()
    return True, f"PostgreSQL responds within {(time.perf_counter() - asked) * 1000:.1f} ms."


def _check_redis(resources: StepResources) -> tuple[bool, str]:
    state = resources.events.judge_health()
    return state == "ok", _REDIS[state]


def _check_disk(resources: StepResources) -> tuple[bool, str]:
    free, least = resources.files.free_bytes(), resources.min_free_bytes
    message = f"{free >> 20} MiB are free; {least >> 20} MiB must stay free."
    return free >= least, message


def _check_folders(resources: StepResources) -> tuple[bool, str]:
    # The work folder is created by the first attempt.
    folders = [resources.home, *filter(os.path.exists, (resources.work_folder,))]
    closed = [str(folder) for folder in folders if not os.access(folder, os.W_OK | os.X_OK)]
    if closed:
        return False, f"This worker cannot write into {', '.join(closed)}."
    return True, "This worker can write into its folders."


def _check_ffmpeg(resources: StepResources) -> tuple[bool, str]:
    binary = resources.ffmpeg_binary
    if not os.access(binary.ffmpeg, os.X_OK):
        return False, f"{binary.ffmpeg} is no longer there, or cannot be run."
    return True, f"FFmpeg {binary.version}."


def _check_qdrant(resources: StepResources) -> tuple[bool, str]:
    if resources.qdrant is None:
        return True, "Qdrant is not set up."
    found = examine_projections(resources.database, resources.qdrant)
    # While it is filled, searches are as good as without it.
    return found.state in (HealthState.OK, HealthState.FILLING), found.message


_CHECKS: Mapping[str, Check] = {
    "database": _check_database,
    "redis": _check_redis,
    "disk": _check_disk,
    "folders": _check_folders,
    "ffmpeg": _check_ffmpeg,
}
