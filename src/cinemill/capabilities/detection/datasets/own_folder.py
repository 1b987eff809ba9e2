"""A user's own videos in ``real/`` and ``fake/``, with a folder for each person where known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cinemill.capabilities.detection.datasets.own_names import count_unlinked, link_fakes
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

    People and footage are joined over both trees as :func:`link_fakes` says.
    """
    tree = DatasetTree(root)
    fakes = tree.find("fake")
    listing = _join(
        tuple(_read_reals(tree, tree.require("real"))),
        tuple(_read_fakes(tree, fakes)) if fakes else (),
    )
    if not listing.records:
        raise DatasetInvalid(f"{tree.root / 'real'} and {tree.root / 'fake'} hold no videos.")
    return listing


def read_folders(real: Path | None, fake: Path | None) -> DatasetListing:
    """List a folder of real videos and one of fakes, as the trees of :func:`read_folder`.

    Raises DatasetInvalid if either is named and empty.
    """
    return _join(
        read_reals(real).records if real is not None else (),
        _read_fakes_of(fake) if fake is not None else (),
    )


def read_reals(root: Path) -> DatasetListing:
    """List the videos of a folder of real ones, ``[PERSON/]VIDEO``. Raises DatasetInvalid."""
    tree = DatasetTree(root)
    records = tuple(_read_reals(tree, tree.root))
    if not records:
        raise DatasetInvalid(f"{tree.root} holds no videos or images.")
    return DatasetListing(records)


def _read_fakes_of(root: Path) -> tuple[VideoRecord, ...]:
    tree = DatasetTree(root)
    records = tuple(_read_fakes(tree, tree.root))
    if not records:
        raise DatasetInvalid(f"{tree.root} holds no videos or images.")
    return records


def _join(reals: tuple[VideoRecord, ...], fakes: tuple[VideoRecord, ...]) -> DatasetListing:
    linked = link_fakes(reals, fakes)
    alone = sum("/" not in one.key.name for one in reals)
    unknown = count_unlinked(reals, linked)
    notes = []
    if alone:
        notes.append(
            f"{alone} real videos lie in no person's folder: each counts as a person of its own."
        )
    if unknown:
        notes.append(
            f"{unknown} fakes are named after nobody in the real videos. If they show the same "
            "people, the figures are too good: name each after its real video, as in "
            "anna_swap.mp4, or put it in METHOD/PERSON/."
        )
    return DatasetListing((*reals, *linked), notes=tuple(notes))


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
