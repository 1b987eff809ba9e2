"""Rows of jobs and steps: the columns that lists read, and the values made of them."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import RowMapping

from cinemill.core.documents import quote
from cinemill.core.job import FORMER_HINT, Failure, Job, JobState, Step, StepState
from cinemill.errors import LONGEST_MESSAGE

LARGEST_LISTED_BYTES = 16 * 1024
"""Of a document in a list, as text."""
LARGEST_STORED_BYTES = 16 * 1024
"""The same as it is stored, which is known without reading it; mostly it is compressed."""


def listed_columns() -> str:
    """Return the SQL of the columns that :func:`read_job` reads, for many rows at once.

    Documents that are too large are left out and named in ``clipped``, long texts are cut, and
    times that no calendar has are missing.
    """
    columns = ("id", "kind", "owner", "state", "priority", "asset_id", "progress", "stage")
    texts = ("message", "cancel_reason", "worker", "filename")
    times = ("cancel_requested_at", "started_at", "finished_at")
    return ", ".join(
        (
            *(f"job.{name}" for name in columns),
            *(f"left(job.{name}, {LONGEST_MESSAGE}) AS {name}" for name in texts),
            *(f"{_readable(f'job.{name}')} AS {name}" for name in times),
            f"{readable_time('job.queued_at')} AS queued_at",
            f"{seconds_left()} AS seconds_left",
            *(
                f"CASE WHEN {_is_large(f'job.{name}')} THEN '{{}}' ELSE job.{name} END AS {name}"
                for name in _DOCUMENTS
            ),
            f"{listed_failure('job.')} AS failure",
            "array_remove(ARRAY["
            + ", ".join(f"CASE WHEN {_is_large(f'job.{n}')} THEN '{n}' END" for n in _DOCUMENTS)
            + "], NULL) AS clipped",
        )
    )


_DOCUMENTS = ("params", "result")


def _is_large(column: str) -> str:
    """Return the SQL of a size check.

    It is evaluated in this order so that huge values are not even read.
    """
    return (
        f"CASE WHEN pg_column_size({column}) > {LARGEST_STORED_BYTES} THEN true "
        f"ELSE coalesce(octet_length({column}::text), 0) > {LARGEST_LISTED_BYTES} END"
    )


def listed_failure(table: str = "") -> str:
    column = f"{table}failure"
    members = ", ".join(
        f"'{name}', left({column} ->> '{name}', {LONGEST_MESSAGE})"
        for name in ("code", "message", "hint", FORMER_HINT)
    )
    members += f", 'log_tail', right({column} ->> 'log_tail', {LONGEST_MESSAGE})"
    return f"CASE WHEN {_is_large(column)} THEN jsonb_build_object({members}) ELSE {column} END"


def _readable(column: str) -> str:
    """PostgreSQL knows times without end and beyond the year 9999, Python none of them."""
    return f"CASE WHEN {column} < '9999-01-01' AND {column} > '0002-01-01' THEN {column} END"


def seconds_left() -> str:
    """Return the SQL of the time until the job is expected to end.

    By the clock that it was written by: that of another machine may differ by more than the time.
    """
    end = _readable("job.expected_end")
    return f"extract(epoch FROM {end} - clock_timestamp())::float8"


def readable_time(column: str) -> str:
    """Of one that is always there."""
    return f"coalesce({_readable(column)}, to_timestamp(0))"


def read_job(row: RowMapping) -> Job:
    """Return the job in a row; never raises for what the row holds.

    A row that another version or a person wrote must not keep a list or a loop from all the others.
    """
    params, result = row["params"], row["result"]
    is_known = row["state"] in _JOB_STATES
    unreadable = (
        *(["params"] if not isinstance(params, dict) else []),
        *(["result"] if not isinstance(result, dict | None) else []),
    )
    return Job(
        id=row["id"],
        kind=row["kind"],
        owner=row["owner"],
        state=JobState(row["state"]) if is_known else JobState.FAILED,
        priority=row["priority"],
        asset_id=row["asset_id"],
        params=params if isinstance(params, dict) else {},
        progress=_read_percent(row["progress"]),
        stage=row["stage"],
        message=row["message"],
        result=result if isinstance(result, dict | None) else {},
        failure=read_failure(row["failure"]) if is_known else _unknown_state(row["state"]),
        cancel_reason=row["cancel_reason"],
        cancel_requested=row["cancel_requested_at"] is not None,
        celery_task_id=row["id"],
        worker=row["worker"],
        queued_at=row["queued_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        clipped=(*unreadable, *(row.get("clipped") or ())),
        filename=row["filename"],
        seconds_left=row.get("seconds_left"),
    )


_JOB_STATES = frozenset(state.value for state in JobState)
_STEP_STATES = frozenset(state.value for state in StepState)


def _read_percent(value: float) -> float:
    """NaN is a number to PostgreSQL, and none to JSON."""
    return min(100.0, max(0.0, value)) if math.isfinite(value) else 0.0


def _unknown_state(state: str) -> Failure:
    return Failure(
        code="state_unknown",
        message=f"This job is in a state that this version does not know: {quote(state)}.",
        hint="Another version of Cinemill wrote it; use that version to view the job.",
    )


def read_step(row: RowMapping) -> Step:
    return Step(
        id=row["id"],
        job_id=row["job_id"],
        name=row["name"],
        kind=row["kind"],
        queue=row["queue"],
        state=StepState(row["state"]) if row["state"] in _STEP_STATES else StepState.DEAD,
        failures=row["failures"],
        crashes=row["crashes"],
        attempts=row["attempts"],
        result=row["result"],
        failure=read_failure(row["failure"]),
        peak_memory_bytes=row["peak_memory_bytes"],
    )


def read_failure(document: Any) -> Failure | None:
    """Return what can be read of a failure, no matter what wrote it; None where there is none."""
    if document is None:
        return None
    known = document if isinstance(document, dict) else {}
    texts = {name: one for name, one in known.items() if isinstance(one, str)}
    return Failure(
        code=texts.get("code", "failure_unknown"),
        message=texts.get("message", "The reason is unknown."),
        hint=texts.get("hint") or texts.get(FORMER_HINT, ""),
        log_tail=texts.get("log_tail", ""),
        retryable=known.get("retryable") is not False,
    )
