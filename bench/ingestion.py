"""An ingestion (profile ``standard``): processor time over its bare parts, and over its length.

``CINEMILL_BENCH_SECONDS`` is the length of the video, two minutes where it is not set; the figures
in the documentation are of ten. The video shows real scenes in 360p while a chapter of a book is
read. Its parts are called once, in a process of their own, without jobs and database: FFmpeg's
command, shots, key frames and models that look at these, the kinds of sound, Whisper base, spaCy,
and the embedder. They include imports and the loading of models, as the ingestion does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from tests.model_files import fetch_models, link_models
from tools.samples import fetch

from bench.cluster import Cluster, create_video, run_command, running_cluster
from bench.report import BenchRow, print_table
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg

SECONDS = int(os.environ.get("CINEMILL_BENCH_SECONDS", "120"))
MODELS = (
    *("base", "centerface", "efficientnet-lite0", "imagenet-names"),
    *("minilm-l6-v2-int8", "en-core-web-sm"),
)
MOST_CPU = 1.15


def measure() -> list[BenchRow]:
    """Ingest one video with two workers, and do its parts again."""
    ffmpeg_binary = find_ffmpeg(None)
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as name:
        folder = Path(name)
        film = _make_talk(ffmpeg_binary, folder)
        with running_cluster(folder / "home", folder) as cluster:
            link_models(folder / "home" / "models", *MODELS)
            workers = [cluster.start_worker(core) for core in sorted(os.sched_getaffinity(0))[:2]]
            began = time.monotonic()
            spent = _ingest(cluster, workers, film)
            wall = time.monotonic() - began
            again = _ingest(cluster, workers, film)
            request = _describe(cluster, film, folder)
        parts = _do_parts(request)
    bare = sum(parts.values())
    shares = ", ".join(f"{part} {seconds:.1f}" for part, seconds in parts.items())
    how = f"{spent:.1f} s / {bare:.1f} s: {shares}"
    length = f"{wall:.0f} s for {SECONDS} s on two cores, two workers of one thread"
    return [
        BenchRow("ingestion: CPU over its bare parts", spent / bare, MOST_CPU, "", how),
        BenchRow("ingestion: wall time over its length", wall / SECONDS, None, "", length),
        BenchRow("ingestion: CPU of the same bytes again", again, None, "s", "no model is called"),
    ]


def _ingest(cluster: Cluster, workers: Sequence[subprocess.Popen[bytes]], film: Path) -> float:
    """Return the processor seconds of the workers."""
    before = sum(_spent_seconds(worker) for worker in workers)
    params = {"path": str(film), "profile": "standard"}
    result = cluster.wait(cluster.service.create_job("process_video", params=params).id)
    assert not result["gaps"], result
    return sum(_spent_seconds(worker) for worker in workers) - before


def _make_talk(ffmpeg_binary: FfmpegBinary, folder: Path) -> Path:
    scenes = create_video(ffmpeg_binary, folder / "scenes.mp4", SECONDS)
    talk = folder / "talk.mp4"
    sound = ["-stream_loop", "-1", "-i", str(fetch("two_cities"))]
    maps = ["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-t", str(SECONDS)]
    run_command(ffmpeg_binary, ["-i", str(scenes), *sound, *maps, str(talk)])
    return talk


def _describe(cluster: Cluster, film: Path, folder: Path) -> Path:
    shots = cluster.ask(
        "SELECT start_ms, end_ms FROM finding JOIN finding_set ON finding_set.id = set_id "
        "WHERE kind = 'shot' AND state = 'active' ORDER BY start_ms"
    )
    texts = cluster.ask("SELECT text FROM passage WHERE text <> '' ORDER BY start_ms")
    work = folder / "parts"
    work.mkdir()
    request = folder / "request.json"
    document = {
        "film": str(film),
        "models": str(fetch_models(*MODELS)),
        "folder": str(work),
        "shots": [[row.start_ms, row.end_ms] for row in shots],
        "texts": [row.text for row in texts],
    }
    request.write_text(json.dumps(document), "utf-8")
    return request


def _do_parts(request: Path) -> dict[str, float]:
    """Return the processor seconds of each part."""
    command = [sys.executable, "-m", "bench.ingestion_child", str(request)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _spent_seconds(worker: subprocess.Popen[bytes]) -> float:
    main = psutil.Process(worker.pid)
    tree: Sequence[psutil.Process] = [main, *main.children(recursive=True)]
    return sum(sum(process.cpu_times()[:4]) for process in tree)


if __name__ == "__main__":
    print_table(measure())
