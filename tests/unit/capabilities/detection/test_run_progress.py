"""The progress of a run: it never falls, and estimates from work that was really done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.detection.runs.progress import RunProgress, RunState


class Clock:
    def __init__(self) -> None:
        self.seconds = 60.0

    def __call__(self) -> float:
        return self.seconds


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 9))))
def test_progress_never_falls_whatever_is_reported(reports: list[tuple[str, int, int]]) -> None:
    states: list[RunState] = []
    progress = RunProgress(states.append, clock=Clock())
    progress.plan({"a": 1, "b": 3})
    for stage, done, total in reports:
        progress.enter(stage, "Beginning")
        progress.report(done, total, "Working")
    progress.finish("Done")
    shares = [state.share for state in states]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert shares[-1] == 1


def test_time_left_does_not_count_what_an_earlier_run_did() -> None:
    states: list[RunState] = []
    clock = Clock()
    progress = RunProgress(states.append, clock=clock)
    progress.plan({"work": 1})
    progress.enter("work", "Beginning")
    progress.report(50, 100, "Found", is_reused=True)
    clock.seconds += 10
    progress.report(60, 100, "Done")
    assert states[-1].remaining_seconds is not None
    assert round(states[-1].remaining_seconds) == 40
    progress.finish("Done")
    assert states[-1].remaining_seconds == 0
