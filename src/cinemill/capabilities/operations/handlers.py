"""Handlers of the steps of operations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cinemill.capabilities.operations import health, output_cleanup, retention, watchdog
from cinemill.capabilities.operations.plan import (
    MOST_DAYS,
    CleanupParameters,
    RetentionParameters,
)
from cinemill.capabilities.operations.resources import measure_resources
from cinemill.capabilities.operations.work_folders import remove_abandoned_work
from cinemill.jobs.portions import report_deletions
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources
from cinemill.storage.clock import read_calendar


def forget_old_jobs(resources: StepResources, context: StepContext) -> StepOutcome:
    """Delete jobs that ended long ago. Safe to run twice.

    Result: ``deleted_jobs``; ``more_jobs``, how many are left to the next time; and ``cutoff``: the
    time before which they ended, in UTC.
    """
    days = context.job_parameters(RetentionParameters).days
    kept_days = min(resources.retention_days, MOST_DAYS) if days is None else days
    with resources.database.once() as connection:
        now = datetime.fromtimestamp(read_calendar(connection), UTC)
    cutoff = now - timedelta(days=kept_days)
    note = report_deletions(context, "jobs")
    deleted = retention.delete_old_jobs(resources.database, kept_days, note)
    return StepOutcome(
        {
            "deleted_jobs": deleted,
            "more_jobs": retention.count_old_jobs(resources.database, kept_days),
            "cutoff": cutoff.isoformat(timespec="seconds"),
        }
    )


def remove_garbage(resources: StepResources, context: StepContext) -> StepOutcome:
    """Remove files that no row names, incomplete uploads, and leftovers of killed processes.

    Conversations that were not used for as long as jobs are kept are deleted too.

    Result: ``deleted_files``, ``deleted_uploads``, ``freed_bytes``. Safe to run twice.
    """
    database, days = resources.database, resources.retention_days
    # Also here, because a pool process may start only once in weeks.
    remove_abandoned_work(database, resources.work_folder)
    retention.forget_dead_messages(database, days)
    retention.delete_cached_pieces(database, days, report_deletions(context, "cached pieces"))
    retention.delete_unused_conversations(
        database, days, report_deletions(context, "conversations")
    )
    retention.delete_abandoned_findings(database, report_deletions(context, "incomplete findings"))
    retention.count_ended_work(database)
    retention.give_up_stale_projections(database)
    return StepOutcome(retention.collect_garbage(database, resources.files))


def find_stuck_jobs(resources: StepResources, _context: StepContext) -> StepOutcome:
    """Log jobs that take too long.

    Result: ``stuck_jobs``, the ids of the oldest, and ``more_stuck_jobs``, how many more there are.
    """
    stuck = watchdog.log_stuck_jobs(resources.database, resources.stuck_hours)
    return StepOutcome({"stuck_jobs": list(stuck.ids), "more_stuck_jobs": stuck.more})


def count_jobs(resources: StepResources, _context: StepContext) -> StepOutcome:
    """Count jobs by status, type and queue.

    Result: that of ``JobService.get_queue_stats``.
    """
    return StepOutcome(resources.service.get_queue_stats())


def clean_outputs(resources: StepResources, context: StepContext) -> StepOutcome:
    """Remove named outputs that are too old or too many.

    Result: ``deleted_files`` and ``freed_bytes``; bytes that the store still holds are not freed.
    """
    params = context.parameters(CleanupParameters)
    return StepOutcome(
        output_cleanup.remove_outputs(
            [resources.render_dir, resources.preview_dir],
            now=retention.measure_age_from(resources.database),
            max_age_days=params.max_age_days,
            max_size_gb=params.max_size_gb,
        )
    )


def publish_measurements(resources: StepResources, _context: StepContext) -> StepOutcome:
    """Measure this machine and publish the result.

    Result: that of ``measure_resources``.
    """
    measured = measure_resources(resources.home)
    resources.events.publish_resources(measured)
    return StepOutcome(measured)


def check_health(resources: StepResources, _context: StepContext) -> StepOutcome:
    """Check what work depends on, from this worker; log what is not well.

    Result: ``healthy``, and ``checks`` by name, each with ``healthy`` and a ``message``.
    """
    return StepOutcome(health.check_all(resources))


def measure_gpus(resources: StepResources, _context: StepContext) -> StepOutcome:
    """Measure the GPUs of this worker's machine, and publish them with its other resources.

    Result: ``available`` and ``gpus``, as in ``measure_resources``; none without a GPU or driver.
    """
    measured = measure_resources(resources.home)
    resources.events.publish_resources(measured)
    return StepOutcome(measured["gpu"])
