"""Findings of a service in the form that all findings have: within their range, each once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cinemill.core.findings.finding import Finding, FindingKind, PictureBox
from cinemill.inference.providers.jobs import FindingSet

GAP_MS = 1000
"""A text that is missing for so long, as in one sample that was not read, is still the same."""
SAME_PLACE = 0.5
"""Share of their union in which two boxes of the same text overlap."""


def normalise(found: FindingSet, *, start_ms: int, end_ms: int) -> FindingSet:
    """Return findings within a range (half-open), each once, sorted by time.

    The part of a finding outside of the range is cut off; one that is outside is left out. Lines
    of text that are seen in one sample after another become one finding.
    """
    within = (_cut(one, start_ms, end_ms) for one in found.findings)
    findings = _drop_doubles(one for one in within if one is not None)
    if found.kind is FindingKind.TEXT:
        findings = merge_repeated(findings)
    return replace(found, findings=sorted(findings, key=_order))


def merge_repeated(findings: Iterable[Finding], *, gap_ms: int = GAP_MS) -> list[Finding]:
    """Return findings in which the same label at the same place is one, from its first to its last.

    Box and confidence are those of the most certain sample.
    """
    merged: list[Finding] = []
    latest: dict[str, list[int]] = {}
    for one in sorted(findings, key=_order):
        candidates = latest.setdefault(one.label.casefold(), [])
        candidates[:] = [i for i in candidates if one.start_ms <= merged[i].end_ms + gap_ms]
        match = next((i for i in candidates if _is_same_place(merged[i].box, one.box)), None)
        if match is None:
            candidates.append(len(merged))
            merged.append(one)
        else:
            merged[match] = _join(merged[match], one)
    return merged


def _join(first: Finding, second: Finding) -> Finding:
    surer = second if (second.confidence or 0) > (first.confidence or 0) else first
    return replace(surer, start_ms=first.start_ms, end_ms=max(first.end_ms, second.end_ms))


def _is_same_place(one: PictureBox | None, other: PictureBox | None) -> bool:
    if one is None or other is None:
        return one is other
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(width, 0.0) * max(height, 0.0)
    union = one.width * one.height + other.width * other.height - shared
    return union > 0 and shared / union >= SAME_PLACE


def _cut(one: Finding, start_ms: int, end_ms: int) -> Finding | None:
    first_ms, last_ms = max(one.start_ms, start_ms), min(one.end_ms, end_ms)
    return replace(one, start_ms=first_ms, end_ms=last_ms) if first_ms < last_ms else None


def _drop_doubles(findings: Iterable[Finding]) -> list[Finding]:
    """Keep the surest of the findings that have range, label and box in common."""
    kept: dict[tuple[int, int, str, PictureBox | None], Finding] = {}
    for one in findings:
        place = (one.start_ms, one.end_ms, one.label, one.box)
        known = kept.get(place)
        if known is None or (one.confidence or 0) > (known.confidence or 0):
            kept[place] = one
    return list(kept.values())


def _order(finding: Finding) -> tuple[int, int, str]:
    return finding.start_ms, finding.end_ms, finding.label
