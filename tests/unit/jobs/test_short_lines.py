"""Choosing from the first runs of each owner: as fair as from all, or it is seen that it is not."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.jobs.test_fairness import make_line

from cinemill.jobs.fairness import count_room, is_fair, round_robin, take_first
from cinemill.storage.jobs.dispatch import OwnerLoad

owners = st.sampled_from(["ann", "bob", "cat", "dan", "eve"])
lines_of_owners = st.dictionaries(owners, st.integers(1, 30), min_size=1)


@given(lines_of_owners, st.dictionaries(owners, st.integers(0, 10)), st.integers(1, 20), st.data())
def test_what_counts_as_fair_is_fair_to_all_that_waits(
    lines: dict[str, int], running: dict[str, int], window: int, data: st.DataObject
) -> None:
    per_owner = data.draw(st.integers(1, window))
    ready = [run for owner, count in lines.items() for run in make_line(owner, count)]
    loads = [OwnerLoad(owner, 5, 0, count) for owner, count in running.items()]
    first = take_first(ready, per_owner)
    chosen = round_robin(first, loads, window=window)
    room = count_room(loads, 5, window=window)
    if not is_fair(chosen, first, loads, room=room, per_owner=per_owner):
        assert per_owner < room
        return
    held = Counter(running) + Counter(run.owner for run in chosen)
    served = Counter(run.owner for run in chosen)
    waiting = [owner for owner, count in lines.items() if served[owner] < count]
    assert len(chosen) == min(window, len(ready))
    assert all(held[one] <= held[other] + 1 for one in served for other in waiting)


@given(lines_of_owners, st.integers(1, 20))
def test_lines_as_long_as_the_window_always_suffice(lines: dict[str, int], window: int) -> None:
    ready = [run for owner, count in lines.items() for run in make_line(owner, count)]
    first = take_first(ready, window)
    assert round_robin(first, [], window=window) == round_robin(ready, [], window=window)


def test_one_run_of_each_suffices_where_many_wait() -> None:
    ready = [run for number in range(50) for run in make_line(f"owner-{number}", 1)]
    chosen = round_robin(ready, [], window=8)
    assert is_fair(chosen, ready, [], room=8, per_owner=1)


def test_line_that_was_used_up_may_go_on() -> None:
    ready = make_line("ann", 1) + make_line("bob", 1)
    chosen = round_robin(ready, [], window=8)
    assert not is_fair(chosen, ready, [], room=8, per_owner=1)
