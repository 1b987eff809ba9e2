"""Caches in Redis: what was stored comes back; anything else, and no Redis, is a miss."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import redis
from numpy.typing import NDArray
from tests.integration.redis_databases import take_redis_database

from cinemill.storage.cache import embeddings as embeddings_module
from cinemill.storage.cache import store as store_module
from cinemill.storage.cache.caches import open_caches
from cinemill.storage.cache.embeddings import EmbeddingCache, Embeddings
from cinemill.storage.cache.file_hashes import FileHashes
from cinemill.storage.cache.keys import ModelIdentity, compose_key
from cinemill.storage.cache.results import ResultCache
from cinemill.storage.cache.store import CacheStore, Lookup
from cinemill.storage.metrics.live_workers import LiveWorkers

DATABASE = 7
NOWHERE = "redis://127.0.0.1:1/0"
USER = "latecomer"
CLIP = ModelIdentity("clip", "revision-1", "1", ("pooled",))
KEY = compose_key("content", [CLIP])
NAME = f"embed:{KEY}"


@pytest.fixture(scope="module")
def url(redis_url: str) -> str:
    return take_redis_database(redis_url, DATABASE)


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def store(client: Any, url: str) -> Iterator[CacheStore]:
    store = CacheStore(url)
    yield store
    store.close()


class Outcomes(Counter[Lookup]):
    def __call__(self, lookup: Lookup) -> None:
        self[lookup] += 1


@pytest.fixture
def outcomes() -> Outcomes:
    return Outcomes()


@pytest.fixture
def cache(store: CacheStore, outcomes: Outcomes) -> EmbeddingCache:
    return EmbeddingCache(store, ttl_seconds=86_400, observe=outcomes)


def make_features(rows: int = 4, models: tuple[str, ...] = ("clip", "resnet50")) -> Embeddings:
    random = np.random.default_rng(rows)
    arrays: dict[str, NDArray[Any]] = {
        "clip/pooled": random.standard_normal((rows, 512)).astype(np.float16),
        "resnet50/stage3": random.standard_normal((rows, 2048)).astype(np.float16),
        "quality": random.standard_normal((rows, 3)).astype(np.float32),
        "pts": np.arange(rows, dtype=np.int64) * 512,
    }
    return Embeddings(models, arrays, {"device": "cpu", "excluded": {"no_face": 3}})


def assert_same(found: Embeddings | None, stored: Embeddings) -> None:
    assert found is not None
    assert (found.models, found.facts) == (stored.models, stored.facts)
    assert found.arrays.keys() == stored.arrays.keys()
    for name, array in stored.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_features_come_back_bit_for_bit(cache: EmbeddingCache, outcomes: Outcomes) -> None:
    features = make_features()
    assert cache.find(KEY) is None
    assert cache.store(KEY, features)
    assert_same(cache.find(KEY), features)
    assert outcomes == {Lookup.MISS: 1, Lookup.HIT: 1}


def test_features_of_a_video_without_faces_are_cached(cache: EmbeddingCache) -> None:
    features = make_features(rows=0)
    assert cache.store(KEY, features)
    assert_same(cache.find(KEY), features)


def test_embeddings_have_the_contracts_key_and_time_to_live(
    cache: EmbeddingCache, client: Any
) -> None:
    cache.store(KEY, make_features())
    assert list(client.scan_iter()) == [NAME.encode()]
    assert 86_390 <= client.ttl(NAME) <= 86_400


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "one bit in the numbers": lambda data: data[:-900] + bytes([data[-900] ^ 1]) + data[-899:],
    "one bit in the head": lambda data: data[:60] + bytes([data[60] ^ 4]) + data[61:],
    "one bit in the checksum": lambda data: data[:30] + bytes([data[30] ^ 128]) + data[31:],
    "the end is missing": lambda data: data[:-1],
    "half of it": lambda data: data[: len(data) // 2],
    "only the beginning": lambda data: data[:20],
    "something appended": lambda data: data + b"\0",
    "another version": lambda data: data[:4] + b"\xff" + data[5:],
    "JSON of another program": lambda data: b'{"embedding": [0.1, 0.2]}',
    "a pickle": lambda data: b"\x80\x04\x95\x10",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_entry_is_a_miss_and_is_deleted(
    cache: EmbeddingCache, client: Any, outcomes: Outcomes, name: str
) -> None:
    cache.store(KEY, make_features())
    client.set(NAME, DAMAGES[name](client.get(NAME)))
    assert cache.find(KEY) is None
    assert not client.exists(NAME)
    assert outcomes == {Lookup.DAMAGED: 1}
    cache.store(KEY, make_features())
    assert_same(cache.find(KEY), make_features())


def test_entry_under_another_key_is_a_miss_and_is_deleted(
    cache: EmbeddingCache, client: Any, outcomes: Outcomes
) -> None:
    cache.store(KEY, make_features())
    client.rename(NAME, "embed:other")
    assert cache.find("other") is None
    assert not client.exists("embed:other")
    assert outcomes == {Lookup.DAMAGED: 1}


def test_key_of_another_type_is_a_miss_and_is_deleted(
    cache: EmbeddingCache, client: Any, outcomes: Outcomes
) -> None:
    client.rpush(NAME, "a list")
    assert cache.find(KEY) is None
    assert not client.exists(NAME)
    assert outcomes == {Lookup.DAMAGED: 1}


def test_oversized_entry_is_a_miss_and_is_deleted(
    cache: EmbeddingCache, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store(KEY, make_features())
    monkeypatch.setattr(embeddings_module, "LARGEST_ENTRY_BYTES", client.strlen(NAME) - 1)
    assert cache.find(KEY) is None
    assert not client.exists(NAME)
    assert not cache.store(KEY, make_features())
    assert not client.exists(NAME)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_not_cached(
    cache: EmbeddingCache, client: Any, number: float
) -> None:
    features = make_features()
    features.arrays["clip/pooled"][1, 7] = number
    assert not cache.store(KEY, features)
    assert not client.exists(NAME)


def test_any_other_content_model_or_preprocessing_has_another_key() -> None:
    variants = [
        compose_key("content", [CLIP]),
        compose_key("other", [CLIP]),
        compose_key("content", [ModelIdentity("clip", "revision-2", "1", ("pooled",))]),
        compose_key("content", [ModelIdentity("clip", "revision-1", "2", ("pooled",))]),
        compose_key("content", [ModelIdentity("clip", "revision-1", "1", ("stage3",))]),
        compose_key("content", [ModelIdentity("resnet50", "revision-1", "1", ("pooled",))]),
        compose_key("content", [CLIP, CLIP]),
        compose_key("content", [CLIP], {"frames": 8}),
        compose_key("content", [CLIP], {"frames": "8"}),
    ]
    assert len(set(variants)) == len(variants)
    assert compose_key("content", [CLIP], {}) == variants[0]


DOCUMENT = {"verdict": "inconclusive", "reasons": ["too_few_faces"], "score": None, "text": "Grüße"}


def test_results_are_cached_for_their_own_time(store: CacheStore, client: Any) -> None:
    cache = ResultCache(store, ttl_seconds=604_800)
    assert cache.find(KEY) is None
    assert cache.store(KEY, DOCUMENT)
    assert cache.find(KEY) == DOCUMENT
    (name,) = client.scan_iter()
    assert name.startswith(b"cinemill:")
    assert 604_790 <= client.ttl(name) <= 604_800


def test_damaged_result_is_a_miss(store: CacheStore, client: Any, outcomes: Outcomes) -> None:
    cache = ResultCache(store, ttl_seconds=60, observe=outcomes)
    cache.store(KEY, DOCUMENT)
    (name,) = client.scan_iter()
    client.setrange(name, client.strlen(name) - 3, b"X")
    assert cache.find(KEY) is None
    assert not client.exists(name)
    assert outcomes == {Lookup.DAMAGED: 1}


def test_lookups_are_counted_for_metrics(client: Any, url: str) -> None:
    caches = open_caches(url, embeddings_ttl_seconds=60, results_ttl_seconds=60)
    caches.results.find(KEY)
    caches.results.store(KEY, DOCUMENT)
    for _ in range(2):
        caches.results.find(KEY)
    caches.embeddings.find(KEY)
    client.hset("cinemill:cache_lookups", "results:of a later version", 1)
    with closing(LiveWorkers(url)) as live:
        assert live.read_figures().cache_lookups == {
            ("results", "hit"): 2,
            ("results", "miss"): 1,
            ("embeddings", "miss"): 1,
        }


@pytest.fixture
def own_user(client: Any, url: str) -> Iterator[str]:
    """Yield the URL of a user who cannot log in yet: for that one, Redis is away."""
    allow_login(client, allowed=False)
    address = urlsplit(url)
    server = address.netloc.rpartition("@")[2]
    yield address._replace(netloc=f"{USER}:secret@{server}").geturl()
    client.acl_deluser(USER)


def allow_login(client: Any, *, allowed: bool) -> None:
    client.acl_setuser(USER, enabled=allowed, passwords=["+secret"], commands=["+@all"], keys=["*"])


def test_lookups_while_redis_is_away_are_counted_when_it_is_back(
    client: Any, url: str, own_user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PAUSE_AFTER_FAULT_SECONDS", 0.0)
    caches = open_caches(own_user, embeddings_ttl_seconds=60, results_ttl_seconds=60)
    for _ in range(3):
        assert caches.results.find(KEY) is None
    assert caches.embeddings.find(KEY) is None
    with closing(LiveWorkers(url)) as live:
        assert live.read_figures().cache_lookups == {}
        allow_login(client, allowed=True)
        assert caches.results.store(KEY, DOCUMENT)
        counted = {("results", "unavailable"): 3, ("embeddings", "unavailable"): 1}
        assert live.read_figures().cache_lookups == counted
        caches.results.find(KEY)
        assert live.read_figures().cache_lookups == {**counted, ("results", "hit"): 1}


def test_next_lookup_counts_those_while_redis_was_away(
    client: Any, url: str, own_user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PAUSE_AFTER_FAULT_SECONDS", 0.0)
    caches = open_caches(own_user, embeddings_ttl_seconds=60, results_ttl_seconds=60)
    caches.results.find(KEY)
    allow_login(client, allowed=True)
    caches.embeddings.find(KEY)
    with closing(LiveWorkers(url)) as live:
        assert live.read_figures().cache_lookups == {
            ("results", "unavailable"): 1,
            ("embeddings", "miss"): 1,
        }


def test_embedding_is_no_result(store: CacheStore, cache: EmbeddingCache, client: Any) -> None:
    cache.store(KEY, make_features())
    results = ResultCache(store, ttl_seconds=60)
    client.rename(NAME, f"cinemill:analysis_result:{KEY}")
    assert results.find(KEY) is None


def test_without_redis_every_lookup_is_a_miss_and_nothing_is_raised(
    tmp_path: Path, outcomes: Outcomes
) -> None:
    nowhere = CacheStore(NOWHERE)
    cache = EmbeddingCache(nowhere, ttl_seconds=60, observe=outcomes)
    results = ResultCache(nowhere, ttl_seconds=60, observe=outcomes)
    file = tmp_path / "film.mp4"
    file.write_bytes(b"film")
    assert cache.find(KEY) is None
    assert not cache.store(KEY, make_features())
    assert results.find(KEY) is None
    assert not results.store(KEY, DOCUMENT)
    assert not FileHashes(nowhere).hash_file(file).was_known
    assert outcomes == {Lookup.UNAVAILABLE: 2}
    nowhere.close()


def test_frozen_redis_is_not_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch, outcomes: Outcomes
) -> None:
    monkeypatch.setattr(store_module, "SOCKET_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(store_module, "PAUSE_AFTER_FAULT_SECONDS", 3600.0)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        frozen.setblocking(False)
        store = CacheStore(f"redis://127.0.0.1:{frozen.getsockname()[1]}/0")
        cache = EmbeddingCache(store, ttl_seconds=60, observe=outcomes)
        assert [cache.find(KEY), cache.store(KEY, make_features())] == [None, False]
        assert outcomes == {Lookup.UNAVAILABLE: 1}
        while True:
            try:
                frozen.accept()[0].close()
            except BlockingIOError:
                break
        assert [cache.find(KEY) for _ in range(100)] == [None] * 100
        with pytest.raises(BlockingIOError):
            frozen.accept()
    store.close()


def test_redis_that_is_full_or_read_only_is_no_error(
    store: CacheStore, cache: EmbeddingCache, client: Any
) -> None:
    client.config_set("maxmemory", 1)
    try:
        assert not cache.store(KEY, make_features())
    finally:
        client.config_set("maxmemory", 0)


def later() -> float:
    """Return a moment at which no file of the test is new any more."""
    return time.time() + 3600


def test_hash_of_a_file_is_shared_by_the_processes_of_a_machine(
    store: CacheStore, client: Any, tmp_path: Path
) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(os.urandom(100_000))
    first = FileHashes(store, clock=later).hash_file(file)
    second = FileHashes(store, clock=later).hash_file(file)
    assert (first.was_known, second.was_known) == (False, True)
    assert first.sha256 == second.sha256
    (name,) = client.scan_iter()
    assert 86_390 <= client.ttl(name) <= 86_400


@pytest.mark.parametrize("value", [b"0" * 80, b"f" * 64, b"", b"\xff" * 80, b"x" * 1000])
def test_damaged_hash_is_a_miss(
    store: CacheStore, client: Any, tmp_path: Path, value: bytes
) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(b"film")
    right = FileHashes(store, clock=later).hash_file(file).sha256
    (name,) = client.scan_iter()
    client.set(name, value)
    again = FileHashes(store, clock=later).hash_file(file)
    assert (again.sha256, again.was_known) == (right, False)
    assert FileHashes(store, clock=later).hash_file(file).was_known
