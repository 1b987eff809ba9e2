"""A user's own videos in ``real/`` and ``fake/``, with a folder for each person where known."""

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

NAME = "folder"
_DEEPEST = 4


def read_folder(root: Path) -> DatasetListing:
    """List ``real/[PERSON/]VIDEO`` and ``fake/[METHOD/[PERSON/]]VIDEO``. Raises DatasetInvalid.

    A person is one in both trees if the folders have the same name.
    """
    tree = DatasetTree(root)
    fakes = tree.find("fake")
    records = [
        *_read_reals(tree, tree.require("real")),
        *(_read_fakes(tree, fakes) if fakes else ()),
    ]
    if not records:
        raise DatasetInvalid(f"{tree.root / 'real'} and {tree.root / 'fake'} hold no videos.")
    alone = sum("/" not in one.key.name for one in records if not one.is_fake)
    notes = (
        (f"{alone} real videos lie in no person's folder: each counts as a person of its own.",)
        if alone
        else ()
    )
    return DatasetListing(tuple(records), notes=notes)


def read_reals(root: Path) -> DatasetListing:
    """List the videos of a folder of real ones, ``[PERSON/]VIDEO``. Raises DatasetInvalid."""
    tree = DatasetTree(root)
    records = tuple(_read_reals(tree, tree.root))
    if not records:
        raise DatasetInvalid(f"{tree.root} holds no videos or images.")
    return DatasetListing(records)


def read_fakes(root: Path) -> DatasetListing:
    """List the videos of a folder of fakes, ``[METHOD/[PERSON/]]VIDEO``. Raises DatasetInvalid."""
    tree = DatasetTree(root)
    records = tuple(_read_fakes(tree, tree.root))
    if not records:
        raise DatasetInvalid(f"{tree.root} holds no videos or images.")
    return DatasetListing(records)


def _read_reals(tree: DatasetTree, folder: Path) -> Iterator[VideoRecord]:
    for name, path in tree.list_videos(folder, depth=_DEEPEST):
        identity = f"{NAME}:{name.split('/')[0]}"
        yield VideoRecord(
            VideoKey(NAME, "real", name), path, False, identity, source=f"{NAME}:{name}"
        )


def _read_fakes(tree: DatasetTree, folder: Path) -> Iterator[VideoRecord]:
    for name, path in tree.list_videos(folder, depth=_DEEPEST):
        method, _, rest = name.rpartition("/")
        method, _, person = method.partition("/")
        identity = person.split("/")[0] or f"fake/{method}/{rest}"
        yield VideoRecord(VideoKey(NAME, method or "fake", name), path, True, f"{NAME}:{identity}")
