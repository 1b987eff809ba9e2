"""Beat's scheduler, on a machine whose clock is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery.schedules import crontab

from cinemill.worker.process import steady_scheduler
from cinemill.worker.process.steady_scheduler import SteadyScheduler


class Clock:
    """What stands in for the scheduler's module ``time``, and for Celery's idea of now."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.wall = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC).timestamp()

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.elapsed

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall, UTC)

    def wait(self, seconds: float) -> None:
        self.elapsed += seconds
        self.wall += seconds


class Recorder(SteadyScheduler):
    """Sends nothing, and remembers when it would have."""

    def __init__(self, clock: Clock, app: Celery) -> None:
        self.sent_at: list[float] = []
        self._clock = clock
        super().__init__(app)

    def apply_entry(self, entry: object, producer: object = None) -> None:
        self.sent_at.append(self._clock.elapsed)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(steady_scheduler, "time", clock)
    return clock


@pytest.fixture
def scheduler(clock: Clock) -> Recorder:
    app = Celery("test", broker="memory://", set_as_current=False)
    app.now = clock.now
    schedule = crontab(minute="*/15", app=app, nowfun=clock.now)
    app.conf.beat_schedule = {"often": {"task": "often", "schedule": schedule}}
    return Recorder(clock, app)


def run(clock: Clock, scheduler: Recorder, seconds: float) -> None:
    end = clock.elapsed + seconds
    while clock.elapsed < end:
        scheduler.tick()
        clock.wait(10.0)


@pytest.mark.parametrize("back", [timedelta(minutes=10), timedelta(hours=2), timedelta(days=400)])
def test_entry_is_due_in_its_interval_although_the_clock_was_set_back(
    clock: Clock, scheduler: Recorder, back: timedelta
) -> None:
    run(clock, scheduler, 3600)
    clock.wall -= back.total_seconds()
    before, set_at = len(scheduler.sent_at), clock.elapsed
    run(clock, scheduler, 1000)
    assert len(scheduler.sent_at) > before
    assert scheduler.sent_at[before] - set_at <= 15 * 60 + 20


def test_entry_runs_as_often_as_ever_while_nobody_sets_the_clock(
    clock: Clock, scheduler: Recorder
) -> None:
    run(clock, scheduler, 4 * 3600)
    assert len(scheduler.sent_at) == 16
