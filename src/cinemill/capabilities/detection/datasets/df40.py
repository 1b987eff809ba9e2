"""DF40: frames of forty methods, laid over FaceForensics++ and Celeb-DF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cinemill.capabilities.detection.datasets.records import (
    DatasetInvalid,
    DatasetListing,
    VideoKey,
    VideoRecord,
)
from cinemill.capabilities.detection.datasets.tree import DatasetTree

NAME = "df40"
_DOMAINS = {"ff": "ffpp:youtube", "cdf": "celebdf"}
_REAL, _FAKE = frozenset({"real", "0_real"}), frozenset({"fake", "1_fake"})
_FF_PAIR = re.compile(r"(\d{3})_(\d{3})")
_CDF_PAIR = re.compile(r"(id\d+)_(id\d+)_(\d{4})")


def read_df40(root: Path) -> DatasetListing:
    """List ``METHOD/{ff,cdf}[/frames]/VIDEO`` and ``METHOD/{real,fake}/…``. Raises DatasetInvalid.

    People and footage carry the names that ``ffpp`` and ``celebdf`` give them, so that a leak
    between those sets and this one is found.
    """
    tree = DatasetTree(root)
    methods = sorted(path for path in tree.root.iterdir() if path.is_dir())
    records = [record for method in methods for record in _read_method(tree, method)]
    if not records:
        raise DatasetInvalid(f"{tree.root} holds no METHOD/ff, METHOD/cdf or METHOD/fake.")
    notes = []
    if not any(not one.is_fake for one in records):
        notes.append("The set brings fakes only: evaluate it with the reals of ffpp or celebdf.")
    if any(one.identity.startswith(f"{NAME}:") for one in records):
        notes.append("Some methods name no people: each of their files counts as one of its own.")
    return DatasetListing(tuple(records), notes=tuple(notes))


def _read_method(tree: DatasetTree, method: Path) -> Iterator[VideoRecord]:
    for part in sorted(path for path in method.iterdir() if path.is_dir()):
        label = part.name.lower()
        if label in _DOMAINS:
            frames = part / "frames"
            folder = frames if frames.is_dir() else part
            for name, path in tree.list_videos(folder, depth=2):
                yield _describe(method.name, part.name, name, path, is_fake=True)
        elif label in _REAL | _FAKE:
            for name, path in tree.list_videos(part, depth=2):
                yield _describe(method.name, part.name, name, path, is_fake=label in _FAKE)


def _describe(method: str, part: str, name: str, path: Path, *, is_fake: bool) -> VideoRecord:
    domain = _DOMAINS.get(part.lower(), "")
    identity, others, source = _read_people(domain, name) or (
        f"{NAME}:{method}/{part}/{name}",
        frozenset(),
        f"{NAME}:{method}/{part}/{name}",
    )
    return VideoRecord(
        key=VideoKey(NAME, method if is_fake else f"{method} real", f"{part}/{name}"),
        path=path,
        is_fake=is_fake,
        identity=identity,
        other_identities=others,
        source=source,
    )


def _read_people(domain: str, name: str) -> tuple[str, frozenset[str], str] | None:
    """Return footage's person, the faces put in, and the footage; None if the name says nothing."""
    last = name.rpartition("/")[2]
    if domain == "celebdf" and (pair := _CDF_PAIR.fullmatch(last)):
        target, face, number = pair.groups()
        others = frozenset({f"{domain}:{face}"})
        return f"{domain}:{target}", others, f"{domain}:Celeb-real/{target}_{number}"
    if domain.startswith("ffpp") and (pair := _FF_PAIR.fullmatch(last)):
        target, face = pair.groups()
        return f"{domain}:{target}", frozenset({f"{domain}:{face}"}), f"{domain}:{target}"
    if domain.startswith("ffpp") and re.fullmatch(r"\d{3}", last):
        return f"{domain}:{last}", frozenset(), f"{domain}:{last}"
    return None
