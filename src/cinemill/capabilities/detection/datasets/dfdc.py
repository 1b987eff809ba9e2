"""The Deepfake Detection Challenge's full set, and its preview."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from cinemill.capabilities.detection.datasets.records import (
    DatasetInvalid,
    DatasetListing,
    VideoKey,
    VideoRecord,
)
from cinemill.capabilities.detection.datasets.tree import DatasetTree

NAME = "dfdc"
PREVIEW_NAME = "dfdc-preview"
_LABELS = {"real": False, "fake": True, "0": False, "1": True}
_MISSING = "named in the metadata, but not there"
_PREVIEW_SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def read_dfdc(root: Path) -> DatasetListing:
    """List all folders with a ``metadata.json``, or with a ``labels.csv`` as the test set has.

    Raises DatasetInvalid if there is none, or a label is neither real nor fake.
    """
    tree = DatasetTree(root)
    skipped: Counter[str] = Counter()
    records = [
        record for folder in _list_parts(tree) for record in _read_part(tree, folder, skipped)
    ]
    if not records:
        raise DatasetInvalid(f"{tree.root} holds no metadata.json or labels.csv with its videos.")
    return DatasetListing(
        tuple(records),
        dict(skipped),
        ("The set names no people: each piece of original footage counts as one of its own.",),
    )


def read_dfdc_preview(root: Path) -> DatasetListing:
    """List the videos of ``dataset.json``. Raises DatasetInvalid if none of them is there."""
    tree = DatasetTree(root)
    document = _read_entries(tree, tree.require("dataset.json"))
    skipped: Counter[str] = Counter()
    records = []
    for name, entry in document.items():
        path = tree.resolve(name)
        if path is None:
            skipped[_MISSING] += 1
        else:
            records.append(_describe_preview(name, path, entry))
    if not records:
        raise DatasetInvalid(f"None of the videos in {tree.root / 'dataset.json'} is there.")
    return DatasetListing(tuple(records), dict(skipped))


def _list_parts(tree: DatasetTree) -> list[Path]:
    candidates = [tree.root, *tree.root.glob("*/"), *tree.root.glob("*/*/")]
    return sorted(
        folder
        for folder in candidates
        if (folder / "metadata.json").is_file() or (folder / "labels.csv").is_file()
    )


def _read_part(tree: DatasetTree, folder: Path, skipped: Counter[str]) -> Iterator[VideoRecord]:
    for filename, entry in _read_labels(tree, folder).items():
        path = tree.resolve(filename, folder) or tree.resolve(filename, folder / "videos")
        if path is None:
            skipped[_MISSING] += 1
            continue
        is_fake = _read_label(filename, entry)
        name = Path(filename).stem
        original = str(entry.get("original") or "")
        footage = Path(original).stem if is_fake and original else name
        part = folder.relative_to(tree.root).as_posix().strip(".") or "."
        yield VideoRecord(
            key=VideoKey(NAME, "fake" if is_fake else "real", f"{part}/{name}"),
            path=path,
            is_fake=is_fake,
            identity=f"{NAME}:{footage}",
            source=f"{NAME}:{footage}",
            split="test" if "test" in part.lower() else "train",
        )


def _read_labels(tree: DatasetTree, folder: Path) -> Mapping[str, Mapping[str, object]]:
    table = folder / "labels.csv"
    if table.is_file():
        return {row.get("filename", ""): {**row} for row in tree.read_rows(table)}
    return _read_entries(tree, folder / "metadata.json")


def _read_entries(tree: DatasetTree, path: Path) -> dict[str, Mapping[str, object]]:
    document = tree.read_json(path)
    if not isinstance(document, dict) or not all(isinstance(v, dict) for v in document.values()):
        raise DatasetInvalid(f"{path} does not map file names to objects.")
    return document


def _read_label(name: str, entry: Mapping[str, object]) -> bool:
    label = str(entry.get("label", entry.get("is_fake", ""))).strip().lower()
    if label not in _LABELS:
        raise DatasetInvalid(f"The label of {name!r} is {label!r}, neither real nor fake.")
    return _LABELS[label]


def _describe_preview(name: str, path: Path, entry: Mapping[str, object]) -> VideoRecord:
    is_fake = _read_label(name, entry)
    method, _, rest = name.partition("/")
    target = entry.get("target_id")
    swapped = entry.get("swapped_id") if is_fake else None
    if target is None or not rest:
        raise DatasetInvalid(f"{name!r} has no target_id, or no folder of its method.")
    # Footage is named PERSON_TAKE, and cut into PERSON_TAKE_001 and so on.
    stem = Path(name).stem
    footage = str(entry.get("source_video") or (target if is_fake else stem.rpartition("_")[0]))
    return VideoRecord(
        key=VideoKey(PREVIEW_NAME, method if is_fake else "real", name.rpartition(".")[0] or name),
        path=path,
        is_fake=is_fake,
        identity=f"{PREVIEW_NAME}:{target}",
        other_identities=frozenset()
        if swapped is None
        else frozenset({f"{PREVIEW_NAME}:{swapped}"}),
        source=f"{PREVIEW_NAME}:{footage or stem}",
        split=_PREVIEW_SPLITS.get(str(entry.get("set", "")).lower(), ""),
    )
