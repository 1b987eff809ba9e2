"""Deepfake-Eval-2024: videos from social networks, labelled by people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cinemill.capabilities.detection.datasets.records import (
    DatasetInvalid,
    DatasetListing,
    VideoKey,
    VideoRecord,
)
from cinemill.capabilities.detection.datasets.tree import DatasetTree

NAME = "deepfake-eval"
_TABLES = ("video-metadata-publish.csv", "video-metadata-publish-with-links.csv")
_LABEL_COLUMNS = ("Video Ground Truth", "Ground Truth")
_SPLITS = {"train": "train", "true": "train", "yes": "train", "test": "test", "false": "test"}


def read_deepfake_eval(root: Path) -> DatasetListing:
    """List ``video-data`` with the labels of ``video-metadata-publish.csv``.

    The label of the pictures counts, not that of the sound. Videos that are neither Real nor Fake
    are passed over and counted. Raises DatasetInvalid.
    """
    tree = DatasetTree(root)
    rows = tree.read_rows(tree.require(*_TABLES))
    column = next((name for name in _LABEL_COLUMNS if rows and name in rows[0]), None)
    if column is None or "Filename" not in rows[0]:
        raise DatasetInvalid("The table has no columns Filename and Video Ground Truth.")
    videos = tree.require("video-data", "videos")
    skipped: Counter[str] = Counter()
    records = []
    for row in rows:
        label = row[column].lower()
        path = tree.resolve(row["Filename"], videos) if row["Filename"] else None
        if label not in {"real", "fake"}:
            skipped["labelled neither real nor fake"] += 1
        elif path is None:
            skipped["named in the table, but not there"] += 1
        else:
            records.append(_describe(row, path, is_fake=label == "fake"))
    if not records:
        raise DatasetInvalid(f"None of the labelled videos is in {videos}.")
    return DatasetListing(
        tuple(records),
        dict(skipped),
        ("The set names no people: each of its videos counts as one of its own.",),
    )


def _describe(row: dict[str, str], path: Path, *, is_fake: bool) -> VideoRecord:
    name = path.stem
    return VideoRecord(
        key=VideoKey(NAME, "fake" if is_fake else "real", name),
        path=path,
        is_fake=is_fake,
        identity=f"{NAME}:{name}",
        source=f"{NAME}:{name}",
        split=_SPLITS.get(row.get("Finetuning Set", "").lower(), ""),
    )
