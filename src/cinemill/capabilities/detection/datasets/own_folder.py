"""A user's own videos in ``real/`` and ``fake/``, with a folder for each person where known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cinemill.capabilities.detection.datasets.name_words import (
    find_naming_words,
    find_person_folder,
)
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
    alone = sum(find_person_folder(one.key.name.split("/")[:-1]) is None for one in reals)
    unknown = count_unlinked(reals, linked)
    notes = []
    if alone:
        lie, each = (
            ("1 real video lies", "it") if alone == 1 else (f"{alone} real videos lie", "each")
        )
        notes.append(
            f"{lie} in no person's folder: {each} counts as a person of its own, unless its frames "
            "look like another's."
        )
    if unknown:
        are = "1 fake is" if unknown == 1 else f"{unknown} fakes are"
        notes.append(
            f"{are} named after nobody in the real videos. If the same people are in them, the "
            "figures are too good: name each after its real video, as in anna_swap.mp4, or put it "
            "in METHOD/PERSON/. Numbers and words such as 'clip' name nobody."
        )
    return DatasetListing((*reals, *linked), notes=tuple(notes))


def _read_reals(tree: DatasetTree, folder: Path) -> Iterator[VideoRecord]:
    for name, path in tree.list_videos(folder, depth=_DEEPEST):
        alone = f"real/{name}" if "/" in name else name
        identity = f"{NAME}:{find_person_folder(name.split('/')[:-1]) or alone}"
        yield VideoRecord(
            VideoKey(NAME, "real", name), path, False, identity, source=f"{NAME}:{name}"
        )


def _read_fakes(tree: DatasetTree, folder: Path) -> Iterator[VideoRecord]:
    for name, path in tree.list_videos(folder, depth=_DEEPEST):
        method, _, rest = name.partition("/") if "/" in name else ("", "", name)
        person = find_person_folder(rest.split("/")[:-1])
        if person is None:
            identity = f"fake/{method}/{rest}"
        else:
            # A number is a person among the fakes, and another one among the real videos.
            identity = person if find_naming_words(person) else f"fake/{person}"
        yield VideoRecord(VideoKey(NAME, method or "fake", name), path, True, f"{NAME}:{identity}")
