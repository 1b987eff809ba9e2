"""Any order of what people, workers, crashes and the sweeper do leaves the rows true.

A state machine walks at random over a real PostgreSQL; after every step the rows are asked whether
what the engine promises still holds, and in the end every job must come to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from tests.integration.storage import rows
from tests.integration.storage.rows import CHAIN, FAILURE, FAN_IN, make_step

from cinemill.core.job import FINAL_JOB_STATES, ClaimedRun, Job, JobState, RunState
from cinemill.errors import Conflict, LeaseLost, Postponed
from cinemill.storage.database import Database
from cinemill.storage.jobs import claims, dispatch, dynamic_steps, recovery, runs
from cinemill.storage.jobs.job_clock.readings import note_progress

PLANS = {
    "one": (make_step(max_failures=2, max_crashes=2),),
    "chain": CHAIN,
    "two": (make_step("a", max_failures=1), make_step("b", max_crashes=1)),
    "fan-in": FAN_IN,
}
FINAL = tuple(sorted(FINAL_JOB_STATES))

# Each query finds rows that must not be. ``live`` runs are queued or running.
BROKEN = {
    "a step has more than one live run": """
        SELECT step_id FROM run WHERE state IN ('queued', 'running')
        GROUP BY step_id HAVING count(*) > 1""",
    "a step says queued or running and has no such run": """
        SELECT step.id FROM step JOIN job ON job.id = job_id
        WHERE step.state IN ('queued', 'running') AND job.state IN ('pending', 'running')
          AND NOT EXISTS (SELECT FROM run WHERE step_id = step.id AND run.state = step.state)""",
    "a run is live and its step says otherwise": """
        SELECT run.id FROM run JOIN step ON step.id = step_id
        WHERE run.state IN ('queued', 'running') AND step.state <> run.state""",
    "an ended job has a run in the queue": """
        SELECT run.id FROM run JOIN job ON job.id = job_id
        WHERE run.state = 'queued' AND job.state NOT IN ('pending', 'running')""",
    "a job waits for nothing": """
        SELECT id FROM job WHERE state IN ('pending', 'running') AND cancel_requested_at IS NULL
          AND NOT EXISTS (SELECT FROM run
                          WHERE job_id = job.id AND run.state IN ('queued', 'running'))""",
    "attempts are not the runs that were claimed": """
        SELECT id FROM step WHERE attempts <>
          (SELECT count(*) FROM run WHERE step_id = step.id AND token IS NOT NULL)""",
    "a completed job has a step that did not succeed, or another has none left": """
        SELECT id FROM job WHERE (state = 'completed') =
          EXISTS (SELECT FROM step WHERE job_id = job.id AND step.state <> 'succeeded')""",
    "a failed job has no dead step": """
        SELECT id FROM job WHERE state = 'failed'
          AND NOT EXISTS (SELECT FROM step WHERE job_id = job.id AND step.state = 'dead')""",
    "an unfinished job has a dead step": """
        SELECT job.id FROM job JOIN step ON job_id = job.id
        WHERE step.state = 'dead' AND job.state IN ('pending', 'running', 'completed')""",
    "a cancelled job still works": """
        SELECT job.id FROM job JOIN step ON job_id = job.id
        WHERE job.state = 'cancelled' AND step.state IN ('queued', 'running', 'waiting')""",
    "open dependencies are counted wrongly": """
        SELECT id FROM step WHERE deps_remaining <>
          (SELECT count(*) FROM step_dependency JOIN step AS parent ON parent.id = depends_on
           WHERE step_id = step.id AND parent.state <> 'succeeded')""",
    "a step began before those that it comes after were done": """
        SELECT id FROM step
        WHERE deps_remaining > 0 AND state IN ('queued', 'running', 'succeeded')""",
    "more tries than the limits allow": """
        SELECT id FROM step WHERE failures > max_failures OR crashes > max_crashes""",
    "a step at its limit is not dead": """
        SELECT step.id FROM step JOIN job ON job.id = job_id
        WHERE (failures >= max_failures OR crashes >= max_crashes)
          AND step.state NOT IN ('dead', 'cancelled')
          AND job.state <> 'cancelled' AND job.cancel_requested_at IS NULL""",
    "an end without its time, or a time without an end": """
        SELECT id FROM job WHERE (finished_at IS NULL) <> (state IN ('pending', 'running'))""",
    "a failed job does not say why": """
        SELECT id FROM job WHERE (state = 'failed') <> (failure IS NOT NULL)""",
}

FIND_BROKEN = text(
    " UNION ALL ".join(f"SELECT '{what}', * FROM ({query}) AS b" for what, query in BROKEN.items())
)


class Engine(RuleBasedStateMachine):
    """``held`` are tries whose worker lives, ``silent`` those whose lease is over and that nobody
    has closed, ``lost`` those that were closed as crashed."""

    database: Database
    accepted = Bundle("accepted")
    held = Bundle("held")
    silent = Bundle("silent")
    lost = Bundle("lost")

    def __init__(self) -> None:
        super().__init__()
        self.final: dict[str, JobState] = {}
        self.working: dict[str, ClaimedRun] = {}
        self.shown: dict[str, float] = {}

    @initialize()
    def begin(self) -> None:
        rows.forget_everything(self.database)

    @rule(target=accepted, plan=st.sampled_from(sorted(PLANS)), priority=st.integers(0, 10))
    def submit(self, plan: str, priority: int) -> Job:
        job = rows.accept(self.database, PLANS[plan], priority=priority)
        assert job.state is JobState.PENDING
        return job

    @rule(target=held, number=st.integers(0, 50))
    def claim(self, number: int) -> object:
        queued = self._queued()
        if not queued:
            return multiple()
        return self._claim(queued[number % len(queued)])

    @rule(target=held)
    def claim_all(self) -> object:
        return multiple(*map(self._claim, self._queued()))

    @rule(run=consumes(held))
    def succeed(self, run: ClaimedRun) -> None:
        del self.working[run.id]
        rows.succeed(self.database, run, {"by": run.token})

    @rule(run=consumes(held), count=st.integers(1, 3))
    def grow(self, run: ClaimedRun, count: int) -> None:
        """The step ends with more steps in its place."""
        del self.working[run.id]
        steps = [make_step(f"{run.token}-{number}", weight=20.0) for number in range(count)]
        with self.database.begin() as connection:
            job = runs.lock_job_of_claim(connection, run)
            dynamic_steps.add_steps(connection, run, steps)
            runs.commit_success(connection, run, job, {})

    @rule(run=consumes(held))
    def wait(self, run: ClaimedRun) -> None:
        """What the step waits for is not there yet."""
        del self.working[run.id]
        not_yet = replace(FAILURE, code=Postponed.code)
        with self.database.begin() as connection:
            runs.retry_later(connection, run, RunState.RETURNED, not_yet, delay_seconds=0)

    @rule(run=consumes(held))
    def fail(self, run: ClaimedRun) -> None:
        """As the runner does: bury at the limit, else queue again."""
        del self.working[run.id]
        with self.database.begin() as connection:
            tries = runs.get_step_attempts(connection, run.step_id)
        if tries.failures + 1 >= tries.max_failures:
            rows.mark_dead(self.database, run)
        else:
            rows.fail(self.database, run)

    @rule(run=consumes(held))
    def reject(self, run: ClaimedRun) -> None:
        del self.working[run.id]
        with self.database.begin() as connection:
            runs.mark_dead(connection, run, RunState.REJECTED, FAILURE)

    @rule(run=consumes(held))
    def hand_back(self, run: ClaimedRun) -> None:
        del self.working[run.id]
        with self.database.begin() as connection:
            runs.retry_later(connection, run, RunState.RETURNED, FAILURE, delay_seconds=0)

    @rule(target=held, run=consumes(held), fraction=st.floats(0, 1))
    def look_and_obey(self, run: ClaimedRun, fraction: float) -> object:
        """A worker that learns that its job is cancelled or failed stops."""
        with self.database.begin() as connection:
            assert claims.renew_lease(connection, run, lease_seconds=60)
            reason = note_progress(connection, run, fraction=fraction, message="Working")
        if not isinstance(reason, str):
            return run
        del self.working[run.id]
        with self.database.begin() as connection:
            runs.confirm_cancel(connection, run)
        return multiple()

    @rule(target=silent, run=consumes(held))
    def fall_silent(self, run: ClaimedRun) -> ClaimedRun:
        rows.let_lease_run_out(self.database, run)
        return run

    @rule(target=held, run=consumes(silent))
    def come_back_in_time(self, run: ClaimedRun) -> ClaimedRun:
        """Nobody has closed the run: its worker may renew its lease and work on."""
        with self.database.begin() as connection:
            assert claims.renew_lease(connection, run, lease_seconds=60)
        return run

    @rule(target=lost, run=consumes(silent))
    def crash(self, run: ClaimedRun) -> ClaimedRun:
        del self.working[run.id]
        assert rows.crash(self.database, run) is RunState.CRASHED
        return run

    @rule(run=lost)
    def come_back_too_late(self, run: ClaimedRun) -> None:
        """A frozen process that wakes up after its run was closed changes nothing."""
        for end in (rows.succeed, rows.fail, rows.mark_dead):
            with pytest.raises(LeaseLost):
                end(self.database, run)
        with self.database.begin() as connection:
            assert not claims.renew_lease(connection, run, lease_seconds=60)

    @rule()
    def sweep(self) -> None:
        with self.database.begin() as connection:
            cancelling, _ = dispatch.list_cancelling(connection)
        for job_id in cancelling:
            with self.database.begin() as connection:
                runs.finish_cancel(connection, job_id)

    @rule(job=accepted)
    def cancel(self, job: Job) -> None:
        if job.id in self.final:
            with pytest.raises(Conflict):
                self._cancel(job)
        else:
            self._cancel(job)

    @rule(job=accepted)
    def retry(self, job: Job) -> None:
        if self.final.get(job.id) in (JobState.FAILED, JobState.CANCELLED):
            del self.final[job.id]
            with self.database.begin() as connection:
                assert recovery.retry(connection, job.id).state is JobState.PENDING
        else:
            with pytest.raises(Conflict), self.database.begin() as connection:
                recovery.retry(connection, job.id)

    @invariant()
    def nothing_is_broken(self) -> None:
        with self.database.begin() as connection:
            assert connection.execute(FIND_BROKEN).all() == []

    @invariant()
    def progress_never_falls(self) -> None:
        """Whatever is retried, crashes, is handed back or planned on the way."""
        with self.database.begin() as connection:
            found = connection.execute(text("SELECT id, progress FROM job")).all()
        for job_id, progress in found:
            assert self.shown.get(job_id, 0.0) <= progress <= 100
        self.shown = {row.id: row.progress for row in found}

    @invariant()
    def an_ended_job_stays_as_it_ended(self) -> None:
        states = self._states()
        for job_id, state in self.final.items():
            assert states[job_id] is state
        self.final = {job_id: state for job_id, state in states.items() if state.is_final}

    def teardown(self) -> None:
        """With working workers and nobody interfering, every job comes to its end."""
        for run in self.working.values():
            rows.crash(self.database, run)
        self.sweep()
        for _ in range(100):
            queued = self._queued()
            if not queued:
                break
            for run_id in queued:
                claimed = rows.claim(self.database, run_id)
                if claimed is not None:
                    rows.succeed(self.database, claimed)
        self.sweep()
        self.nothing_is_broken()
        assert {state for state in self._states().values() if not state.is_final} == set()

    def _claim(self, run_id: str) -> ClaimedRun:
        run = rows.claim(self.database, run_id)
        assert run is not None
        assert rows.claim(self.database, run_id) is None
        self.working[run.id] = run
        return run

    def _cancel(self, job: Job) -> None:
        with self.database.begin() as connection:
            recovery.request_cancel(connection, job.id, "changed my mind")

    def _queued(self) -> list[str]:
        query = text(
            "SELECT run.id FROM run JOIN job ON job.id = job_id WHERE run.state = 'queued'"
            " AND job.cancel_requested_at IS NULL ORDER BY run.queued_at, run.id"
        )
        with self.database.begin() as connection:
            return list(connection.execute(query).scalars())

    def _states(self) -> dict[str, JobState]:
        with self.database.begin() as connection:
            found = connection.execute(text("SELECT id, state FROM job"))
            return {row.id: JobState(row.state) for row in found}


@pytest.fixture
def engine(database: Database) -> Iterator[type[Engine]]:
    Engine.database = database
    yield Engine
    del Engine.database


def test_rows_stay_true_whatever_happens_in_whatever_order(engine: type[Engine]) -> None:
    run_state_machine_as_test(
        engine,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            # Without shrinking: a failure prints the walk, and minutes are not worth a shorter one.
            phases=[Phase.explicit, Phase.generate],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
