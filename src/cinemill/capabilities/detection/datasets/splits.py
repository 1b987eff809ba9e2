"""Training, validation and test videos without anyone in two of them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cinemill.capabilities.detection.datasets.records import DatasetInvalid, VideoRecord

LARGEST_GROUP_SHARE = 0.2
"""A group of people linked by swaps that holds more of all people than this is broken up: in
Celeb-DF everyone is linked with everyone."""


@dataclass(frozen=True, slots=True)
class Fractions:
    """Shares of people, which sum to 1."""

    train: float = 0.6
    val: float = 0.15
    test: float = 0.25


@dataclass(frozen=True, slots=True)
class Split:
    """Videos by their use."""

    train: tuple[VideoRecord, ...]
    val: tuple[VideoRecord, ...]
    test: tuple[VideoRecord, ...]
    dropped: int
    """Fakes of two people who are in different parts."""


def split_records(
    records: Sequence[VideoRecord], *, seed: int, fractions: Fractions | None = None
) -> Split:
    """Split by identity and source; every person and all footage lies in one part only.

    People whom a swap links stay together, unless that links too many: then a fake of people in
    different parts is dropped. The same seed and people give the same parts in whatever order the
    records come. Raises DatasetInvalid if there are fewer than three people.
    """
    shares = fractions or Fractions()
    groups = _group_people(records)
    if len(groups) < 3:
        raise DatasetInvalid(
            f"{len(groups)} independent groups of people cannot be split into training, "
            "validation and test."
        )
    parts = _assign(groups, shares, seed)
    placed: defaultdict[str, list[VideoRecord]] = defaultdict(list)
    for record in records:
        homes = {parts[name] for name in _nodes(record)}
        placed[homes.pop() if len(homes) == 1 else "dropped"].append(record)
    return Split(
        tuple(placed["train"]),
        tuple(placed["val"]),
        tuple(placed["test"]),
        len(placed["dropped"]),
    )


def use_published_split(records: Sequence[VideoRecord]) -> Split:
    """Split as the data set was published; records without a part are dropped and counted."""
    by_part: defaultdict[str, list[VideoRecord]] = defaultdict(list)
    for record in records:
        by_part[record.split].append(record)
    known = {name: tuple(by_part[name]) for name in ("train", "val", "test")}
    dropped = len(records) - sum(len(part) for part in known.values())
    return Split(**known, dropped=dropped)


def _nodes(record: VideoRecord) -> frozenset[str]:
    source = frozenset({f"source {record.source}"}) if record.source else frozenset()
    return record.identities | source


def _group_people(records: Sequence[VideoRecord]) -> list[frozenset[str]]:
    """Return groups of names that must stay together."""
    linked = join_groups(_nodes(record) for record in records)
    limit = LARGEST_GROUP_SHARE * sum(len(group) for group in linked)
    small = [group for group in linked if len(group) <= max(limit, 2)]
    large = frozenset().union(*(group for group in linked if len(group) > max(limit, 2)))
    if not large:
        return small
    # Within a large group only footage ties: a person and what it was filmed in.
    ties = (
        frozenset(
            {record.identity, f"source {record.source}"} if record.source else {record.identity}
        )
        for record in records
        if record.identity in large
    )
    alone = (frozenset({name}) for record in records for name in record.identities & large)
    return small + join_groups([*ties, *alone])


def join_groups(links: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """Return the groups of names that these links hold together, directly or over others."""
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for link in links:
        first, *others = sorted(link)
        for other in others:
            parent[find(other)] = find(first)
        find(first)
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for name in parent:
        groups[find(name)].add(name)
    return [frozenset(group) for group in groups.values()]


def _assign(groups: Sequence[frozenset[str]], shares: Fractions, seed: int) -> Mapping[str, str]:
    """Give each group to the part that lacks most, in an order that only the seed and names set."""
    order = sorted(groups, key=lambda group: _draw(seed, min(group)))
    wanted = {"train": shares.train, "val": shares.val, "test": shares.test}
    total = sum(len(group) for group in groups)
    held: Counter[str] = Counter()
    parts: dict[str, str] = {}
    for group in order:
        part = max(wanted, key=lambda name: wanted[name] - held[name] / total)
        held[part] += len(group)
        parts.update(dict.fromkeys(group, part))
    return parts


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
