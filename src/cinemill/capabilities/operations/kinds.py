"""Kinds of step of operations, and the queues that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR_LIMITS, Queue, StepKind

FORGET_OLD_JOBS = "forget_old_jobs"
REMOVE_GARBAGE = "remove_garbage"
FIND_STUCK_JOBS = "find_stuck_jobs"
COUNT_JOBS = "count_jobs"
CLEAN_OUTPUTS = "clean_shelves"
MEASURE_RESOURCES = "measure_resources"
CHECK_HEALTH = "check_health"
MEASURE_GPUS = "measure_gpus"

QUEUES = (Queue("orchestration", 8, GIB // 2, 25, **HOUR_LIMITS, description="Planning, upkeep"),)
STEPS = (
    StepKind(FORGET_OLD_JOBS, "orchestration"),
    StepKind(REMOVE_GARBAGE, "orchestration"),
    StepKind(FIND_STUCK_JOBS, "orchestration"),
    StepKind(COUNT_JOBS, "orchestration"),
    StepKind(CLEAN_OUTPUTS, "orchestration"),
    StepKind(MEASURE_RESOURCES, "orchestration"),
    StepKind(CHECK_HEALTH, "orchestration"),
    StepKind(MEASURE_GPUS, "orchestration"),
)
