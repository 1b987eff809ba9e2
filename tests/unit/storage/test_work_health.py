"""Who does the work, judged by what live workers and relays report."""

from __future__ import annotations

import pytest

from cinemill.storage.metrics.live_workers import LiveWorker
from cinemill.storage.metrics.work_health import (
    SILENT_SECONDS,
    WorkState,
    judge_relay,
    judge_workers,
)

QUEUES = ("default", "proxy", "render")


def work_on(*queues: str) -> LiveWorker:
    return LiveWorker("celery@one", "machine", 1, 0, queues)


@pytest.mark.parametrize(
    ("workers", "state", "unserved"),
    [
        ([], WorkState.NONE, QUEUES),
        ([work_on()], WorkState.NONE, QUEUES),
        ([work_on("gpu_h264")], WorkState.NONE, QUEUES),
        ([work_on("proxy")], WorkState.INCOMPLETE, ("default", "render")),
        ([work_on("proxy"), work_on("default", "render")], WorkState.OK, ()),
        ([work_on(*QUEUES, "gpu_h264")], WorkState.OK, ()),
    ],
)
def test_workers_are_judged_by_the_queues_that_they_consume(
    workers: list[LiveWorker], state: WorkState, unserved: tuple[str, ...]
) -> None:
    found = judge_workers(workers, QUEUES)
    assert (found.state, found.unserved) == (state, unserved)


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        (None, WorkState.NONE),
        (0.0, WorkState.OK),
        (SILENT_SECONDS - 0.1, WorkState.OK),
        (SILENT_SECONDS, WorkState.NONE),
        (1e9, WorkState.NONE),
    ],
)
def test_relay_is_judged_by_its_silence(seconds: float | None, state: WorkState) -> None:
    assert judge_relay(seconds) is state
