"""What follows a refused message is found by its ids, whatever else the message holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.jobs.adoption.abandoned import LONGEST_ID, MOST_ABANDONED, find_abandoned

KINDS = ("process_video", "get_queue_stats")


def sign(task: str, task_id: object = None, **options: Any) -> dict[str, Any]:
    return {"task": task, "kwargs": {}, "options": {"task_id": task_id, **options}}


def gather(task: str, **members: Any) -> dict[str, Any]:
    return {"task": task, "kwargs": members, "options": {}}


def test_jobs_of_a_nested_canvas_are_found_by_id() -> None:
    inner = gather("celery.group", tasks=[sign("process_video", "b"), sign("theirs", "c")])
    body = sign("get_queue_stats", "a", link=[sign("get_queue_stats_task", "d")])
    chord = gather("celery.chord", header=[inner], body=sign("get_queue_stats", "e"))
    found = find_abandoned({"chord": body, "chain": [chord], "link_error": None}, KINDS)
    assert found == {
        "a": "get_queue_stats",
        "d": "get_queue_stats",
        "b": "process_video",
        "e": "get_queue_stats",
    }


def test_arguments_that_look_like_signatures_are_none() -> None:
    call = {**sign("process_video", "a"), "kwargs": {"tasks": [sign("process_video", "b")]}}
    assert find_abandoned({"link": [call]}, KINDS) == {"a": "process_video"}


@pytest.mark.parametrize("task_id", [None, "", 5, ["a"], "a" * (LONGEST_ID + 1), "é", "a\x00"])
def test_what_is_no_id_is_passed_over(task_id: object) -> None:
    assert find_abandoned({"link": [sign("process_video", task_id)]}, KINDS) == {}


def test_end_of_a_long_chain_is_among_those_that_are_kept() -> None:
    # Celery keeps what follows in reverse order.
    chain = [sign("process_video", f"id-{number}") for number in reversed(range(1000))]
    found = find_abandoned({"chain": chain}, KINDS)
    assert len(found) == MOST_ABANDONED
    assert "id-999" in found


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["task", "options", "kwargs", "tasks", "chain", "link"]), inner
            )
        ),
    )
)
def test_anything_may_follow(value: Any) -> None:
    assert find_abandoned({"chain": value, "chord": value, "link": value}, KINDS) == {}
