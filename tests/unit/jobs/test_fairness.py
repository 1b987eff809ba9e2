"""Whose turn it is: within the window, by priority, and evenly between users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cinemill.jobs.fairness import CROWD_WINDOW, limit_bursts, round_robin, take_turns
from cinemill.storage.jobs.dispatch import OwnerLoad, ReadyRun

owners = st.sampled_from(["ann", "bob", "cat", "dan"])
priorities = st.integers(0, 10)
windows = st.integers(1, 12)
loads_of_owners = st.lists(
    st.builds(
        OwnerLoad,
        owner=owners,
        priority=priorities,
        published=st.integers(0, 6),
        running=st.integers(0, 6),
    ),
    max_size=8,
    unique_by=lambda load: (load.owner, load.priority),
)


@st.composite
def ready_runs(draw: st.DrawFn) -> list[ReadyRun]:
    """Each owner's own runs come most urgent first, as the query gives them."""
    wanted = draw(st.lists(st.tuples(owners, priorities), max_size=60))
    ordered = sorted(wanted, key=lambda pair: (pair[0], -pair[1]))
    return [make_ready(str(n), owner, level) for n, (owner, level) in enumerate(ordered)]


def make_ready(name: str, owner: str, priority: int = 5) -> ReadyRun:
    return ReadyRun(name, owner, "prepare_source", "proxy", priority)


def make_line(owner: str, count: int, priority: int = 5) -> list[ReadyRun]:
    return [make_ready(f"{owner}-{n}", owner, priority) for n in range(count)]


@given(ready_runs(), loads_of_owners, st.integers(0, 3))
def test_burst_is_limited_and_nothing_else_is_held_back(
    ready: list[ReadyRun], loads: list[OwnerLoad], every: int
) -> None:
    mixed = [replace(run, is_crowd=every > 0 and int(run.id) % every == 0) for run in ready]
    kept = limit_bursts(mixed, loads)
    assert [run for run in mixed if not run.is_crowd] == [run for run in kept if not run.is_crowd]
    assert [run for run in mixed if run in kept] == kept
    for owner in {run.owner for run in ready}:
        running = sum(load.running for load in loads if load.owner == owner)
        crowd = sum(run.is_crowd for run in kept if run.owner == owner)
        assert crowd <= max(CROWD_WINDOW, running)


def test_published_part_of_a_burst_counts_toward_its_limit() -> None:
    crowd = [replace(run, is_crowd=True) for run in make_line("ann", 9)]
    assert len(limit_bursts(crowd, [])) == CROWD_WINDOW
    assert len(limit_bursts(crowd, [OwnerLoad("ann", 5, 3, 0, published_crowd=3)])) == 1
    assert len(limit_bursts(crowd, [OwnerLoad("ann", 5, 3, 8, published_crowd=3)])) == 5


def count_out(chosen: Sequence[ReadyRun], loads: Sequence[OwnerLoad], level: int) -> int:
    """Published and unclaimed at this priority or higher, once these have gone out."""
    published = sum(load.published for load in loads if load.priority >= level)
    return published + sum(run.priority >= level for run in chosen)


@given(ready_runs(), loads_of_owners, windows)
def test_round_robin_fills_no_priority_beyond_the_window(
    ready: list[ReadyRun], loads: list[OwnerLoad], window: int
) -> None:
    chosen = round_robin(ready, loads, window=window)
    for level in {run.priority for run in chosen}:
        assert count_out(chosen, loads, level) <= window


@given(ready_runs(), loads_of_owners, windows)
def test_round_robin_uses_the_whole_window(
    ready: list[ReadyRun], loads: list[OwnerLoad], window: int
) -> None:
    chosen = round_robin(ready, loads, window=window)
    for run in set(ready) - set(chosen):
        assert count_out(chosen, loads, run.priority) >= window


@given(ready_runs(), loads_of_owners, windows)
def test_round_robin_publishes_each_run_once_and_urgent_ones_first(
    ready: list[ReadyRun], loads: list[OwnerLoad], window: int
) -> None:
    chosen = round_robin(ready, loads, window=window)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(ready)
    levels = [run.priority for run in chosen]
    assert levels == sorted(levels, reverse=True)


@given(ready_runs(), loads_of_owners, windows)
def test_round_robin_keeps_the_order_of_each_owner(
    ready: list[ReadyRun], loads: list[OwnerLoad], window: int
) -> None:
    chosen = round_robin(ready, loads, window=window)
    for owner in {run.owner for run in chosen}:
        for level in {run.priority for run in chosen}:
            line = [run for run in ready if (run.owner, run.priority) == (owner, level)]
            taken = [run for run in chosen if (run.owner, run.priority) == (owner, level)]
            assert taken == line[: len(taken)]


