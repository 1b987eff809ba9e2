"""Analyses of a known video, and a scrape of the metrics that count them.

A *cache hit* is an analysis of a stored video whose result is cached in Redis: the worker looks the
result up, writes it to PostgreSQL with each frame's score, and ends the job. Four figures say how
long that takes, because "through the API" may mean several things:

- the request ``POST /assets/{id}/analyses`` alone, which creates the job and answers before any
  worker has it;
- the request ``GET /analyses/{id}`` of the analysis, which has the whole result;
- through the queue: from creating the job to its end, by the database's clock, since a caller that
  asks every millisecond keeps one of two cores busy;
- both together: from the POST until a GET shows the verdict, asked for every two milliseconds.

The worker has two processes on one core and consumes all queues. How long a hit waits from its
message to its start is measured apart.

The model and the head are those of the tests: CenterFace and EfficientNet-Lite0 with their real
weights, and a head that scores every face the same, for a hit runs no model. Memory and start are
those of a process with everything that a worker imports, and with ResNet50 and CLIP ViT-B/32 of
seeded weights as 8-bit integers.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from tests.detectors import install_detector, link_detector_models
from tools.samples import fetch

from bench.cluster import Cluster, running_cluster
from bench.inference import (
    make_models,
    make_square,
    quantize_seeded,
    read_sample_frames,
    write_cards,
)
from bench.report import BenchRow, print_table
from bench.upload import running_server

ROUNDS = 200
WARM_UPS = 20
PATIENCE_SECONDS = 120
ANSWER_MS, QUEUE_MS, PROMISE_MS, SCRAPE_MS = 10, 20, 100, 50
MOST_MEMORY_MB, MOST_START_SECONDS = 450, 2


@dataclass(frozen=True, slots=True)
class Instance:
    """A running installation that has analyzed one video."""

    cluster: Cluster
    http: httpx.Client
    worker: psutil.Process
    asset_id: str


def measure() -> list[BenchRow]:
    """Measure cache hits on a running installation, and a worker's memory and start."""
    with running_installation() as instance:
        hits = [_measure_posts(instance), _measure_reads(instance)]
        hits += [*_measure_queue(instance), _measure_round_trips(instance)]
        hits += [_measure_scrapes(instance), _measure_worker(instance)]
    return [*hits, *_measure_start()]


