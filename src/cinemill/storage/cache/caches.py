"""The caches of analyses, on one connection to Redis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from cinemill.storage.cache.embeddings import EmbeddingCache
from cinemill.storage.cache.file_hashes import FileHashes
from cinemill.storage.cache.results import ResultCache
from cinemill.storage.cache.store import CacheStore

CACHES = ("embeddings", "results")
"""Names under which lookups are counted."""


@dataclass(frozen=True, slots=True)
class Caches:
    embeddings: EmbeddingCache
    results: ResultCache
    files: FileHashes


def open_caches(redis_url: str, *, embeddings_ttl_seconds: int, results_ttl_seconds: int) -> Caches:
    """Return the caches, which count their lookups. Nothing is sent to Redis until one is used."""
    store = CacheStore(redis_url)
    count_embeddings, count_results = (partial(store.count, name) for name in CACHES)
    return Caches(
        EmbeddingCache(store, ttl_seconds=embeddings_ttl_seconds, observe=count_embeddings),
        ResultCache(store, ttl_seconds=results_ttl_seconds, observe=count_results),
        FileHashes(store),
    )
