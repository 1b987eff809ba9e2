"""Transitions between the states of a job, and the events that its watchers receive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.jobs.samples import make_job

from cinemill.core.job import (
    FINAL_JOB_STATES,
    JOB_TRANSITIONS,
    Failure,
    JobState,
    Progress,
    RunState,
    StepState,
    may_become,
)

UNFINISHED = set(JobState) - FINAL_JOB_STATES


def test_words_of_a_jobs_life_are_the_contracts() -> None:
    assert [state.value for state in JobState] == [
        "pending",
        "running",
        "completed",
        "failed",
        "cancelled",
    ]


def test_final_job_states_are_completed_failed_and_cancelled() -> None:
    assert {state for state in JobState if state.is_final} == {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
    }


@pytest.mark.parametrize("state", list(JobState))
def test_every_state_says_what_may_follow_and_none_follows_itself(state: JobState) -> None:
    assert state not in JOB_TRANSITIONS[state]


def test_completed_job_stays_completed() -> None:
    assert not any(may_become(JobState.COMPLETED, state) for state in JobState)


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_failed_or_cancelled_job_leaves_its_state_by_a_retry_only(state: JobState) -> None:
    assert {other for other in JobState if may_become(state, other)} == {JobState.PENDING}


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_unfinished_job_may_be_cancelled_or_fail(state: JobState) -> None:
    assert may_become(state, JobState.CANCELLED)
    assert may_become(state, JobState.FAILED)


def test_only_running_work_completes() -> None:
    assert {state for state in JobState if may_become(state, JobState.COMPLETED)} == {
        JobState.RUNNING
    }


def test_failures_crashes_rejections_and_returns_are_four_different_ends() -> None:
    ends = {RunState.FAILED, RunState.CRASHED, RunState.REJECTED, RunState.RETURNED}
    assert len({state.value for state in ends}) == 4
    assert "dead" in {state.value for state in StepState}


def test_failure_goes_to_its_row_and_back() -> None:
    failure = Failure("command_failed", "ffmpeg ended with 1.", "Retry.", "last line")
    assert Failure(**failure.to_json()) == failure


def test_duration_is_known_once_a_job_has_started_and_ended() -> None:
    start = datetime(2024, 2, 29, 12, tzinfo=UTC)
    end = start + timedelta(seconds=90)
    assert make_job(started_at=start, finished_at=end).duration_seconds == 90
    assert make_job(started_at=start).duration_seconds is None
    assert make_job(finished_at=end).duration_seconds is None


def test_watcher_is_told_what_the_contract_names() -> None:
    event = Progress(
        "j1", "work", "running", 12.345, "Encoding the preview copy", stage="prepare"
    ).to_json()
    assert event == {
        "task_id": "j1",
        "status": "running",
        "progress": 12.3,
        "message": "Encoding the preview copy",
        "stage": "prepare",
    }


def test_watcher_is_told_time_left_and_place_only_where_they_are_known() -> None:
    event = Progress("j1", "work", "pending", 0, "", seconds_left=1.26, queue_place=0).to_json()
    assert event["seconds_left"] == 1.3
    assert event["queue_place"] == 0
