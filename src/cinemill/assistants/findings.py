"""Findings of a range in few words: those of one kind and label become one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from cinemill.assistants.quotes import LONGEST_TEXT, quote
from cinemill.assistants.results import Found
from cinemill.client import FindingDocument
from cinemill.core.findings.finding import FindingKind

MOST_READ = 2_000
"""Findings of one kind in a range that are looked at. Ten minutes may have a hundred thousand
objects, and must not hide the one text."""
MOST_OF_A_KIND = 30
_WITHOUT_LABELS = frozenset({FindingKind.SHOT, FindingKind.KEYFRAME, FindingKind.KNOWLEDGE})
"""Kinds that say nothing but when."""
LABELED_KINDS = tuple(sorted(kind.value for kind in FindingKind if kind not in _WITHOUT_LABELS))


def summarize_findings(by_kind: Iterable[Iterable[FindingDocument]]) -> tuple[list[Found], bool]:
    """Return findings in the order of the kinds and by time, and whether there were more.

    Each iterable has those of one kind. At most 2,000 of a kind are read, and at most 30 are
    returned: those that occur first.
    """
    kept: list[Found] = []
    has_more = False
    for found in by_kind:
        source = iter(found)
        merged: dict[tuple[str, str], Found] = {}
        for one in islice(source, MOST_READ):
            _add(merged, one)
        kept += sorted(merged.values(), key=lambda each: each.start)[:MOST_OF_A_KIND]
        has_more = has_more or len(merged) > MOST_OF_A_KIND or next(source, None) is not None
    return kept, has_more


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
