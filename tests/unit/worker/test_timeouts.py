"""Time limits of an attempt: the queue's own, else those for all queues, else the catalog's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.catalog import CATALOG
from cinemill.config import load
from cinemill.worker.context import choose_queue_seconds


def choose(home: Path, **settings: str) -> dict[str, tuple[float, float]]:
    return choose_queue_seconds(load({"CINEMILL_HOME": str(home), **settings}), CATALOG)


def test_timeouts_default_to_the_catalogs(tmp_path: Path) -> None:
    queue = CATALOG.queues["transcode"]
    assert choose(tmp_path)["transcode"] == (queue.soft_seconds, queue.hard_seconds)


def test_time_limits_for_all_queues_override_the_catalogs(tmp_path: Path) -> None:
    chosen = choose(tmp_path, CELERY_TASK_SOFT_TIME_LIMIT="10", CELERY_TASK_TIME_LIMIT="20")
    assert set(chosen.values()) == {(10, 20)}


@pytest.mark.parametrize("queue", ["render", "preview", "transcode", "caption"])
def test_timeout_of_a_queue_overrides_all_others(tmp_path: Path, queue: str) -> None:
    usual = choose(tmp_path)
    chosen = choose(tmp_path, **{f"{queue.upper()}_TIMEOUT": "90"})
    assert chosen[queue][0] == 90
    assert chosen[queue][1] > 90
    assert {**chosen, queue: usual[queue]} == usual
