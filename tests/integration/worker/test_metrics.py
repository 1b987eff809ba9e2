"""Metrics of work that a running worker has done."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.detectors import install_detector, link_detector_models
from tests.integration.worker.conftest import Stack
from tests.integration.worker.test_upkeep import call
from tests.waiting import wait_until
from tools.samples import fetch

from cinemill.api.metrics.scrape import MetricsScraper
from cinemill.capabilities.operations.gpus import list_gpus

Samples = dict[tuple[str, str], float]
EXAMINED = ("analyze", "models", "index", "frames", "faces", "features")


@pytest.fixture
def scraper(stack: Stack) -> Iterator[MetricsScraper]:
    """Return what the API answers scrapes with, over the servers of the stack."""
    url, redis_url = str(stack.context.settings.database_url), stack.context.redis_url
    scraper = MetricsScraper(url, redis_url, catalog=stack.context.catalog)
    yield scraper
    scraper.close()


@pytest.fixture
def detector(stack: Stack) -> Iterator[None]:
    link_detector_models(stack.home / "models")
    install_detector(stack.home, 1.0)
    yield
    for folder in ("heads", "ensembles"):
        shutil.rmtree(stack.home / folder, ignore_errors=True)


def scrape(scraper: MetricsScraper) -> Samples:
    """Return the values by name and labels."""
    document, _ = asyncio.run(scraper.scrape(""))
    return {
        (sample.name, ",".join(f'{key}="{text}"' for key, text in sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(document.decode())
        for sample in family.samples
    }


def test_ended_attempts_are_counted_and_timed(stack: Stack, scraper: MetricsScraper) -> None:
    before = scrape(scraper)
    call(stack, "get_queue_stats")
    samples = scrape(scraper)
    for name, labels in (
        ("cinemill_attempts_total", 'outcome="succeeded",step="count_jobs"'),
        ("cinemill_attempt_seconds_count", 'step="count_jobs"'),
        ("cinemill_queue_wait_seconds_count", 'queue="orchestration"'),
    ):
        assert samples[name, labels] >= before.get((name, labels), 0) + 1


def test_live_worker_is_reported(stack: Stack, scraper: MetricsScraper) -> None:
    wait_until(lambda: scrape(scraper)["cinemill_workers", ""] == 1)
    samples = scrape(scraper)
    assert samples["cinemill_queue_workers", 'queue="orchestration"'] == 1
    assert samples["cinemill_worker_slots", f'worker="celery@{socket.gethostname()}"'] == 2
    assert samples["cinemill_gpus", ""] == len(list_gpus())


def find_worker() -> psutil.Process:
    """Return the main process of the worker that the stack has started."""
    own = psutil.Process().children()
    return next(one for one in own if one.cmdline()[-1] == "cinemill.worker")


@pytest.mark.usefixtures("stack")
def test_memory_of_a_worker_is_that_of_all_its_processes(
    scraper: MetricsScraper,
) -> None:
    node = f"celery@{socket.gethostname()}"
    wait_until(lambda: scrape(scraper)["cinemill_workers", ""] == 1)
    reported = scrape(scraper)["cinemill_worker_memory_bytes", f'worker="{node}"']
    main = find_worker()
    assert reported > main.memory_info().rss
    whole = sum(one.memory_info().rss for one in (main, *main.children(recursive=True)))
    assert reported < 2 * whole


@pytest.mark.usefixtures("detector")
def test_analyses_are_counted_with_their_stages_and_their_cache(
    stack: Stack, scraper: MetricsScraper, films_folder: Path
) -> None:
    film = shutil.copy(fetch("expressive_face"), films_folder / "measured.mp4")
    before = scrape(scraper)

    def grown(name: str, labels: str = "") -> float:
        return scrape(scraper)[name, labels] - before.get((name, labels), 0)

    result = call(stack, "detect_video", str(film), fast=True)
    assert result["cache_hit"] is False
    assert grown("cinemill_analyses_total", 'cache="miss"') == 1
    assert grown("cinemill_analysis_frames_total") == result["frame_count"] == 8
    for stage in EXAMINED:
        assert grown("cinemill_analysis_stage_seconds_count", f'stage="{stage}"') == 1
        assert result["stages"][stage] >= 0
    parts = sum(result["stages"][stage] for stage in EXAMINED[1:])
    assert 0 < parts <= result["stages"]["analyze"]
    call(stack, "detect_video", str(film), fast=True)
    assert grown("cinemill_analyses_total", 'cache="hit"') == 1
    assert grown("cinemill_analysis_frames_total") == 8
