"""Why something ended badly, in words that a row can hold and a person can use."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.jobs.samples import make_job

from cinemill.core.job import Failure, JobState
from cinemill.errors import CommandFailed, DiskFull, MediaRejected
from cinemill.jobs.job_document import describe_change
from cinemill.jobs.runs.failures import describe_failure

# Whatever Python can hold, undecodable bytes of a file's name among it.
anything = st.text(st.characters(), max_size=40) | st.just("film\x00\udcff.mp4")


def test_failure_of_cinemill_error_keeps_code_message_and_hint() -> None:
    failure = describe_failure(DiskFull("The disk is full."))
    assert (failure.code, failure.message) == ("disk_full", "The disk is full.")
    assert "CINEMILL_HOME" in failure.hint


def test_failure_includes_the_last_lines_of_the_command() -> None:
    error = CommandFailed("ffmpeg ended with 1.", exit_code=1, log_tail="moov atom not found")
    assert describe_failure(error).log_tail == "moov atom not found"


def test_failure_of_rejection_has_its_own_code() -> None:
    error = MediaRejected("The file is truncated: its end is missing.", code="media_truncated")
    assert describe_failure(error).code == "media_truncated"


def test_work_can_be_tried_again_and_a_rejected_film_cannot() -> None:
    assert describe_failure(DiskFull("The disk is full.")).to_json()["retryable"] is True
    assert describe_failure(RuntimeError("Nobody knows.")).to_json()["retryable"] is True
    rejected = MediaRejected("The file is truncated: its end is missing.", code="media_truncated")
    assert describe_failure(rejected).to_json()["retryable"] is False


def test_failure_without_recorded_retryability_is_retryable() -> None:
    assert Failure(code="x", message="", hint="", log_tail="").retryable


def test_failure_of_unexpected_error_includes_the_end_of_its_traceback() -> None:
    try:
        json.loads("{")
    except ValueError as error:
        failure = describe_failure(error)
    assert failure.code == "internal_error"
    assert "JSONDecodeError" in failure.message
    assert "json.loads" in failure.log_tail


@given(anything, anything)
def test_failure_of_any_error_can_be_stored(message: str, tail: str) -> None:
    """PostgreSQL takes neither NUL nor half of a surrogate pair."""
    ours = CommandFailed(message, exit_code=1, log_tail=tail)
    for failure in (describe_failure(ours), describe_failure(RuntimeError(message))):
        for text in (failure.code, failure.message, failure.hint, failure.log_tail):
            assert "\x00" not in text
            text.encode()


@pytest.mark.parametrize(
    ("state", "progress", "message"),
    [
        (JobState.COMPLETED, 100.0, "Done"),
        (JobState.CANCELLED, 40.0, "Done"),
        (JobState.FAILED, 40.0, "It broke."),
    ],
)
def test_last_event_of_a_job_says_how_it_ended(
    state: JobState, progress: float, message: str
) -> None:
    failure = Failure("work_failed", "It broke.") if state is JobState.FAILED else None
    end = describe_change(make_job(state=state, progress=40.0, message="Done", failure=failure))
    assert (end.status, end.progress, end.message) == (state.value, progress, message)
    assert end.seconds_left == 0
