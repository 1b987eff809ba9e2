"""Features on disk by the hash of what they were computed from, so that training resumes.

A file is written whole or not at all. What is damaged, foreign or too large counts as missing and
is deleted: it is computed again.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

Features = Mapping[str, NDArray[np.float16]]
"""Rows by the name of their level: N × D."""

LARGEST_ENTRY_BYTES = 64 * 1024 * 1024
_COMMENT_CHARACTERS = 64
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Extraction:
    """How far an extraction came."""

    done: int
    total: int
    reused: int
    """Of ``done``: found in the store."""


class FeatureStore:
    """A folder of ``.npz`` files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str) -> Features | None:
        """Return stored features, or None if there are none that can be used."""
        path = self._path(key)
        try:
            return _decode(_read(path), key)
        except FileNotFoundError:
            return None
        except (
            ValueError,
            KeyError,
            RuntimeError,
            OSError,
            EOFError,
            zipfile.BadZipFile,
            zlib.error,
        ):
            path.unlink(missing_ok=True)
            return None

    def save(self, key: str, features: Features) -> None:
        """Store features. Raises OSError if the disk is full or not writable."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            with temporary.open("wb") as file:
                file.write(_encode(key, features))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
            raise ValueError(f"{key!r} is no key of a store.")
        return self.folder / key[:2] / f"{key}.npz"


def feature_key(content_hash: str, *versions: str) -> str:
    """Return the key of features: of the picture, the recipe, the model and its preprocessing."""
    digest = hashlib.sha256()
    for part in (content_hash, *versions):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def extract_features(
    items: Iterable[tuple[str, _T]],
    store: FeatureStore,
    compute: Callable[[Sequence[_T]], Sequence[Features]],
    *,
    total: int,
    batch: int = 8,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Extraction], None] = lambda _progress: None,
) -> Iterator[tuple[str, Features]]:
    """Yield the features of each item in order, computed only where the store has none.

    ``items`` are keys with what ``compute`` takes, several at once; it returns features for each.
    Ends early when ``should_stop`` says so; what was computed until then is stored.
    """
    done = reused = 0
    remaining = iter(items)
    while chunk := list(itertools.islice(remaining, batch)):
        if should_stop():
            return
        found = {key: features for key, _ in chunk if (features := store.load(key)) is not None}
        missing = [(key, item) for key, item in chunk if key not in found]
        reused += len(found)
        if missing:
            computed = compute([item for _, item in missing])
            for (key, _), features in zip(missing, computed, strict=True):
                store.save(key, features)
                found[key] = features
        done += len(chunk)
        on_progress(Extraction(done, total, reused))
        yield from ((key, found[key]) for key, _ in chunk)


def _encode(key: str, features: Features) -> bytes:
    rows = {name: np.ascontiguousarray(values, np.float16) for name, values in features.items()}
    stored = io.BytesIO()
    np.savez(stored, allow_pickle=False, **rows)
    # The checksum is the archive's comment, so that the file is an ordinary .npz as well.
    content = stored.getvalue()[:-2] + _COMMENT_CHARACTERS.to_bytes(2, "little")
    return content + _checksum(key, content)


def _decode(data: bytes, key: str) -> Features:
    content, checksum = data[:-_COMMENT_CHARACTERS], data[-_COMMENT_CHARACTERS:]
    if checksum != _checksum(key, content):
        raise ValueError("checksum differs")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_ENTRY_BYTES:
            raise ValueError("too large")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        rows = {name: arrays[name] for name in arrays.files}
    if any(values.dtype != np.float16 or values.ndim != 2 for values in rows.values()):
        raise ValueError("not rows of float16")
    return rows


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(LARGEST_ENTRY_BYTES + 1)
    if len(data) > LARGEST_ENTRY_BYTES:
        raise ValueError("too large")
    return data


def _checksum(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + content).hexdigest().encode()
