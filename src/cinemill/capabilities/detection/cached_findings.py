"""The findings of a detection as the document that is cached."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from cinemill.core.documents import JsonObject
from cinemill.storage.analyses.records import Box, FrameScore, Metrics, Result, SuspiciousRegion
from cinemill.storage.analyses.results import Findings


def write_document(findings: Findings) -> JsonObject:
    """Return the findings as they are cached."""
    return asdict(findings)


def read_document(document: JsonObject) -> Findings | None:
    """Return cached findings; None for a document of another version."""
    cached: dict[str, Any] = dict(document)
    try:
        return Findings(
            result=Result(**cached["result"]),
            frames=[_read_frame(row) for row in cached["frames"]],
            regions=[_read_region(row) for row in cached["regions"]],
            metrics=Metrics(**cached["metrics"]),
        )
    except (KeyError, TypeError):
        return None


def _read_frame(row: Any) -> FrameScore:
    box = row["box"]
    return FrameScore(**{**row, "box": None if box is None else Box(*box)})


def _read_region(row: Any) -> SuspiciousRegion:
    return SuspiciousRegion(**{**row, "box": Box(*row["box"])})


def mark_cached(findings: Findings, seconds: float) -> Findings:
    """Return the findings as those of an analysis that took so long because they were cached."""
    metrics = replace(
        findings.metrics,
        processing_seconds=seconds,
        stage_seconds={"look_up": seconds},
        cache_hit=True,
    )
    return replace(findings, metrics=metrics)
