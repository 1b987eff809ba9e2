"""The analyses of a fake client: what their jobs' outcomes say, and what people decide about it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from cinemill.api.models import analyses as server
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.reasons import Reason
from cinemill.client import Client
from cinemill.client.models import (
    AnalysisDetails,
    AnalysisDocument,
    FrameScoreDocument,
    RegionDocument,
    ReviewDocument,
)
from cinemill.core.job import Job, JobState
from cinemill.errors import Conflict, NotFound
from cinemill.storage.analyses.records import (
    Analysis,
    AnalysisError,
    Box,
    Metrics,
    Result,
    Review,
    ReviewAction,
    SuspiciousRegion,
)
from cinemill.storage.analyses.reviews import (
    refuse_outdated,
    refuse_unfinished,
    require_finding,
    require_verdict,
)
from cinemill.testing.answers import (
    as_client_errors,
    check_limit,
    parameter_invalid,
    read_body,
)
from cinemill.testing.fake_assets import FakeAssets
from cinemill.testing.fake_jobs import FakeJob, FakeJobs

DETECT = "detect_video"
_DEFAULT = {"verdict": "no_model", "reasons": ["no_model"]}
"""What a fake without an outcome finds, as an installation without a detector."""
_REVIEWED = (Band.INCONCLUSIVE, Band.LIKELY_MANIPULATED)


class FakeAnalysisCalls(Client):
    """The analyses of a fake.

    An analysis is a job of the kind ``detect_video``, and finds the result of its outcome: what the
    task of that name returns (``verdict``, ``score``, ``reasons``, ``faces``, ``regions`` …), and
    ``frames``, a list of FrameScoreDocument. Read by itself, it moves on like its job.
    """

    _jobs: FakeJobs
    _assets: FakeAssets
    _reviews: list[Review]

    @abstractmethod
    def _create(
        self,
        kind: str,
        params: Mapping[str, object],
        asset_id: str | None,
        priority: int | None,
        key: str | None,
    ) -> Job:
        """Create a job."""

    @abstractmethod
    def _look(self, job_id: str) -> FakeJob:
        """Find a job as it is now, and let it move on."""

    def analyze(
        self, asset_id: str, *, fast: bool = False, priority: int | None = None
    ) -> AnalysisDocument:
        new = read_body(server.CreateAnalysisRequest, {"fast": fast, "priority": priority})
        with as_client_errors():
            self._assets.find_lasting(asset_id)
        return self._analyze(asset_id, new)

    def analyze_batch(
        self, asset_ids: Sequence[str], *, fast: bool = False, priority: int | None = None
    ) -> list[AnalysisDocument]:
        body = {"asset_ids": list(asset_ids), "fast": fast, "priority": priority}
        new = read_body(server.CreateAnalysesRequest, body)
        for place, asset_id in enumerate(new.asset_ids):
            try:
                self._assets.find_lasting(asset_id)
            except (Conflict, NotFound):
                what = f"there is no asset {asset_id}, or it is being deleted"
                raise parameter_invalid(f"asset_ids.{place}", what) from None
        return [self._analyze(asset_id, new) for asset_id in new.asset_ids]

    def _analyze(self, asset_id: str, new: server.CreateAnalysisRequest) -> AnalysisDocument:
        job = self._create(DETECT, {"fast": new.fast}, asset_id, new.priority, None)
        return _dump(server.AnalysisDocument.from_record(self._describe(job)))

    def analysis(self, analysis_id: str) -> AnalysisDetails:
        self._find(analysis_id)
        job = self._look(analysis_id).job
        parts = (_result_of(job), _metrics_of(job)) if _has_result(job) else (None, None)
        details = server.AnalysisDetails.from_parts(self._describe(job), *parts)
        return cast("AnalysisDetails", details.model_dump(mode="json"))

    def analyses(
        self,
        *,
        asset_id: str | None = None,
        status: str | None = None,
        verdict: str | None = None,
        limit: int = 50,
    ) -> list[AnalysisDocument]:
        check_limit(limit)
        if status is not None and status not in set(JobState):
            raise parameter_invalid("status", f"must be one of {', '.join(JobState)}")
        if verdict is not None and verdict not in set(Band):
            raise parameter_invalid("verdict", f"must be one of {', '.join(Band)}")
        wanted = {"asset_id": asset_id, "state": status, "verdict": verdict}
        found = [
            one
            for one in map(self._describe, self._list_jobs())
            if all(value in (None, getattr(one, name)) for name, value in wanted.items())
        ]
        return [_dump(server.AnalysisDocument.from_record(one)) for one in found[:limit]]

    def analysis_frames(
        self, analysis_id: str, *, face: int | None = None
    ) -> Iterator[FrameScoreDocument]:
        found = _finding_of(self._find(analysis_id), "frames")
        frames = [server.FrameScoreDocument.model_validate(one).model_dump() for one in found]
        shown = [one for one in frames if face in (None, one["face"])]
        return iter(cast("list[FrameScoreDocument]", shown))

    def analysis_regions(self, analysis_id: str) -> list[RegionDocument]:
        found = _finding_of(self._find(analysis_id), "regions")
        records = [_region_of(one) for one in found]
        regions = [server.RegionDocument.from_record(one).model_dump() for one in records]
        return cast("list[RegionDocument]", regions)

    def review_queue(self, *, limit: int = 50) -> list[AnalysisDocument]:
        check_limit(limit)
        waiting = [one for one in map(self._describe, self._list_jobs()) if one.needs_review]
        return [_dump(server.AnalysisDocument.from_record(one)) for one in waiting[::-1][:limit]]

    def reviews(self, analysis_id: str) -> list[ReviewDocument]:
        job = self._find(analysis_id)
        return [_dump_review(one) for one in self._reviews_of(job.id)]

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
        body = {
            "action": action,
            "reviewer": reviewer,
            "reason": reason,
            "verdict": verdict,
            "seen": seen,
        }
        new = read_body(server.ReviewRequest, body)
        job = self._find(analysis_id)
        with as_client_errors():
            self._check_review(job, new)
        result = _result_of(job)
        decided: dict[ReviewAction, str | None] = {
            ReviewAction.ACCEPT: result.verdict,
            ReviewAction.OVERRIDE: new.verdict,
        }
        added = Review(
            id=len(self._reviews) + 1,
            analysis_id=job.id,
            action=new.action,
            reviewer=new.reviewer,
            reason=new.reason,
            model_verdict=result.verdict,
            model_score=result.score,
            verdict=decided.get(new.action),
            created_at=self._jobs.tick(),
        )
        self._reviews.append(added)
        return _dump_review(added)

    def _check_review(self, job: Job, new: server.ReviewRequest) -> None:
        if new.action is ReviewAction.OVERRIDE:
            require_verdict(new.verdict or "")
        if not _has_result(job):
            raise refuse_unfinished(job.id)
        if new.action is ReviewAction.ACCEPT:
            require_finding(job.id, _result_of(job).verdict)
        last = max((one.id for one in self._reviews_of(job.id)), default=0)
        if new.action is not ReviewAction.FLAG and new.seen not in (None, last):
            raise refuse_outdated(job.id)

    def _reviews_of(self, analysis_id: str) -> list[Review]:
        return [one for one in self._reviews if one.analysis_id == analysis_id]

    def _find(self, analysis_id: str) -> Job:
        with as_client_errors():
            for job in self._list_jobs():
                if job.id == analysis_id:
                    return job
            raise NotFound(f"There is no analysis {analysis_id}.", code="analysis_not_found")

    def _list_jobs(self) -> Iterator[Job]:
        return (job for job in self._jobs.listed() if job.kind == DETECT)

    def _describe(self, job: Job) -> Analysis:
        verdict = _result_of(job).verdict if _has_result(job) else None
        if job.state is JobState.FAILED:
            verdict = "failed"
        reviews = self._reviews_of(job.id)
        decisions = [one.verdict for one in reviews if one.verdict is not None]
        is_flagged = bool(reviews) and reviews[-1].action is ReviewAction.FLAG
        failure = job.failure
        return Analysis(
            id=job.id,
            asset_id=job.asset_id,
            owner=job.owner,
            kind=job.kind,
            state=job.state,
            is_fast=bool(job.params.get("fast")),
            step_key="",
            verdict=verdict,
            reviewed_verdict=decisions[-1] if decisions else None,
            needs_review=is_flagged or (verdict in _REVIEWED and not decisions),
            error=AnalysisError(failure.code, failure.message, failure.hint) if failure else None,
            created_at=job.queued_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            expires_at=None,
        )


def _has_result(job: Job) -> bool:
    return job.state is JobState.COMPLETED


def _found_by(job: Job) -> Mapping[str, Any]:
    return {**_DEFAULT, **(job.result or {})} if _has_result(job) else {}


def _finding_of(job: Job, name: str) -> Sequence[Any]:
    found: Sequence[Any] = _found_by(job).get(name, ())
    return found


def _result_of(job: Job) -> Result:
    found = _found_by(job)
    reasons = tuple(found["reasons"])
    tracks = [{**face, "faces": [None] * face["sightings"]} for face in found.get("faces", ())]
    return Result(
        verdict=found["verdict"],
        score=found.get("score"),
        reasons=reasons,
        face_count=len(tracks),
        versions=found.get("versions", {}),
        report={
            "reasons": [{"code": one, "sentence": _explain(one)} for one in reasons],
            "sentences": found.get("sentences", ()),
            "tracks": tracks,
        },
    )


def _explain(code: str) -> str:
    return Reason(code).sentence if code in set(Reason) else ""


def _metrics_of(job: Job) -> Metrics:
    found = _found_by(job)
    return Metrics(
        processing_seconds=found.get("processing_seconds", 0.0),
        stage_seconds=found.get("stages", {}),
        frame_count=found.get("frame_count", 0),
        cache_hit=found.get("cache_hit", False),
        confidence=found.get("confidence"),
    )


def _region_of(found: Any) -> SuspiciousRegion:
    return SuspiciousRegion(
        start_ms=found["start_ms"],
        end_ms=found["end_ms"],
        score=found["score"],
        box=Box(found["left"], found["top"], found["width"], found["height"]),
        face_number=found["track"],
    )


def _dump(document: server.AnalysisDocument) -> AnalysisDocument:
    return cast("AnalysisDocument", document.model_dump(mode="json"))


def _dump_review(review: Review) -> ReviewDocument:
    document = server.ReviewDocument.from_record(review)
    return cast("ReviewDocument", document.model_dump(mode="json"))
