"""Answers over HTTP: when the first event comes, and when a quoted answer is whole.

A real speech is ingested by a worker; its passages lie among many others
(``CINEMILL_BENCH_PASSAGES``, 20,000 where it is not set). Without a language model, the first event
says what an answer rests on, and is all that happens before one would be asked.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.model_files import link_models
from tools.samples import fetch

from bench.cluster import Cluster, running_cluster
from bench.passages import fill_library, make_library
from bench.report import BenchRow, print_table
from bench.upload import running_server
from cinemill.client import Client
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.retrieval.hits import SearchScope
from cinemill.storage.database import open_patient_connection
from cinemill.storage.retrieval import models

PASSAGES = int(os.environ.get("CINEMILL_BENCH_PASSAGES", "20000"))
MODELS = ("base", "minilm-l6-v2-int8")
QUESTIONS = (
    "How many years of negotiations were there?",
    "Who achieved something with international partners?",
    "Where do they talk about the negotiations?",
    "What has the United States achieved?",
    "When did the partners meet?",
    "Which country negotiated?",
)
ROUNDS = 20
FIRST_MS, WHOLE_MS = 200, 250


def measure() -> list[BenchRow]:
    """Ask a running installation."""
    with running_installation() as client:
        firsts, wholes = [], []
        for _ in range(ROUNDS):
            for question in QUESTIONS:
                began = time.perf_counter()
                times = [
                    (time.perf_counter() - began) * 1000 for _event in client.ask_events(question)
                ]
                firsts.append(times[0])
                wholes.append(times[-1])
    how = f"{len(firsts)} questions over HTTP, {PASSAGES:,} passages"
    return [
        BenchRow("answers: first event, p95", _percentile(firsts), FIRST_MS, "ms", how),
        BenchRow("answers: quoted answer whole, p95", _percentile(wholes), WHOLE_MS, "ms", how),
    ]


@contextmanager
def running_installation() -> Iterator[Client]:
    """Start servers, beat, a worker and the API, with a speech among many passages."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cinemill-bench-")))
        films = folder / "films"
        films.mkdir()
        film = shutil.copy(fetch("obama_speech"), films / "speech.mp4")
        cluster = stack.enter_context(running_cluster(folder / "home", films))
        for home in ("home", "api"):
            link_models(folder / home / "models", *MODELS)
        cluster.start_worker(max(os.sched_getaffinity(0)))
        params = {"path": str(film), "profile": "quick"}
        cluster.wait(
            cluster.service.create_job("process_video", owner=DEFAULT_OWNER, params=params).id
        )
        _fill(cluster)
        addresses = {name: cluster.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
        server = stack.enter_context(running_server(folder / "api", addresses))
        client = stack.enter_context(Client(f"http://127.0.0.1:{server.port}", server.token))
        # The first question loads the model of texts.
        assert client.ask(QUESTIONS[0])["citations"]
        yield client


def _fill(cluster: Cluster) -> None:
    with cluster.database.begin() as connection:
        model = models.find_active_model(connection, "text")
    assert model is not None
    fill_library(make_library(cluster.database, SearchScope(DEFAULT_OWNER), model), PASSAGES)
    with open_patient_connection(cluster.database) as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _percentile(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


if __name__ == "__main__":
    print_table(measure())
