"""Features on disk by the hash of what they were computed from, so that training resumes.

A file is written whole or not at all. What is damaged, foreign or too large counts as missing and
is deleted: it is computed again.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

Features = Mapping[str, NDArray[np.float16]]
"""Rows by the name of their level: N × D."""

LARGEST_ENTRY_BYTES = 64 * 1024 * 1024
_CHECKSUM = "sha256"
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
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
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
    compute: Callable[[_T], Features],
    *,
    total: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Extraction], None] = lambda _progress: None,
) -> Iterator[tuple[str, Features]]:
    """Yield the features of each item, computed only where the store has none.

    ``items`` are keys with what ``compute`` takes. Ends early when ``should_stop`` says so; what
    was computed until then is stored.
    """
    reused = 0
    for done, (key, item) in enumerate(items, start=1):
        if should_stop():
            return
        features = store.load(key)
        if features is None:
            features = compute(item)
            store.save(key, features)
        else:
            reused += 1
        on_progress(Extraction(done, total, reused))
        yield key, features


def _encode(key: str, features: Features) -> bytes:
    rows = {name: np.ascontiguousarray(values, np.float16) for name, values in features.items()}
    if _CHECKSUM in rows:
        raise ValueError(f"A level may not be named {_CHECKSUM}.")
    stored = io.BytesIO()
    checksum = np.frombuffer(_checksum(key, rows), np.uint8)
    np.savez(stored, allow_pickle=False, **rows, **{_CHECKSUM: checksum})
    return stored.getvalue()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(LARGEST_ENTRY_BYTES + 1)
    if len(data) > LARGEST_ENTRY_BYTES:
        raise ValueError("too large")
    return data


def _decode(data: bytes, key: str) -> Features:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_ENTRY_BYTES:
            raise ValueError("too large")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive_of_arrays:
        arrays = {name: archive_of_arrays[name] for name in archive_of_arrays.files}
    checksum = arrays.pop(_CHECKSUM).tobytes()
    if any(rows.dtype != np.float16 or rows.ndim != 2 for rows in arrays.values()):
        raise ValueError("not rows of float16")
    if checksum != _checksum(key, arrays):
        raise ValueError("checksum differs")
    return arrays


def _checksum(key: str, rows: Features) -> bytes:
    digest = hashlib.sha256(key.encode())
    for name in sorted(rows):
        digest.update(f"{name}\x00{rows[name].shape}\x00".encode())
        digest.update(rows[name].tobytes())
    return digest.digest()