@given(
    st.dictionaries(owners, st.integers(1, 30), min_size=1),
    st.dictionaries(owners, st.integers(0, 10)),
    windows,
)
def test_round_robin_serves_owners_with_the_smallest_load_first(
    lines: dict[str, int], running: dict[str, int], window: int
) -> None:
    """Max-min fairness: nobody gets a turn while another who waits holds less."""
    ready = [run for owner, count in lines.items() for run in make_line(owner, count)]
    loads = [OwnerLoad(owner, 5, 0, count) for owner, count in running.items()]
    chosen = round_robin(ready, loads, window=window)
    served = Counter(run.owner for run in chosen)
    held = Counter(running) + served
    for waiting in (owner for owner, count in lines.items() if served[owner] < count):
        assert all(held[owner] <= held[waiting] + 1 for owner in served)


def test_two_users_share_evenly_however_much_each_has_queued() -> None:
    chosen = round_robin(make_line("ann", 10_000) + make_line("bob", 8), [], window=16)
    assert Counter(run.owner for run in chosen) == {"ann": 8, "bob": 8}


def test_round_robin_delays_owners_with_a_larger_load() -> None:
    loads = [OwnerLoad("ann", 5, 2, 4)]
    chosen = round_robin(make_line("ann", 9) + make_line("bob", 9), loads, window=8)
    assert [run.owner for run in chosen] == ["bob"] * 6


def test_round_robin_breaks_ties_by_order_of_arrival() -> None:
    """So the order of ``ready`` breaks ties; the dispatcher shuffles it."""
    chosen = round_robin(make_line("bob", 2) + make_line("ann", 2), [], window=3)
    assert [run.owner for run in chosen] == ["bob", "ann", "bob"]


def test_urgent_run_goes_out_over_a_window_that_others_have_filled() -> None:
    full = [OwnerLoad("ann", 5, 16, 4)]
    urgent = make_ready("now", "ann", priority=10)
    assert round_robin([urgent, *make_line("ann", 50)], full, window=16) == [urgent]


def test_window_that_urgent_runs_have_filled_lets_nothing_lower_out() -> None:
    full = [OwnerLoad("ann", 9, 16, 0)]
    assert round_robin(make_line("bob", 3, priority=5), full, window=16) == []


class FairQueue:
    """Workers that take what was let out first, and end their runs one after the other."""

    def __init__(self, lines: dict[str, list[ReadyRun]], *, window: int, workers: int) -> None:
        self.lines = lines
        self.window = window
        self.workers = workers
        self.published: list[ReadyRun] = []
        self.running: list[ReadyRun] = []
        self.ended: list[str] = []

    def turn(self) -> None:
        """The relay lets out what may go, the oldest run ends, and workers claim."""
        ready = [run for line in self.lines.values() for run in line[: self.window]]
        chosen = round_robin(ready, self._loads(), window=self.window)
        self.published += chosen
        for run in chosen:
            self.lines[run.owner].remove(run)
        if self.running:
            self.ended.append(self.running.pop(0).owner)
        while self.published and len(self.running) < self.workers:
            self.running.append(self.published.pop(0))

    def _loads(self) -> list[OwnerLoad]:
        published = Counter(run.owner for run in self.published)
        running = Counter(run.owner for run in self.running)
        return [OwnerLoad(owner, 5, published[owner], running[owner]) for owner in self.lines]


@given(st.integers(1, 30), st.integers(0, 200), st.integers(1, 16), st.integers(1, 8))
def test_small_queue_does_not_wait_for_all_of_a_large_one(
    small: int, large: int, window: int, workers: int
) -> None:
    lines = {"ann": make_line("ann", large), "bob": make_line("bob", small)}
    fair_queue = FairQueue(lines, window=window, workers=workers)
    while fair_queue.ended.count("bob") < small:
        fair_queue.turn()
    # Ties that always fall to Ann cost Bob every third turn at the worst; lots even that out.
    assert fair_queue.ended.count("ann") <= 2 * small + window + workers


@given(ready_runs(), loads_of_owners, st.integers(0, 3))
def test_turns_keep_every_run_and_the_order_of_each_half(
    ready: list[ReadyRun], loads: list[OwnerLoad], every: int
) -> None:
    mixed = [replace(run, is_crowd=every > 0 and int(run.id) % every == 0) for run in ready]
    ordered = take_turns(mixed, loads)
    assert sorted(run.id for run in ordered) == sorted(run.id for run in mixed)
    for half in (False, True):
        for owner in {run.owner for run in mixed}:
            before = [run for run in mixed if run.owner == owner and run.is_crowd is half]
            after = [run for run in ordered if run.owner == owner and run.is_crowd is half]
            assert after == before


def test_short_job_behind_a_burst_goes_next_and_the_burst_goes_on() -> None:
    burst = [replace(run, is_crowd=True) for run in make_line("ann", 20)]
    short = [make_ready(f"short-{number}", "ann") for number in range(3)]
    ids = [run.id for run in take_turns([*burst, *short], [])]
    assert ids[:6] == ["short-0", "ann-0", "short-1", "ann-1", "short-2", "ann-2"]
    out = [OwnerLoad("ann", 5, 3, 0, published_crowd=0)]
    assert take_turns([*burst, *short], out)[0].id == "ann-0"
