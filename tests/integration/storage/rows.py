"""Jobs, claims and clocks for the specifications that work straight on the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, NullPool, create_engine, text

from cinemill.core.job import ClaimedRun, Failure, Job, RunState, Step, StepSpec
from cinemill.jobs.dispatch import CRASH
from cinemill.storage.database import Database
from cinemill.storage.jobs import claims, dispatch, job_queries, new_jobs, runs
from cinemill.storage.jobs.new_jobs import NewJob, NewStep

FAILURE = Failure("command_failed", "ffmpeg ended with 1.", "Retry the job.", "last line")


def make_step(
    name: str = "work",
    *after: str,
    kind: str = "work",
    queue: str = "default",
    weight: float = 1.0,
    max_failures: int = 3,
    max_crashes: int = 3,
) -> NewStep:
    spec = StepSpec(name, kind, after=after)
    return NewStep(spec, queue, weight, max_failures, max_crashes)


CHAIN = (make_step("first"), make_step("second", "first"))
FAN_IN = (
    make_step("a"),
    make_step("b"),
    make_step("c"),
    make_step("join", "a", "b", "c"),
)


def make_job(**changes: Any) -> NewJob:
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "kind": "process_video",
        "owner": "ann",
        "priority": 5,
        "asset_id": None,
        "params": {},
        "idempotency_key": None,
        "request_digest": "digest",
    }
    return NewJob(**{**values, **changes})


def accept(database: Database, steps: Sequence[NewStep] = (make_step(),), **changes: Any) -> Job:
    with database.once() as connection:
        return new_jobs.insert_job(connection, make_job(**changes), steps)[0]


def queued_runs(database: Database, job_id: str) -> dict[str, str]:
    """Run ids by the names of their steps."""
    query = text(
        "SELECT step.name, run.id FROM run JOIN step ON step.id = run.step_id "
        "WHERE run.job_id = :id AND run.state = 'queued'"
    )
    with database.begin() as connection:
        return {row.name: row.id for row in connection.execute(query, {"id": job_id})}


def claim(
    database: Database, run_id: str, *, lease_seconds: float = 60, token: str = ""
) -> ClaimedRun | None:
    with database.once() as connection:
        return claims.claim(
            connection,
            run_id,
            token=token or uuid4().hex,
            worker="host:1",
            lease_seconds=lease_seconds,
        )


def start(database: Database, job: Job, name: str = "work") -> ClaimedRun:
    """Claim the queued run of the job's step of that name."""
    run = claim(database, queued_runs(database, job.id)[name])
    assert run is not None
    return run


def succeed(database: Database, run: ClaimedRun, result: Mapping[str, Any] | None = None) -> None:
    with database.begin() as connection:
        job = runs.lock_job_of_claim(connection, run)
        runs.commit_success(connection, run, job, result or {})


def fail(database: Database, run: ClaimedRun, *, delay_seconds: float = 0) -> None:
    with database.begin() as connection:
        runs.retry_later(connection, run, RunState.FAILED, FAILURE, delay_seconds=delay_seconds)


def mark_dead(database: Database, run: ClaimedRun) -> None:
    with database.begin() as connection:
        runs.mark_dead(connection, run, RunState.FAILED, FAILURE)


def let_lease_run_out(database: Database, run: ClaimedRun) -> None:
    change(database, "UPDATE run SET lease_until = clock_timestamp() WHERE id = :id", id=run.id)


def find_lease(database: Database, run: ClaimedRun) -> dispatch.Lease | None:
    """As the sweeper sees it; None once no worker consumes the run."""
    with database.begin() as connection:
        leases = dispatch.list_leases(connection)
    return next((lease for lease in leases if lease.run_id == run.id), None)


def crash(
    database: Database, run: ClaimedRun, *, optional_kinds: Sequence[str] = ()
) -> RunState | None:
    """Close the run as the sweeper does once it has watched the lease for long enough."""
    lease = find_lease(database, run)
    if lease is None:
        return None
    with database.begin() as connection:
        return dispatch.record_crash(
            connection, lease, CRASH, delay_seconds=0, optional_kinds=optional_kinds
        )


def get_job(database: Database, job: Job) -> Job:
    with database.begin() as connection:
        return job_queries.get_job(connection, job.id)


def get_steps(database: Database, job: Job) -> dict[str, Step]:
    with database.begin() as connection:
        return {step.name: step for step in job_queries.list_steps(connection, job.id)}


def run_states(database: Database, job: Job) -> list[str]:
    """In the order in which they were queued."""
    query = text("SELECT state FROM run WHERE job_id = :id ORDER BY queued_at")
    with database.begin() as connection:
        return list(connection.execute(query, {"id": job.id}).scalars())


def change(database: Database, statement: str, **values: object) -> None:
    with database.begin() as connection:
        connection.execute(text(statement), values)


@contextmanager
def locked(database: Database, statement: str, **values: object) -> Iterator[None]:
    """As a stranger does who leaves a transaction open: what the statement locks stays locked."""
    with connect_as_stranger(database) as stranger:
        stranger.execute(text(statement), values)
        yield
        stranger.rollback()


@contextmanager
def locked_job(database: Database, job: Job) -> Iterator[None]:
    with locked(database, "SELECT 1 FROM job WHERE id = :id FOR UPDATE", id=job.id):
        yield


@contextmanager
def connect_as_stranger(database: Database) -> Iterator[Connection]:
    """A connection without our session's limits."""
    engine = create_engine(database.url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def forget_everything(database: Database) -> None:
    """A DELETE: of the few rows that a test makes it is much quicker than TRUNCATE."""
    change(database, "DELETE FROM asset")
    change(database, "DELETE FROM analyses")
    change(database, "DELETE FROM job")
    change(database, "DELETE FROM hardware_encoder")
    change(database, "DELETE FROM dead_message")
    change(database, "DELETE FROM conversation")
    change(database, "DELETE FROM provider_cost")
    change(database, "DELETE FROM engine_clock")
