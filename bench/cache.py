"""The caches of analyses: a hit on the features of a video, its checksum, and a known file.

The features are those of 64 frames by 2,560 numbers (512 of CLIP and 2,048 of ResNet50). A hit
includes the way to Redis and back, the checksum and the arrays.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report import BenchRow, print_table
from cinemill.local.embedded_servers import embedded_servers
from cinemill.storage.cache.embeddings import EmbeddingCache, Embeddings
from cinemill.storage.cache.file_hashes import FileHashes
from cinemill.storage.cache.keys import ModelIdentity, compose_key
from cinemill.storage.cache.store import CacheStore
from cinemill.storage.redis_servers import open_redis

FRAMES = 64
ROUNDS = 2000
JSON_ROUNDS = 20
FILE_BYTES = 64 * 1024 * 1024
HIT_TARGET_MS = 10.0
"""The target of a hit through the API; directly it has to be far below."""


def measure() -> list[BenchRow]:
    """Measure hits, stores and checksums against an embedded Redis."""
    with tempfile.TemporaryDirectory() as name, embedded_servers(Path(name) / "home") as servers:
        store = CacheStore(servers.redis_url)
        try:
            rows = _measure_embeddings(store, servers.redis_url)
            return [*rows, *_measure_files(store, Path(name))]
        finally:
            store.close()


def _measure_embeddings(store: CacheStore, url: str) -> list[BenchRow]:
    cache = EmbeddingCache(store, ttl_seconds=3600)
    features = _make_features()
    models = [ModelIdentity("clip", "0" * 64, "1"), ModelIdentity("resnet50", "1" * 64, "1")]
    key = compose_key("2" * 64, models, {"frames": FRAMES})
    stores = [_milliseconds(lambda: cache.store(key, features)) for _ in range(ROUNDS // 10)]
    spent = time.process_time()
    hits = [_milliseconds(lambda: cache.find(key)) for _ in range(ROUNDS)]
    spent = (time.process_time() - spent) / ROUNDS * 1000
    assert cache.find(key) is not None
    with open_redis(url) as client:
        data: bytes = client.get(f"embed:{key}")
        raw = [_milliseconds(lambda: client.get(f"embed:{key}")) for _ in range(ROUNDS)]
    checks = [_milliseconds(lambda: hashlib.sha256(data).digest()) for _ in range(ROUNDS)]
    size = f"{FRAMES} frames × 2,560 float16 with their times, {len(data) / 1024:.0f} KiB"
    plain = _measure_json(features)
    return [
        BenchRow("cache: a hit, directly, p50", statistics.median(hits), None, "ms", size),
        BenchRow(
            "cache: a hit, directly, p99",
            _percentile(hits, 0.99),
            HIT_TARGET_MS,
            "ms",
            f"{ROUNDS} hits; the target is that of a hit through the API",
        ),
        BenchRow("cache: processor time of a hit", spent, None, "ms", "without that of Redis"),
        BenchRow("cache: GET alone, p50", statistics.median(raw), None, "ms"),
        BenchRow("cache: checksum of a hit, p50", statistics.median(checks), None, "ms", "SHA-256"),
        BenchRow("cache: storing, p50", statistics.median(stores), None, "ms"),
        BenchRow("cache: the same as JSON, reading alone, p50", plain, None, "ms"),
    ]


def _measure_json(features: Embeddings) -> float:
    text = json.dumps({name: array.tolist() for name, array in features.arrays.items()})
    return statistics.median(_milliseconds(lambda: json.loads(text)) for _ in range(JSON_ROUNDS))


def _measure_files(store: CacheStore, folder: Path) -> list[BenchRow]:
    path = folder / "film.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(FILE_BYTES))
    hashes = FileHashes(store, clock=lambda: time.time() + 3600)
    first = _milliseconds(lambda: hashes.hash_file(path))
    known = [_milliseconds(lambda: hashes.hash_file(path)) for _ in range(ROUNDS)]
    shared = [_milliseconds(lambda: _hash_in_new_process(store, path)) for _ in range(ROUNDS // 10)]
    speed = FILE_BYTES / 1e6 / first
    return [
        BenchRow("cache: hashing a file", speed, None, "GB/s", "SHA-256, in the page cache"),
        BenchRow("cache: hash of a known file, p99", _percentile(known, 0.99), None, "ms"),
        BenchRow(
            "cache: hash known to another process, p50", statistics.median(shared), None, "ms"
        ),
    ]


def _hash_in_new_process(store: CacheStore, path: Path) -> None:
    """Look the file up as a process does that has not seen it yet."""
    assert FileHashes(store).hash_file(path).was_known


def _make_features() -> Embeddings:
    random = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {
        "clip/pooled": random.standard_normal((FRAMES, 512)).astype(np.float16),
        "resnet50/pooled": random.standard_normal((FRAMES, 2048)).astype(np.float16),
        "pts": np.arange(FRAMES, dtype=np.int64),
    }
    boxes = [[10.5, 20.25, 100.0, 120.0, 0.98] for _ in range(FRAMES)]
    return Embeddings(("clip", "resnet50"), arrays, {"boxes": boxes})


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    print_table(measure())
