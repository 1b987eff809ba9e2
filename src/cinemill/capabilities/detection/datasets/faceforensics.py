"""FaceForensics++ and the Google and Jigsaw set that is distributed with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cinemill.capabilities.detection.datasets.records import (
    DatasetInvalid,
    DatasetListing,
    VideoKey,
    VideoRecord,
)
from cinemill.capabilities.detection.datasets.tree import DatasetTree

NAME = "ffpp"
COMPRESSIONS = ("raw", "c23", "c40")
_CONTENTS = ("videos", "frames", "images")


def read_ffpp(root: Path, compression: str = "c23") -> DatasetListing:
    """List the videos of one compression: ``original_sequences``, ``manipulated_sequences``.

    Fakes are named TARGET_SOURCE: the footage of the first with the face of the second. Splits are
    read from ``splits/{train,val,test}.json`` if they are there. Raises DatasetInvalid.
    """
    tree = DatasetTree(root)
    splits = _read_splits(tree)
    originals = tree.require("original_sequences")
    records = [
        *_read_group(tree, originals, compression, splits, is_fake=False),
        *_read_group(
            tree, tree.require("manipulated_sequences"), compression, splits, is_fake=True
        ),
    ]
    if not records:
        found = [one for one in COMPRESSIONS if any(originals.glob(f"*/{one}"))]
        raise DatasetInvalid(
            f"{tree.root} holds no videos of compression {compression}; "
            f"there is {', '.join(found) or 'none'}."
        )
    return DatasetListing(tuple(records), notes=_notes(splits, records))


def _notes(splits: Mapping[str, str], records: Sequence[VideoRecord]) -> tuple[str, ...]:
    if not splits:
        return ("No split files were found: the split is drawn by identity.",)
    without = sum(not one.split for one in records)
    return (f"{without} videos are in no published split.",) if without else ()


def _read_group(
    tree: DatasetTree, group: Path, compression: str, splits: Mapping[str, str], *, is_fake: bool
) -> Iterator[VideoRecord]:
    for method in sorted(path for path in group.iterdir() if path.is_dir()):
        folder = next(
            (path for part in _CONTENTS if (path := method / compression / part).is_dir()), None
        )
        if folder is None:
            continue
        for name, path in tree.list_videos(folder):
            yield _describe(name, path, method.name, splits, is_fake=is_fake)


def _describe(
    name: str, path: Path, method: str, splits: Mapping[str, str], *, is_fake: bool
) -> VideoRecord:
    # Google's actors are named 01__scene and 01_02__scene__hash; YouTube's 000 and 000_003.
    people, _, scene = name.partition("__")
    target, *others = people.split("_")
    kind = "actor" if scene else "youtube"
    if is_fake and not others:
        raise DatasetInvalid(f"{path} does not name the footage and the face, as 000_003 does.")
    footage = f"{target}__{scene.rpartition('__')[0] if is_fake else scene}" if scene else target
    return VideoRecord(
        key=VideoKey(NAME, method if is_fake else "real", f"{method}/{name}"),
        path=path,
        is_fake=is_fake,
        identity=f"{NAME}:{kind}:{target}",
        other_identities=frozenset(f"{NAME}:{kind}:{other}" for other in others),
        source=f"{NAME}:{kind}:{footage}",
        split=splits.get(target, "") if kind == "youtube" else "",
    )


def _read_splits(tree: DatasetTree) -> dict[str, str]:
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = tree.find(f"splits/{split}.json", f"{split}.json")
        if path is None:
            continue
        document = tree.read_json(path)
        if not isinstance(document, list):
            raise DatasetInvalid(f"{path} is not a list of pairs.")
        for pair in document:
            if not isinstance(pair, list) or not all(isinstance(one, str) for one in pair):
                raise DatasetInvalid(f"{path} is not a list of pairs of names.")
            splits.update(dict.fromkeys(pair, split))
    return splits
