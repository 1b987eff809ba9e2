"""``/metrics`` as Prometheus asks for it, and what it says when servers are away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import fresh_database
from tests.waiting import wait_until

from .conftest import RunningApi, StartApi, find_free_port

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
# What Prometheus 3 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def read(answer: httpx.Response) -> Samples:
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def is_up(samples: Samples, component: str) -> float | None:
    return value(samples, "cinemill_component_up", component=component)


def count_failed(samples: Samples) -> float | None:
    return value(samples, "cinemill_jobs", kind="process_video", state="failed")


@contextmanager
def own_database(database_url: str, start_api: StartApi) -> Iterator[RunningApi]:
    with fresh_database(database_url) as url:
        api = start_api(DATABASE_URL=url)
        try:
            yield api
        finally:
            api.process.kill()  # before its database is dropped
            api.process.wait()


def test_jobs_are_counted_as_soon_as_they_are_there(database_url: str, start_api: StartApi) -> None:
    with own_database(database_url, start_api) as api:
        before = read(api.http.get("/metrics"))
        assert is_up(before, "postgresql") == is_up(before, "redis") == 1
        assert value(before, "cinemill_queue_runs", queue="ingestion", state="waiting") == 0
        job_id = api.submit()
        samples = read(api.http.get("/metrics"))
        assert value(samples, "cinemill_jobs", kind="process_video", state="pending") == 1
        waiting = sum(
            count
            for (name, labels), count in samples.items()
            if name == "cinemill_queue_runs" and ("state", "waiting") in labels
        )
        assert waiting >= 1
        api.settle(job_id, "failed", finished_at="now()")
        wait_until(lambda: count_failed(read(api.http.get("/metrics"))) == 1)
        samples = read(api.http.get("/metrics"))
        assert value(samples, "cinemill_jobs", kind="process_video", state="pending") == 0


def test_prometheus_own_request_gets_openmetrics(api: RunningApi) -> None:
    answer = api.http.get("/metrics", headers={"Accept": PROMETHEUS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.headers["cache-control"] == "no-store"
    read = read_openmetrics(answer.text)  # type: ignore[no-untyped-call]
    families = {family.name for family in read}
    assert {"cinemill_jobs", "cinemill_component_up", "process_cpu_seconds"} <= families


def test_metrics_need_the_token(api: RunningApi) -> None:
    assert api.stranger.get("/metrics").status_code == 401
    token = {"Authorization": f"Bearer {api.token}"}
    assert api.stranger.get("/metrics", headers=token).status_code == 200


def test_without_authentication_metrics_need_none(start_api: StartApi) -> None:
    assert start_api(CINEMILL_AUTH="off").stranger.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("setting", "address", "away", "there"),
    [
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:{port}/none", "postgresql", "redis"),
        ("REDIS_URL", "redis://127.0.0.1:{port}/0", "redis", "postgresql"),
    ],
)
def test_server_that_is_down_is_reported_and_the_other_one_too(
    start_api: StartApi, setting: str, address: str, away: str, there: str
) -> None:
    api = start_api(**{setting: address.format(port=find_free_port())})
    samples = read(api.http.get("/metrics"))
    assert (is_up(samples, away), is_up(samples, there)) == (0, 1)
    assert value(samples, "process_cpu_seconds_total") is not None
    assert value(samples, "cinemill_component_round_trip_seconds", component=away) is None
    names = {name for name, _ in samples}
    assert ("cinemill_queue_runs" in names) is (there == "postgresql")
    assert ("cinemill_workers" in names) is (there == "redis")
