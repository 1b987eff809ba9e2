"""Findings of a range in few words: those of one kind and label become one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from cinemill.assistants.quotes import LONGEST_TEXT, quote
from cinemill.assistants.results import Found
from cinemill.client import FindingDocument

MOST_READ = 2_000
"""Findings of one range that are looked at. Ten minutes of objects may have a hundred thousand."""
MOST_OF_A_KIND = 30
WITHOUT_LABELS = frozenset({"shot", "keyframe", "knowledge"})
"""Kinds that say nothing but when."""


def summarize_findings(found: Iterable[FindingDocument]) -> tuple[list[Found], bool]:
    """Return findings by kind and time, and whether there were more.

    At most 2,000 are read, and at most 30 of a kind are returned: those that occur first.
    """
    source = iter(found)
    merged: dict[tuple[str, str], Found] = {}
    for one in islice(source, MOST_READ):
        if one["kind"] not in WITHOUT_LABELS:
            _add(merged, one)
    is_cut = next(source, None) is not None
    by_kind: dict[str, list[Found]] = {}
    for each in sorted(merged.values(), key=lambda each: (each.kind, each.start)):
        by_kind.setdefault(each.kind, []).append(each)
    kept = [each for kind in by_kind.values() for each in kind[:MOST_OF_A_KIND]]
    return kept, is_cut or len(kept) < len(merged)


def _add(merged: dict[tuple[str, str], Found], one: FindingDocument) -> None:
    label = quote(one["label"], LONGEST_TEXT)
    key = one["kind"], label.casefold()
    confidence = one.get("confidence")
    earlier = merged.get(key)
    if earlier is None:
        merged[key] = Found(
            kind=one["kind"],
            label=label,
            start=one["start"],
            end=one["end"],
            confidence=confidence,
            count=1,
        )
        return
    earlier.count += 1
    earlier.start = min(earlier.start, one["start"])
    earlier.end = max(earlier.end, one["end"])
    if confidence is not None:
        earlier.confidence = max(confidence, earlier.confidence or 0.0)
