"""Bounded reading of a data set's folder: nothing outside it, and no endless metadata."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cinemill.capabilities.detection.datasets.records import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    DatasetInvalid,
)

MOST_FILES = 2_000_000
LARGEST_METADATA_BYTES = 256 * 1024 * 1024
_LONGEST_SHOWN = 200


class DatasetTree:
    """The folder of a data set."""

    def __init__(self, root: Path) -> None:
        """Open the folder. Raises DatasetInvalid if there is none."""
        if not root.is_dir():
            raise DatasetInvalid(f"There is no folder {root}.")
        self.root = root.resolve()
        self._files = 0

    def find(self, *names: str) -> Path | None:
        """Return the first of these paths inside the folder that exists, in any case of letters."""
        return next((found for name in names if (found := self._match(name)) is not None), None)

    def require(self, *names: str) -> Path:
        """Return the first of these that exists. Raises DatasetInvalid if none does."""
        found = self.find(*names)
        if found is None:
            raise DatasetInvalid(f"{self.root} holds no {' and no '.join(names)}.")
        return found

    def list_videos(self, folder: Path, *, depth: int = 0) -> Iterator[tuple[str, Path]]:
        """Yield name and path of each video, image folder or lone image, in order of names.

        Names are paths inside ``folder`` without suffix; ``depth`` is the number of levels of
        folders that are entered. Links are not followed out of the data set.
        """
        yield from self._list(folder, "", depth)

    def resolve(self, name: str, within: Path | None = None) -> Path | None:
        """Return the file that metadata names, or None if it is missing.

        Raises DatasetInvalid if the name leads out of the data set.
        """
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or "\\" in name or "\x00" in name:
            raise DatasetInvalid(f"Metadata names a file outside: {name[:_LONGEST_SHOWN]!r}.")
        path = (within or self.root) / relative
        return path if path.exists() and self._is_inside(path) else None

    def read_json(self, path: Path) -> object:
        """Return a JSON document. Raises DatasetInvalid if it is damaged or too large."""
        try:
            document: object = json.loads(self._read_text(path))
        except (ValueError, RecursionError) as damaged:
            raise DatasetInvalid(f"{path} is not valid JSON: {damaged}.") from damaged
        return document

    def read_rows(self, path: Path) -> list[dict[str, str]]:
        """Return the rows of a CSV file with a header. Raises DatasetInvalid if it is damaged."""
        try:
            rows = list(csv.DictReader(io.StringIO(self._read_text(path), newline="")))
        except csv.Error as damaged:
            raise DatasetInvalid(f"{path} is not a valid table: {damaged}.") from damaged
        return [
            {(key or "").strip(): (value or "").strip() for key, value in row.items() if key}
            for row in rows
        ]

    def read_lines(self, path: Path) -> list[str]:
        """Return the lines of a text file that are not empty."""
        return [line.strip() for line in self._read_text(path).splitlines() if line.strip()]

    def _read_text(self, path: Path) -> str:
        if path.stat().st_size > LARGEST_METADATA_BYTES:
            raise DatasetInvalid(f"{path} is larger than {LARGEST_METADATA_BYTES >> 20} MiB.")
        try:
            return path.read_text("utf-8-sig")
        except UnicodeDecodeError as damaged:
            raise DatasetInvalid(f"{path} is not UTF-8 text.") from damaged

    def _match(self, name: str) -> Path | None:
        path = self.root
        for part in name.split("/"):
            if not path.is_dir():
                return None
            same = [one for one in path.iterdir() if one.name.lower() == part.lower()]
            if not same:
                return None
            path = min(same, key=lambda one: (one.name != part, one.name))
        return path

    def _list(self, folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, Path]]:
        for path in sorted(folder.iterdir()):
            self._count()
            name = f"{prefix}{path.stem if path.is_file() else path.name}"
            if path.name.startswith(".") or not self._is_inside(path):
                continue
            if path.is_file():
                if path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
                    yield name, path
            elif holds_frames(path):
                yield name, path
            elif path.is_dir() and depth > 0:
                yield from self._list(path, f"{name}/", depth - 1)

    def _is_inside(self, path: Path) -> bool:
        return not path.is_symlink() or path.resolve().is_relative_to(self.root)

    def _count(self) -> None:
        self._files += 1
        if self._files > MOST_FILES:
            raise DatasetInvalid(f"{self.root} holds more than {MOST_FILES:,} files.")


def holds_frames(folder: Path) -> bool:
    """Check whether a folder is one video's frames: numbered images and no folders."""
    if not folder.is_dir():
        return False
    has_images = False
    for path in folder.iterdir():
        if path.is_dir():
            return False
        if path.suffix.lower() in IMAGE_SUFFIXES:
            if not path.stem.lower().removeprefix("frame").strip("_-").isdigit():
                return False
            has_images = True
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            return False
    return has_images
