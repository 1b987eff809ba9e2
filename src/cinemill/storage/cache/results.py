"""Results of analyses as JSON documents, for as long as their own time to live."""

from __future__ import annotations

import json

from cinemill.core.documents import JsonObject
from cinemill.storage.cache.entries import (
    Entry,
    EntryDamaged,
    Section,
    decode_entry,
    encode_entry,
)
from cinemill.storage.cache.store import CacheStore, Lookup, Observe, ignore

PREFIX = "cinemill:analysis_result:"
LARGEST_ENTRY_BYTES = 8 * 1024 * 1024
_DOCUMENT = "document"


class ResultCache:
    """The cache of results. Never raises for what Redis does or holds."""

    def __init__(self, store: CacheStore, *, ttl_seconds: int, observe: Observe = ignore) -> None:
        """``observe`` is called with the outcome of every lookup, for metrics."""
        self._store = store
        self._ttl_seconds = ttl_seconds
        self._observe = observe

    def find(self, key: str) -> JsonObject | None:
        """Return what is cached under a key of ``compose_key``; None is a miss."""
        outcome, data = self._store.read(f"{PREFIX}{key}", most_bytes=LARGEST_ENTRY_BYTES)
        found: JsonObject | None = None
        if outcome is Lookup.HIT:
            try:
                found = _read_document(decode_entry(key, data))
            except EntryDamaged:
                outcome = Lookup.DAMAGED
                self._store.delete(f"{PREFIX}{key}")
        self._observe(outcome)
        return found

    def store(self, key: str, document: JsonObject) -> bool:
        """Cache a document; whether it is cached, which one that is too large is not.

        Raises ValueError or TypeError where it is no JSON.
        """
        text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
        section = Section("bytes", (len(text),), text)
        data = encode_entry(Entry(key, sections={_DOCUMENT: section}))
        if len(data) > LARGEST_ENTRY_BYTES:
            return False
        return self._store.write(f"{PREFIX}{key}", data, ttl_seconds=self._ttl_seconds)


def _read_document(entry: Entry) -> JsonObject:
    section = entry.sections.get(_DOCUMENT)
    if section is None:
        raise EntryDamaged("it has no document")
    try:
        document = json.loads(bytes(section.data))
    except (ValueError, RecursionError) as error:
        raise EntryDamaged("its document is no JSON") from error
    if not isinstance(document, dict):
        raise EntryDamaged("its document is no object")
    return document
