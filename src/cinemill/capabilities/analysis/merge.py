"""Findings of chunks that were analysed side by side, merged as if the whole had been.

Pure. A chunk is responsible for a range of time, its core; cores cover the video without gaps. It
sees more than that, its window, so that what lies at a seam is seen whole in one of them. Three
rules:

- a moment (a frame's text, objects, faces, tags, a candidate for a key frame) counts in the chunk
  whose core it begins in, and nowhere else;
- a range (a kind of sound) that is cut by a window is joined with its rest, which overlaps it in
  the neighbor's window;
- a cut between shots is a moment; a window's own beginning is none.

What links moments (tracks, texts that stay, which key frame comes first) runs after the merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cinemill.capabilities.analysis.tracks import sort_key
from cinemill.core.findings.finding import Finding
from cinemill.core.frames import Shot


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a video's time, half-open, in milliseconds."""

    start_ms: int
    end_ms: int
    window_start_ms: int
    """At or before ``start_ms``."""
    window_end_ms: int
    """At or after ``end_ms``."""


@dataclass(frozen=True, slots=True)
class ChunkFindings:
    """What was found in a chunk's window. Times are those of the video."""

    chunk: Chunk
    findings: tuple[Finding, ...]


def split_time(duration_ms: int, *, chunk_ms: int, overlap_ms: int) -> list[Chunk]:
    """Return chunks of equal length that cover a video; each window reaches over both seams.

    The last core reaches a millisecond beyond the end, so that a frame at the very end is in it.
    Raises ValueError for lengths that are not positive.
    """
    if duration_ms < 0 or chunk_ms < 1 or overlap_ms < 1:
        raise ValueError("a chunk and its overlap last at least a millisecond")
    count = max(1, -(-duration_ms // chunk_ms))
    edges = [*(number * chunk_ms for number in range(count)), duration_ms + 1]
    return [
        Chunk(start, end, max(0, start - overlap_ms), min(duration_ms + 1, end + overlap_ms))
        for start, end in pairwise(edges)
    ]


def merge_moments(parts: Iterable[ChunkFindings]) -> list[Finding]:
    """Return each moment once, in order of time.

    Raises ValueError if the cores do not follow each other.
    """
    kept = [
        one
        for part in _check_cores(parts)
        for one in part.findings
        if part.chunk.start_ms <= one.start_ms < part.chunk.end_ms
    ]
    return sorted(kept, key=sort_key)


def merge_ranges(parts: Iterable[ChunkFindings]) -> list[Finding]:
    """Return the ranges of each label, joined over seams, in order of time.

    Ranges of one label do not overlap within a chunk, though they may touch. A joined range has the
    highest confidence of its parts, and the details and box of the first.

    Raises ValueError if the cores do not follow each other, or neighboring windows share nothing.
    """
    ordered = _check_cores(parts)
    for before, after in pairwise(ordered):
        if before.chunk.window_end_ms <= after.chunk.window_start_ms:
            raise ValueError(f"no chunk sees the seam at {after.chunk.start_ms} ms whole")
    latest: dict[str, Finding] = {}
    merged: list[Finding] = []
    found = [one for part in ordered for one in part.findings]
    for one in sorted(found, key=lambda each: (each.start_ms, -each.end_ms, each.label)):
        known = latest.get(one.label)
        if known is None or one.start_ms >= known.end_ms:
            if known is not None:
                merged.append(known)
            latest[one.label] = one
        else:
            latest[one.label] = _join(known, one)
    return sorted([*merged, *latest.values()], key=sort_key)


def merge_shots(parts: Iterable[ChunkFindings]) -> list[Shot]:
    """Return the shots of the whole video, by those of its chunks.

    Each chunk's shots cover its window. Raises ValueError if the cores do not follow each other.
    """
    ordered = _check_cores(parts)
    cuts = {
        one.start_ms
        for part in ordered
        for one in part.findings
        if part.chunk.start_ms <= one.start_ms < part.chunk.end_ms
        and one.start_ms != min(each.start_ms for each in part.findings)
    }
    found = [one for part in ordered for one in part.findings]
    if not found:
        return []
    first_ms, end_ms = min(one.start_ms for one in found), max(one.end_ms for one in found)
    edges = [first_ms, *sorted(cuts), end_ms]
    return [Shot(start, end) for start, end in pairwise(edges)]


def _join(first: Finding, second: Finding) -> Finding:
    stated = [one.confidence for one in (first, second) if one.confidence is not None]
    return replace(
        first,
        end_ms=max(first.end_ms, second.end_ms),
        confidence=max(stated) if stated else None,
    )


def _check_cores(parts: Iterable[ChunkFindings]) -> Sequence[ChunkFindings]:
    """Return the parts in order of time. Raises ValueError if the cores leave gaps or overlap."""
    ordered = sorted(parts, key=lambda part: part.chunk.start_ms)
    for before, after in pairwise(ordered):
        if before.chunk.end_ms != after.chunk.start_ms:
            raise ValueError(
                f"a chunk ends at {before.chunk.end_ms} ms, and the next one begins at "
                f"{after.chunk.start_ms} ms"
            )
    return ordered
