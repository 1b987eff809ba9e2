"""Faces of videos on disk, so that a training that was stopped does not look for them again.

They are deleted once the head is written: crops of people's faces have no business to stay.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.training.face_area import LANDMARKS, Landmarks
from cinemill.errors import WorkFailed

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """A face, cut out for each size that a model takes."""

    time_ms: int
    crops: Mapping[int, Pixels]
    """By their side in pixels."""
    points: Mapping[int, Landmarks]
    """In the pixels of the crop of that size."""


@dataclass(frozen=True, slots=True)
class FaceList:
    """What is known of a video's faces without reading them."""

    times_ms: tuple[int, ...]
    hashes: tuple[int, ...]
    """Of the frames with a usable face, to find look-alikes of the video."""


class FaceStore:
    """A folder with one file for each video."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> FaceList | None:
        """Return what is stored, or None if there is nothing that can be used."""
        try:
            with np.load(self._path(key), allow_pickle=False) as stored:
                times, hashes = stored["times"].astype(np.int64), stored["hashes"]
                return FaceList(tuple(map(int, times)), tuple(map(int, hashes)))
        except _DAMAGE:
            return None

    def save(self, key: str, faces: Sequence[FoundFace], hashes: Sequence[int]) -> FaceList:
        """Store the faces of a video. Raises OSError if the disk is full or not writable."""
        times = [face.time_ms for face in faces]
        arrays: dict[str, NDArray[Any]] = {
            "times": np.array(times, np.int64),
            "hashes": np.array(hashes, np.uint64),
        }
        for number, face in enumerate(faces):
            for size, crop in face.crops.items():
                arrays[f"crop {size} {number}"] = crop
                arrays[f"points {size} {number}"] = face.points[size].astype(np.float32)
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            with draft.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return FaceList(tuple(times), tuple(hashes))

    def load(self, key: str, number: int, size: int) -> tuple[Pixels, Landmarks]:
        """Return a stored face and its points; the others of the video are not read.

        Raises WorkFailed (``training_store_damaged``).
        """
        try:
            with np.load(self._path(key), allow_pickle=False) as stored:
                crop, points = stored[f"crop {size} {number}"], stored[f"points {size} {number}"]
        except _DAMAGE as damage:
            raise self._report() from damage
        if crop.shape != (size, size, 3) or points.shape != (LANDMARKS, 2):
            raise self._report()
        return crop, points

    def _report(self) -> WorkFailed:
        return WorkFailed(
            f"Faces in {self.folder} are damaged.",
            code="training_store_damaged",
            hint="Train again with --restart.",
        )

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"