@contextmanager
def running_installation() -> Iterator[Instance]:
    """Start servers, beat, one worker and the API, and analyze a sample video once."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cinemill-bench-")))
        films = folder / "films"
        films.mkdir()
        film = shutil.copy(fetch("expressive_face"), films / "film.mp4")
        home = folder / "home"
        cluster = stack.enter_context(running_cluster(home, films))
        install_detector(home, 3.0)
        link_detector_models(home / "models")
        cluster.environ["CELERY_WORKER_CONCURRENCY"] = "2"
        worker = cluster.start_worker(max(os.sched_getaffinity(0)))
        addresses = {name: cluster.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
        server = stack.enter_context(running_server(folder / "api", addresses))
        http = stack.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{server.port}",
                headers={"Authorization": f"Bearer {server.token}"},
                timeout=PATIENCE_SECONDS,
            )
        )
        first = cluster.service.create_job("detect_video", params={"asset": str(film)})
        result = cluster.wait(first.id)
        assert result["verdict"] == "likely_manipulated", result
        instance = Instance(cluster, http, psutil.Process(worker.pid), result["asset_id"])
        for _ in range(WARM_UPS):
            _analyze(instance)
        yield instance


def _measure_posts(instance: Instance) -> BenchRow:
    spent = []
    for _ in range(ROUNDS):
        milliseconds, analysis_id = _time(lambda: _post(instance))
        spent.append(milliseconds)
        _wait_until_done(instance, analysis_id)
    return _row("detection: POST of an analysis answered, p99", spent, ANSWER_MS, "job created")


def _measure_reads(instance: Instance) -> BenchRow:
    analysis_id = _analyze(instance)
    path = f"/api/v1/analyses/{analysis_id}"
    spent = [_time(lambda: instance.http.get(path).raise_for_status())[0] for _ in range(ROUNDS)]
    return _row("detection: GET of an analysis, p99", spent, ANSWER_MS, "verdict, faces, regions")


def _measure_queue(instance: Instance) -> Iterator[BenchRow]:
    before = _cpu_seconds(instance.worker)
    for _ in range(ROUNDS):
        _analyze(instance)
    worked = (_cpu_seconds(instance.worker) - before) / ROUNDS * 1000
    yield _measure_ends(instance)
    yield BenchRow("detection: worker's processor time of a cache hit", worked, None, "ms")
    yield _measure_waits(instance)


def _measure_ends(instance: Instance) -> BenchRow:
    rows = instance.cluster.ask(
        "SELECT extract(epoch FROM finished_at - queued_at)::float8 * 1000 AS spent FROM job "
        "WHERE kind = 'detect_video' ORDER BY queued_at DESC LIMIT :count",
        count=ROUNDS,
    )
    spent = [row.spent for row in rows]
    how = f"job to its end; most {max(spent):.0f} ms"
    return _row("detection: cache hit through the queue, p99", spent, QUEUE_MS, how)


def _measure_waits(instance: Instance) -> BenchRow:
    """Return how long the last hits waited for a process, once their messages were on their way."""
    rows = instance.cluster.ask(
        "SELECT extract(epoch FROM started_at - published_at)::float8 * 1000 AS waited FROM run "
        "WHERE kind = 'look_up_analysis' ORDER BY started_at DESC LIMIT :count",
        count=ROUNDS,
    )
    waited = [row.waited for row in rows]
    how = f"most {max(waited):.0f} ms"
    return _row("detection: cache hit from its message to its start, p99", waited, QUEUE_MS, how)


def _measure_round_trips(instance: Instance) -> BenchRow:
    def ask() -> None:
        path = f"/api/v1/analyses/{_post(instance)}"
        while instance.http.get(path).raise_for_status().json()["status"] != "completed":
            time.sleep(0.002)

    spent = [_time(ask)[0] for _ in range(ROUNDS)]
    return _row("detection: POST to a GET with the verdict, p99", spent, PROMISE_MS, "cache hits")


def _measure_scrapes(instance: Instance) -> BenchRow:
    def scrape() -> bytes:
        return instance.http.get("/metrics").raise_for_status().content

    spent, size = [], 0
    for _ in range(ROUNDS):
        milliseconds, document = _time(scrape)
        spent.append(milliseconds)
        size = len(document)
    rows = instance.cluster.ask("SELECT count(*) FROM run")[0][0]
    how = f"{size / 1024:.0f} KiB, {rows} attempts in the database"
    return _row("metrics: a scrape, p99", spent, SCRAPE_MS, how)


def _measure_worker(instance: Instance) -> BenchRow:
    """Return what the process holds that has examined the video: shared pages count by share."""
    children = instance.worker.children(recursive=True) or [instance.worker]
    megabytes = max(child.memory_full_info().pss for child in children) / 2**20
    how = "PSS of its pool process: CenterFace and EfficientNet-Lite0, fp32"
    return BenchRow("detection: worker after an examination, memory", megabytes, None, "MiB", how)


def _measure_start() -> Iterator[BenchRow]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        frames = np.stack([make_square(pixels) for pixels in read_sample_frames(50)])
        models = [quantize_seeded(model, frames) for model in make_models(folder)]
        cards = write_cards(folder, models)
        environ = {**os.environ, "CINEMILL_HOME": str(folder / "home")}
        command = [sys.executable, "-m", "bench.detection_child", str(cards)]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environ, timeout=600
        )
        found: dict[str, Any] = json.loads(done.stdout)
    how = "a worker's imports, ResNet50 and CLIP ViT-B/32 int8 with seeded weights, a batch of 8"
    megabytes = found["rss_bytes"] / 2**20
    yield BenchRow(
        "detection: worker with both models, memory", megabytes, MOST_MEMORY_MB, "MiB", how
    )
    name = "detection: worker with both models, start"
    yield BenchRow(name, found["cpu_seconds"], MOST_START_SECONDS, "CPU s", how)
    yield BenchRow(
        "detection: of which a worker without models", found["bare_seconds"], None, "CPU s"
    )


def _post(instance: Instance) -> str:
    answer = instance.http.post(f"/api/v1/assets/{instance.asset_id}/analyses")
    return str(answer.raise_for_status().json()["id"])


def _analyze(instance: Instance) -> str:
    """Analyze the video once more and return the analysis' id; fail where it is no cache hit."""
    job = instance.cluster.service.create_job("detect_video", asset_id=instance.asset_id)
    result = _wait_until_done(instance, job.id)
    assert result["cache_hit"], result
    return job.id


def _wait_until_done(instance: Instance, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (job := instance.cluster.service.get_job(job_id)).state.is_final:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job_id} is {job.state}")
        time.sleep(0.01)
    assert job.result is not None, job.failure
    return dict(job.result)


def _time(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return milliseconds of wall time, and what the work returned."""
    began = time.perf_counter()
    returned = work()
    return (time.perf_counter() - began) * 1000, returned


def _cpu_seconds(process: psutil.Process) -> float:
    tree = [process, *process.children(recursive=True)]
    return float(sum(sum(one.cpu_times()[:4]) for one in tree))


def _row(name: str, milliseconds: Sequence[float], target: float, how: str) -> BenchRow:
    p99 = sorted(milliseconds)[int(len(milliseconds) * 0.99)]
    median = statistics.median(milliseconds)
    return BenchRow(name, p99, target, "ms", f"{how}; p50 {median:.1f} ms, of {len(milliseconds)}")


if __name__ == "__main__":
    print_table(measure())
