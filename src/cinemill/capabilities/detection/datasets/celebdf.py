"""Celeb-DF (version 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cinemill.capabilities.detection.datasets.records import (
    DatasetInvalid,
    DatasetListing,
    VideoKey,
    VideoRecord,
)
from cinemill.capabilities.detection.datasets.tree import DatasetTree

NAME = "celebdf"
_TEST_LIST = "List_of_testing_videos.txt"


def read_celebdf(root: Path) -> DatasetListing:
    """List ``Celeb-real``, ``YouTube-real`` and ``Celeb-synthesis``. Raises DatasetInvalid.

    Fakes are named TARGET_FACE_NUMBER, as ``id0_id1_0000``: video 0000 of id0 with id1's face.
    """
    tree = DatasetTree(root)
    test_names = _read_test_names(tree)
    records = [
        record
        for folder, is_fake in (
            ("Celeb-real", False),
            ("YouTube-real", False),
            ("Celeb-synthesis", True),
        )
        for record in _read_folder(tree, folder, test_names, is_fake=is_fake)
    ]
    if not records:
        raise DatasetInvalid(f"{tree.root} holds no videos in Celeb-real and Celeb-synthesis.")
    notes = [
        "The people of YouTube-real are not named: each of its videos counts as one of its own."
    ]
    if not test_names:
        notes.append(f"{_TEST_LIST} was not found: the split is drawn by identity.")
    return DatasetListing(tuple(records), notes=tuple(notes))


def _read_folder(
    tree: DatasetTree, folder: str, test_names: set[str], *, is_fake: bool
) -> Iterator[VideoRecord]:
    found = tree.find(f"{folder}/videos", f"{folder}/frames", folder)
    if found is None:
        if folder != "YouTube-real":
            tree.require(folder)
        return
    for name, path in tree.list_videos(found):
        split = ("test" if f"{folder}/{name}".lower() in test_names else "train") * bool(test_names)
        yield _describe(folder, name, path, split, is_fake=is_fake)


def _describe(folder: str, name: str, path: Path, split: str, *, is_fake: bool) -> VideoRecord:
    parts = name.split("_")
    if len(parts) != (3 if is_fake else 1 if folder == "YouTube-real" else 2):
        raise DatasetInvalid(f"{path} is not named as the videos of {folder} are.")
    footage = f"{folder}/{name}" if not is_fake else f"Celeb-real/{parts[0]}_{parts[2]}"
    person = footage if folder == "YouTube-real" else parts[0]
    return VideoRecord(
        key=VideoKey(NAME, folder if is_fake else "real", f"{folder}/{name}"),
        path=path,
        is_fake=is_fake,
        identity=f"{NAME}:{person}",
        other_identities=frozenset({f"{NAME}:{parts[1]}"}) if is_fake else frozenset(),
        source=f"{NAME}:{footage}",
        split=split,
    )


def _read_test_names(tree: DatasetTree) -> set[str]:
    """Return ``folder/name`` of the published test videos, in small letters without suffix."""
    path = tree.find(_TEST_LIST)
    names: set[str] = set()
    for line in tree.read_lines(path) if path else ():
        label, _, name = line.partition(" ")
        if label not in {"0", "1"} or "/" not in name:
            raise DatasetInvalid(f"{path}: {line[:100]!r} is no label and path.")
        names.add(name.strip().lower().rpartition(".")[0] or name.strip().lower())
    return names
