"""The findings of a detection: as rows, and as the result of its job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cinemill.capabilities.detection.build_result import build_empty_result, build_result
from cinemill.capabilities.detection.detector import Detector
from cinemill.capabilities.detection.ensemble.features import Features, join_levels
from cinemill.capabilities.detection.ensemble.scoring import (
    EnsembleScores,
    TrackFeatures,
    score_tracks,
)
from cinemill.capabilities.detection.results import DetectionResult, FaceScoreResult
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.evidence import FaceCounts
from cinemill.capabilities.detection.verdict.verdict import NO_MODEL
from cinemill.capabilities.detection.video_faces import VideoFaces, VideoFacts
from cinemill.core.documents import JsonObject
from cinemill.errors import InputRejected
from cinemill.storage.analyses.records import (
    Box,
    FrameScore,
    Metrics,
    Result,
    SuspiciousRegion,
)
from cinemill.storage.analyses.results import Findings

RESULT_VERSION = 3
"""Raise it whenever the same features and heads would give other findings."""
REVIEWED_BANDS = frozenset({Band.INCONCLUSIVE, Band.LIKELY_MANIPULATED})
"""What a person should look at."""
NO_FACES = FaceCounts(frames=0, frames_without_face=0, usable=0)


@dataclass(frozen=True, slots=True)
class Work:
    """What a finding took."""

    seconds: float
    stages: Mapping[str, float]
    is_cached: bool
    device: str = ""


def score_faces(faces: VideoFaces, detector: Detector, *, frames: int) -> EnsembleScores:
    """Run the heads on the features of a video, of which so many frames were looked at.

    Raises InputRejected (``features_invalid``) for features that no longer fit the heads.
    """
    joined = _join_features(faces, detector)
    tracks = [
        TrackFeatures(track, {member: rows[which] for member, rows in joined.items()})
        for track, which in faces.facts.list_tracks()
    ]
    return score_tracks(detector.ensemble, tracks, frames=frames)


def fits(faces: VideoFaces, detector: Detector) -> bool:
    """Check whether the heads can score these features: all there, of their shape, and finite."""
    try:
        _join_features(faces, detector)
    except InputRejected:
        return False
    return True


def _join_features(faces: VideoFaces, detector: Detector) -> dict[str, Features]:
    """Return the features of each member's model. Raises InputRejected (``features_invalid``)."""
    spaces = {member: head.space for member, head in detector.ensemble.heads.items()}
    return {
        member: join_levels(faces.features.get(space.model, {}), space)
        for member, space in spaces.items()
    }


def decide_findings(faces: VideoFaces, detector: Detector, work: Work, *, frames: int) -> Findings:
    """Run the heads on a video's features and decide its verdict.

    Raises InputRejected (``features_invalid``) for features that no longer fit the heads.
    """
    result = build_result(
        detector.ensemble,
        score_faces(faces, detector, frames=frames),
        faces.facts.count_faces(),
        bits_per_pixel=faces.facts.bits_per_pixel,
        most_gap_ms=2 * faces.facts.interval_ms,
    )
    return _describe(result, faces.facts, work, _name_versions(detector))


def find_no_model(work: Work) -> Findings:
    """Return the findings where no detector is installed: nothing was examined."""
    result = build_empty_result(NO_MODEL, NO_FACES)
    return _describe(result, VideoFacts((), (), {}, None), work, {"result": RESULT_VERSION})


def _name_versions(detector: Detector) -> JsonObject:
    return {
        "result": RESULT_VERSION,
        "ensemble": detector.subject,
        "heads": detector.head_digests,
        "models": {card.name: card.revision for card in detector.models},
    }


def _describe(
    result: DetectionResult, facts: VideoFacts, work: Work, versions: JsonObject
) -> Findings:
    return Findings(
        result=Result(
            verdict=result.verdict.value,
            score=result.score,
            reasons=tuple(reason.code.value for reason in result.reasons),
            face_count=len(result.tracks),
            versions=versions,
            report=result.to_json(),
        ),
        frames=tuple(_list_frames(result, facts)),
        regions=tuple(_list_regions(result)),
        metrics=Metrics(
            processing_seconds=work.seconds,
            stage_seconds=work.stages,
            frame_count=len(facts.frames),
            cache_hit=work.is_cached,
            confidence=result.confidence,
            device=work.device,
        ),
    )


def _list_frames(result: DetectionResult, facts: VideoFacts) -> Iterator[FrameScore]:
    """Yield a row for each face and for each frame without one, in order of time."""
    pts = {frame.time_ms: frame.pts for frame in facts.frames}
    why_not = result.reasons[0].code.value if result.reasons else "not_scored"
    rows = [
        _row_of(face, track.number, pts[face.time_ms], why_not)
        for track in result.tracks
        for face in track.faces
    ]
    rows += [
        FrameScore(frame.time_ms, frame.pts, None, frame.exclusion)
        for frame in facts.frames
        if frame.exclusion
    ]
    yield from sorted(rows, key=lambda row: (row.time_ms, row.face_number))


def _row_of(face: FaceScoreResult, track: int, pts: int, why_not: str) -> FrameScore:
    return FrameScore(
        time_ms=face.time_ms,
        pts=pts,
        score=face.score,
        exclusion="" if face.score is not None else why_not,
        face_number=track,
        box=Box(face.left, face.top, face.width, face.height),
        member_scores=face.member_logits,
    )


def _list_regions(result: DetectionResult) -> Iterator[SuspiciousRegion]:
    for region in result.regions:
        box = Box(region.left, region.top, region.width, region.height)
        yield SuspiciousRegion(
            region.start_ms, region.end_ms, region.score, box, face_number=region.track
        )


def needs_review(findings: Findings) -> bool:
    return findings.result.verdict in REVIEWED_BANDS


def add_stage(findings: Findings, name: str, seconds: float) -> Findings:
    """Return the findings with one more stage in what they took."""
    stages = {**findings.metrics.stage_seconds, name: seconds}
    total = round(findings.metrics.processing_seconds + seconds, 4)
    metrics = replace(findings.metrics, processing_seconds=total, stage_seconds=stages)
    return replace(findings, metrics=metrics)


def write_job_result(findings: Findings, *, job_id: str, asset_id: str) -> dict[str, Any]:
    """Return the result of the job, with the keys that scripts rely on."""
    report: dict[str, Any] = dict(findings.result.report)
    return {
        "analysis_id": job_id,
        "job_id": job_id,
        "asset_id": asset_id,
        "verdict": findings.result.verdict,
        "score": findings.result.score,
        "confidence": findings.metrics.confidence,
        "reasons": list(findings.result.reasons),
        "sentences": report["sentences"],
        "frame_count": findings.metrics.frame_count,
        "faces": [_summarize_track(**track) for track in report["tracks"]],
        "regions": report["regions"],
        "processing_seconds": findings.metrics.processing_seconds,
        "stages": dict(findings.metrics.stage_seconds),
        "cache_hit": findings.metrics.cache_hit,
        "versions": findings.result.versions,
    }


def _summarize_track(*, faces: Sequence[object], **others: Any) -> dict[str, Any]:
    """Return a track without its faces, which the analysis lists in pages."""
    return {**others, "sightings": len(faces)}
