"""The schedule of beat. All of its jobs are safe to run twice, so two beats do no harm.

``monitor_gpu_usage`` and ``monitor_resources`` are not in it: the relay measures its machine, and
each worker its GPUs, every ten seconds without a job.
"""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab


def plan_schedule() -> dict[str, dict[str, Any]]:
    """Return Celery's beat schedule, in UTC. Each entry becomes a job, like any message."""
    return {
        "cleanup_old_jobs": _entry("cleanup_old_jobs", crontab(hour="2", minute="0")),
        "check_stuck_jobs": _entry("check_stuck_jobs", crontab(minute="*/15")),
        "collect_garbage": _entry("collect_garbage", crontab(minute="40")),
        "cleanup_expired_results": _entry("cleanup_expired_results", crontab(minute="50")),
        "health_check": _entry("health_check", crontab(minute="5-59/15")),
    }


def plan_projection() -> dict[str, dict[str, Any]]:
    """Return what is added to the schedule where vectors are projected to Qdrant."""
    return {"project_embeddings": _entry("project_embeddings", crontab(minute="3-59/10"))}


def _entry(task: str, schedule: Any) -> dict[str, Any]:
    return {"task": task, "schedule": schedule}
