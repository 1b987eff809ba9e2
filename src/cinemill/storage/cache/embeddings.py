"""Features of a video by the models of the ensemble, under ``embed:{hash}``.

They are raw: heads, calibration and thresholds run on what is found here, so that a new head needs
no new features.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cinemill.core.documents import JsonObject
from cinemill.storage.cache.entries import (
    Entry,
    EntryDamaged,
    Section,
    decode_entry,
    encode_entry,
)
from cinemill.storage.cache.store import CacheStore, Lookup, Observe, ignore

if TYPE_CHECKING:
    # Imported in functions: NumPy takes megabytes in each process, and few of them touch features.
    import numpy as np
    from numpy.typing import NDArray

PREFIX = "embed:"
"""A public contract."""
LARGEST_ENTRY_BYTES = 32 * 1024 * 1024
"""Forty faces in each of 32 frames by 10,000 numbers; features of more are not cached."""
_FACTS = "#facts"
_TYPES = ("float16", "float32", "int64")


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Features of a video, one row for each face or frame."""

    models: tuple[str, ...]
    """Names of the models that computed them."""
    arrays: Mapping[str, NDArray[Any]]
    """By name, such as ``clip/pooled``: float16, float32 or int64, with as many rows each as the
    caller likes. Arrays that come from the cache are read-only."""
    facts: JsonObject = field(default_factory=dict)
    """What belongs to them: times of the rows, boxes, why frames were excluded."""


class EmbeddingCache:
    """The cache of embeddings. Never raises for what Redis does or holds."""

    def __init__(self, store: CacheStore, *, ttl_seconds: int, observe: Observe = ignore) -> None:
        """``observe`` is called with the outcome of every lookup, for metrics."""
        self._store = store
        self._ttl_seconds = ttl_seconds
        self._observe = observe

    def find(self, key: str) -> Embeddings | None:
        """Return what is cached under a key of ``compose_key``; None is a miss."""
        outcome, data = self._store.read(f"{PREFIX}{key}", most_bytes=LARGEST_ENTRY_BYTES)
        found: Embeddings | None = None
        if outcome is Lookup.HIT:
            try:
                found = unpack(key, data)
            except EntryDamaged:
                outcome = Lookup.DAMAGED
                self._store.delete(f"{PREFIX}{key}")
        self._observe(outcome)
        return found

    def store(self, key: str, embeddings: Embeddings) -> bool:
        """Cache features; whether they are cached.

        Features that are not finite, or too many, are not. Raises ValueError or TypeError for
        facts that are no JSON and arrays of other types.
        """
        import numpy as np

        if not all(np.isfinite(array).all() for array in embeddings.arrays.values()):
            return False
        data = pack(key, embeddings)
        if len(data) > LARGEST_ENTRY_BYTES:
            return False
        return self._store.write(f"{PREFIX}{key}", data, ttl_seconds=self._ttl_seconds)


def pack(key: str, embeddings: Embeddings) -> bytes:
    """Return features as the bytes of a cache entry, to be kept in a file.

    Raises ValueError or TypeError for facts that are no JSON and arrays of other types.
    """
    return encode_entry(_make_entry(key, embeddings))


def unpack(key: str, data: bytes) -> Embeddings:
    """Return what :func:`pack` wrote under this key. Raises EntryDamaged."""
    return _read_embeddings(decode_entry(key, data))


def _make_entry(key: str, embeddings: Embeddings) -> Entry:
    facts = json.dumps(embeddings.facts, allow_nan=False, separators=(",", ":")).encode("ascii")
    sections = {name: _write_array(array) for name, array in embeddings.arrays.items()}
    if _FACTS in sections:
        raise ValueError(f"an array cannot be called {_FACTS}")
    sections[_FACTS] = Section("bytes", (len(facts),), facts)
    return Entry(key, embeddings.models, sections)


def _write_array(array: NDArray[Any]) -> Section:
    import numpy as np

    if array.dtype.name not in _TYPES:
        raise TypeError(f"arrays of {array.dtype} are not cached")
    stored = np.ascontiguousarray(array, dtype=_little_endian(array.dtype.name))
    return Section(array.dtype.name, array.shape, stored.tobytes())


def _little_endian(name: str) -> np.dtype[Any]:
    import numpy as np

    return np.dtype(name).newbyteorder("<")


def _read_embeddings(entry: Entry) -> Embeddings:
    import numpy as np

    arrays: dict[str, NDArray[Any]] = {}
    facts: object = None
    for name, section in entry.sections.items():
        if name == _FACTS:
            facts = _read_facts(section)
        elif section.kind in _TYPES:
            flat = np.frombuffer(section.data, dtype=_little_endian(section.kind))
            arrays[name] = flat.reshape(section.shape)
    if not isinstance(facts, dict):
        raise EntryDamaged("it has no facts")
    return Embeddings(entry.models, arrays, facts)


def _read_facts(section: Section) -> object:
    try:
        return json.loads(bytes(section.data))
    except (ValueError, RecursionError) as error:
        raise EntryDamaged("its facts are no JSON") from error
