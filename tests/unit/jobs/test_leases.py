"""When a lease has run out: whatever the database's clock says, and however long it was away."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.jobs.leases import IMPATIENT, LeaseObserver, lease_timeouts
from cinemill.storage.jobs.dispatch import Lease

LEASE_SECONDS, BEAT_SECONDS, SWEEP_SECONDS = 20.0, 5.0, 2.0
STEP_SECONDS = 0.5
REACTION_SECONDS = 3.0
"""Until an owner whose renewal failed has tried again, at the latest."""
PATIENCE = lease_timeouts(LEASE_SECONDS, BEAT_SECONDS)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def lease(seconds: float, *, is_over: bool, token: str = "t") -> Lease:
    return Lease("run", token, EPOCH + timedelta(seconds=seconds), is_over, "job")


@dataclass
class World:
    """A database's clock that can be set, one worker that renews, and the sweeper."""

    observer: LeaseObserver = field(default_factory=lambda: LeaseObserver(PATIENCE))
    now: float = 0.0
    clock: float = 1000.0
    """The database's, in seconds after ``EPOCH``."""
    until: float = 1000.0 + LEASE_SECONDS
    renewal_due: float = BEAT_SECONDS
    look_due: float = 0.0
    look_every: float = SWEEP_SECONDS
    is_alive: bool = True
    expired_at: float | None = None

    def pass_time(self, seconds: float) -> None:
        """With PostgreSQL there: the sweeper looks, the owner renews in time."""
        end = self.now + seconds
        while self.now < end:
            if self.now >= self.look_due:
                self.look()
            if self.is_alive and self.now >= self.renewal_due:
                self.until, self.renewal_due = self.clock + LEASE_SECONDS, self.now + BEAT_SECONDS
            self.now += STEP_SECONDS
            self.clock += STEP_SECONDS

    def pause(self, seconds: float) -> None:
        """PostgreSQL stands still: nobody looks, and nobody renews until it is tried again."""
        self.now += seconds
        self.clock += seconds
        self.renewal_due = max(self.renewal_due, self.now + REACTION_SECONDS)

    def look(self) -> None:
        self.look_due = self.now + self.look_every
        seen = lease(self.until, is_over=self.until <= self.clock)
        if self.observer.observe([seen], self.now) and self.expired_at is None:
            self.expired_at = self.now


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(4, 60)),
        st.tuples(st.just("pause"), st.floats(0, 300)),
        st.tuples(st.just("set clock"), st.floats(-1e6, 1e6)),
    ),
    max_size=12,
)


def play(world: World, actions: list[tuple[str, float]]) -> None:
    for name, figure in actions:
        if name == "pass":
            world.pass_time(figure)
        elif name == "pause":
            world.pause(figure)
        else:
            world.clock += figure


@given(ACTIONS)
def test_renewed_lease_never_expires(actions: list[tuple[str, float]]) -> None:
    world = World()
    play(world, actions)
    world.pass_time(3 * LEASE_SECONDS)
    assert world.expired_at is None


@pytest.mark.parametrize("step", [30.0, 120.0, 7200.0, -600.0])
def test_owner_that_misses_two_renewals_is_no_crash_because_the_clock_was_set(step: float) -> None:
    """The lease is longer than that, whatever the database's clock shows."""
    world = World()
    world.pass_time(2 * LEASE_SECONDS)
    world.clock += step
    world.renewal_due += 2 * BEAT_SECONDS
    world.pass_time(3 * LEASE_SECONDS)
    assert world.expired_at is None


@given(ACTIONS)
def test_dead_worker_is_found_within_a_lease_and_two_sweeps(
    actions: list[tuple[str, float]],
) -> None:
    """Whatever was before: of PostgreSQL, the clock, and the sweeper."""
    world = World()
    play(world, actions)
    world.pass_time(SWEEP_SECONDS)  # the sweeper has looked
    world.is_alive, died_at = False, world.now
    world.pass_time(3 * LEASE_SECONDS)
    assert world.expired_at is not None
    assert world.expired_at - died_at <= LEASE_SECONDS + 2 * SWEEP_SECONDS


def test_dead_worker_is_found_by_a_sweeper_that_is_always_late() -> None:
    world = World(is_alive=False, look_every=0.9 * LEASE_SECONDS)
    world.pass_time(10 * LEASE_SECONDS)
    assert world.expired_at is not None
    assert world.expired_at <= 5 * LEASE_SECONDS


@pytest.mark.parametrize("gaps", [[25, 10], [21, 10], [25, 25, 5], [25, 19], [30, 10, 5], [300]])
def test_dead_worker_is_found_by_a_sweeper_that_is_late_now_and_then(gaps: list[float]) -> None:
    """Seconds between its looks, over and over; for a lease of 60 s, more than 20 are a gap."""
    observer = LeaseObserver(lease_timeouts(60.0, 15.0))
    now, looks = 0.0, 0
    while not observer.observe([lease(60, is_over=True)], now):
        now, looks = now + gaps[looks % len(gaps)], looks + 1
        assert looks < 20


def test_in_ordinary_times_a_dead_workers_run_is_closed_when_its_lease_ends() -> None:
    world = World()
    world.pass_time(11.0)
    world.is_alive = False
    ends_at = world.now + world.until - world.clock
    world.pass_time(60.0)
    assert world.expired_at is not None
    assert ends_at <= world.expired_at <= ends_at + SWEEP_SECONDS


def test_after_an_outage_owners_have_time_to_renew() -> None:
    observer = LeaseObserver(PATIENCE)
    old = lease(20, is_over=False)
    observer.observe([old], 0.0)
    over = replace(old, is_over=True)
    assert observer.observe([over], 500.0) == []
    assert observer.observe([over], 505.0) == []
    assert observer.observe([over], 500.0 + PATIENCE.grace_seconds) == [over]


def test_new_token_is_another_lease() -> None:
    observer = LeaseObserver(PATIENCE)
    observer.observe([lease(20, is_over=True)], 0.0)
    assert observer.observe([lease(20, is_over=True, token="another")], 6.0) == []


def test_lease_that_could_not_be_closed_is_observed_from_the_start() -> None:
    observer = LeaseObserver(PATIENCE)
    one = lease(20, is_over=True)
    moments = [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]
    assert [len(observer.observe([one], now)) for now in moments] == [0, 0, 1, 0, 1, 0]


def test_impatient_observer_relies_on_the_database_clock() -> None:
    observer = LeaseObserver(IMPATIENT)
    assert len(observer.observe([lease(20, is_over=True)], 0.0)) == 1
    assert observer.observe([lease(20, is_over=False)], 1e9) == []


@pytest.mark.parametrize("lease_seconds", [1.0, 6.0, 60.0, 3600.0])
@pytest.mark.parametrize("share", [0.05, 1 / 3])
def test_owner_always_has_a_heartbeat_to_renew_in(lease_seconds: float, share: float) -> None:
    beat_seconds = lease_seconds * share
    patience = lease_timeouts(lease_seconds, beat_seconds)
    assert beat_seconds < patience.grace_seconds <= lease_seconds - beat_seconds
    assert patience.lease_seconds == lease_seconds
