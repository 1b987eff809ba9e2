"""Passages of what is written and seen in the picture, and of what happens in it. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from cinemill.capabilities.search.language.words import fold
from cinemill.core.findings.finding import Finding
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.steps.ingestion.speech_passages import MOST_MS

MOST_LABELS = 40
"""Of one passage."""
LONGEST_LABEL = 500
LONGEST_DESCRIPTION = 2000
SEPARATOR = " · "


def make_picture_passages(
    findings: Sequence[Finding], cuts_ms: Sequence[int], track: PassageTrack, *, language: str = ""
) -> list[Passage]:
    """Return the passages of texts or of tags and objects: in order of time, none overlapping.

    ``findings`` are of one track, ``cuts_ms`` the moments at which a shot begins. A shot of more
    than 20 s is divided. A passage reaches from the first to the last moment that something is seen
    in its shot, and has each label once, in the order in which they appear.
    """
    cells: dict[int, list[Finding]] = {}
    borders = _list_borders(findings, cuts_ms)
    starts = [start_ms for start_ms, _ in borders]
    for finding in findings:
        first = bisect_right(starts, finding.start_ms) - 1
        for at in range(first, bisect_left(starts, finding.end_ms)):
            cells.setdefault(at, []).append(finding)
    passages: list[Passage] = []
    for at in sorted(cells):
        start_ms, end_ms = borders[at]
        text = SEPARATOR.join(_list_labels(cells[at]))
        if text:
            first_ms = max(start_ms, min(one.start_ms for one in cells[at]))
            last_ms = min(end_ms, max(one.end_ms for one in cells[at]))
            passages.append(Passage(len(passages), track, first_ms, last_ms, text, language))
    return passages


def make_description_passages(findings: Iterable[Finding]) -> list[Passage]:
    """Return a passage for each description: in order of time, none overlapping.

    A passage has the range that was described, whatever shots are in it: a sentence does not say
    which of them it is about. Where two ranges overlap, the first ends as the second begins. Texts
    are cut at 2,000 characters; each passage is at least 1 ms long.
    """
    described = sorted(
        (one for one in findings if one.label.strip()), key=lambda one: (one.start_ms, one.end_ms)
    )
    starts: list[int] = []
    for one in described:
        starts.append(max(starts[-1] + 1 if starts else 0, one.start_ms))
    passages = []
    for at, one in enumerate(described):
        end_ms = max(one.end_ms, starts[at] + 1)
        if at + 1 < len(starts):
            end_ms = min(end_ms, starts[at + 1])
        text = " ".join(one.label.split())[:LONGEST_DESCRIPTION]
        passages.append(Passage(at, PassageTrack.DESCRIPTION, starts[at], end_ms, text))
    return passages


def _list_borders(findings: Sequence[Finding], cuts_ms: Sequence[int]) -> list[tuple[int, int]]:
    """Return ranges of at most 20 s that cover what was found, cut where shots are."""
    if not findings:
        return []
    first_ms = min(one.start_ms for one in findings)
    last_ms = max(one.end_ms for one in findings)
    inner = sorted(cut for cut in set(cuts_ms) if first_ms < cut < last_ms)
    borders: list[tuple[int, int]] = []
    for start_ms, end_ms in zip([first_ms, *inner], [*inner, last_ms], strict=True):
        parts = max(1, -(-(end_ms - start_ms) // MOST_MS))
        edges = [start_ms + (end_ms - start_ms) * part // parts for part in range(parts + 1)]
        borders += pairwise(edges)
    return borders


def _list_labels(findings: Iterable[Finding]) -> list[str]:
    """Return the labels in order of time, each once whatever its case."""
    labels: dict[str, str] = {}
    for finding in sorted(findings, key=lambda one: one.start_ms):
        label = " ".join(finding.label.split())[:LONGEST_LABEL]
        if label and len(labels) < MOST_LABELS:
            labels.setdefault(fold(label), label)
    return list(labels.values())
