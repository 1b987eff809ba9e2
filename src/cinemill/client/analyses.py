"""Analyses of videos, their findings and their reviews, as methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from cinemill.client.calls import Calls, part_of
from cinemill.client.connection import API, drop_none
from cinemill.client.models import (
    AnalysisDetails,
    AnalysisDocument,
    FrameScoreDocument,
    RegionDocument,
    ReviewDocument,
)


class AnalysisCalls(Calls):
    """What a client can do with analyses. An analysis has the id of its job: watch it by that."""

    def analyze(
        self, asset_id: str, *, fast: bool = False, priority: int | None = None
    ) -> AnalysisDocument:
        """Queue an analysis of a stored video for manipulated faces.

        ``fast`` examines 8 frames instead of 32; ``priority`` is 0-10, 10 first.
        """
        body = {"fast": fast, **drop_none(priority=priority)}
        reply = self._post(f"{API}/assets/{part_of(asset_id)}/analyses", body)
        return cast("AnalysisDocument", reply)

    def analyze_batch(
        self, asset_ids: Sequence[str], *, fast: bool = False, priority: int | None = None
    ) -> list[AnalysisDocument]:
        """Queue an analysis of each of 1 to 1000 stored videos.

        If one is refused, none is queued.
        """
        body = {"asset_ids": list(asset_ids), "fast": fast, **drop_none(priority=priority)}
        return cast("list[AnalysisDocument]", self._post(f"{API}/analyses", body)["analyses"])

    def analysis(self, analysis_id: str) -> AnalysisDetails:
        """Return an analysis with its verdict and what it rests on."""
        return cast("AnalysisDetails", self._get(_path(analysis_id)))

    def analyses(
        self,
        *,
        asset_id: str | None = None,
        status: str | None = None,
        verdict: str | None = None,
        limit: int = 50,
    ) -> list[AnalysisDocument]:
        """List analyses, newest first; ``limit`` is the most to return."""
        wanted = drop_none(asset_id=asset_id, status=status, verdict=verdict)
        return cast("list[AnalysisDocument]", self._list("analyses", "analyses", limit, wanted))

    def analysis_frames(
        self, analysis_id: str, *, face: int | None = None
    ) -> Iterator[FrameScoreDocument]:
        """Yield the score of each face in each frame by time; ``face`` is the number of one."""
        path = f"analyses/{part_of(analysis_id)}/frames"
        return self._iterate(path, "frames", None, drop_none(face=face))

    def analysis_regions(self, analysis_id: str) -> list[RegionDocument]:
        """List the ranges of time in which a face looks manipulated."""
        path = f"analyses/{part_of(analysis_id)}/regions"
        return cast("list[RegionDocument]", self._list(path, "regions", None))

    def review_queue(self, *, limit: int = 50) -> list[AnalysisDocument]:
        """List the analyses that a person should decide about, oldest first."""
        return cast("list[AnalysisDocument]", self._list("reviews", "analyses", limit))

    def reviews(self, analysis_id: str) -> list[ReviewDocument]:
        """List what people decided about an analysis, oldest first."""
        path = f"analyses/{part_of(analysis_id)}/reviews"
        return cast("list[ReviewDocument]", self._list(path, "reviews", None))

    def review(
        self,
        analysis_id: str,
        *,
        action: str,
        reviewer: str,
        reason: str,
        verdict: str | None = None,
        seen: int | None = None,
    ) -> ReviewDocument:
        """Record a person's decision: ``accept``, ``override`` (with a ``verdict``) or ``flag``.

        ``seen`` is the id of the last review that the person saw, 0 for none: the decision is
        refused if another was added since.
        """
        body = {
            "action": action,
            "reviewer": reviewer,
            "reason": reason,
            **drop_none(verdict=verdict, seen=seen),
        }
        return cast("ReviewDocument", self._post(f"{_path(analysis_id)}/reviews", body))


def _path(analysis_id: str) -> str:
    return f"{API}/analyses/{part_of(analysis_id)}"
