"""When beat does what. All of it is safe to run twice, so two beats harm nothing."""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab

QUARTER_HOUR_SECONDS = 15 * 60.0


def plan_schedule() -> dict[str, dict[str, Any]]:
    """Celery's beat schedule; times are UTC."""
    return {
        "cleanup_old_jobs": _entry("cleanup_old_jobs", crontab(hour="2", minute="0")),
        "check_stuck_jobs": _entry("check_stuck_jobs", crontab(minute="*/15")),
        "collect_garbage": _entry("collect_garbage", crontab(minute="40")),
    }


def _entry(task: str, schedule: Any) -> dict[str, Any]:
    # Expires: a beat that was away must not flood the queue with what is long past.
    return {
        "task": task,
        "schedule": schedule,
        "options": {"queue": "orchestration", "expires": QUARTER_HOUR_SECONDS},
    }
