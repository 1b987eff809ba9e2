"""Reports of analyses for tests, built by the code that builds real ones, from made-up scores."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
from tests.detection import OPTIONS, make_calibration_videos, make_head

from cinemill.capabilities.detection.analysis_report.gather import read_details
from cinemill.capabilities.detection.analysis_report.records import AnalysisReport
from cinemill.capabilities.detection.build_result import build_empty_result, build_result
from cinemill.capabilities.detection.ensemble.fusion import (
    Ensemble,
    WeightSource,
    make_ensemble,
)
from cinemill.capabilities.detection.ensemble.scoring import EnsembleScores
from cinemill.capabilities.detection.illustrations.choice import choose_faces, find_peaks
from cinemill.capabilities.detection.illustrations.records import (
    EvidenceMap,
    FacePicture,
    FacePictures,
)
from cinemill.capabilities.detection.results import DetectionResult
from cinemill.capabilities.detection.verdict.aggregation import (
    AGGREGATION_VERSION,
    aggregate_video,
)
from cinemill.capabilities.detection.verdict.calibration import fit_calibration
from cinemill.capabilities.detection.verdict.evidence import FaceCounts, VideoScores
from cinemill.capabilities.detection.verdict.regions import ScoredFace, ScoredTrack
from cinemill.capabilities.detection.verdict.verdict import NO_MODEL
from cinemill.core.faces import FaceBox
from cinemill.core.job import JobState
from cinemill.core.media import NO_PICTURE, MediaInfo, SourceFormat
from cinemill.core.origin.forensics import (
    FindingCode,
    FindingStrength,
    ForensicsFinding,
    ForensicsReport,
    ForensicsState,
)
from cinemill.core.origin.provenance import (
    ProvenanceProblem,
    ProvenanceReport,
    ProvenanceState,
    Signer,
    StatedAction,
)
from cinemill.media.frames.jpeg import encode_jpeg
from cinemill.storage.analyses.records import (
    Analysis,
    AnalysisError,
    Box,
    FrameScore,
    Metrics,
    Result,
    Review,
    ReviewAction,
    SuspiciousRegion,
)
from cinemill.storage.analyses.results import Findings
from cinemill.storage.media.assets import AssetRecord

BEGAN = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
ANALYSIS_ID = "7b0e6c0a-41f9-4f0e-9d55-7f9d3f0c6a11"
FLAGGED, CLEARED, UNDECIDED = 3.0, -3.0, -0.35
"""Logits that the calibration decides, and one that it does not."""
MEDIA = MediaInfo(
    format=SourceFormat.MP4,
    size_bytes=48_211_904,
    duration_seconds_from_header=61.4,
    start_seconds=0.0,
    bitrate_bps=6_281_000,
    video=replace(
        NO_PICTURE,
        index=0,
        codec="h264",
        width=1920,
        height=1080,
        display_width=1920,
        display_height=1080,
        fps=Fraction(30000, 1001),
    ),
)
PROVENANCE = ProvenanceReport(
    ProvenanceState.INVALID,
    signer=Signer(name="A camera", issuer="Its maker", signed_at="2026-11-01T08:00:00Z"),
    claim_generator="Camera 1.0",
    actions=(StatedAction("c2pa.created", "2026-11-01T08:00:00Z", "Camera", "digitalCapture"),),
    problems=(ProvenanceProblem("assertion.bmffHash.mismatch", "The hash differs."),),
    reader="c2pa-python 0.38.1",
)
ENCODING = ForensicsReport(
    ForensicsState.EXAMINED,
    codec="h264",
    frames=1840,
    seconds=61.4,
    findings=(
        ForensicsFinding(
            FindingCode.ENCODED_AGAIN,
            FindingStrength.WEAK,
            "The sizes of frames repeat every 12 frames, as an earlier encoding leaves it.",
        ),
        ForensicsFinding(
            FindingCode.TIME_GAP, FindingStrength.STRONG, "0.4 s of frames are missing.", 31_000
        ),
    ),
    not_examined=("What comes after 61 s.",),
)


def make_ensemble_of_tests() -> Ensemble:
    """Return a calibrated ensemble of one head."""
    heads = {"tiny": make_head()}
    ensemble = make_ensemble(heads, {"tiny": 1.0}, WeightSource.DEFAULT)
    options = replace(OPTIONS, subject=ensemble.subject)
    return replace(ensemble, calibration=fit_calibration(make_calibration_videos(), options))


def make_tracks(logit: float, *, faces: int = 2, sightings: int = 12) -> tuple[ScoredTrack, ...]:
    """Return faces that score about so much, each in frames five seconds apart."""
    random = np.random.default_rng(7)
    return tuple(
        ScoredTrack(
            number,
            tuple(
                ScoredFace(
                    time_ms=5_000 * at + 40 * number,
                    box=FaceBox(300.0 * number, 200.0, 180.0, 220.0, 0.9, ()),
                    logit=float(logit + random.normal(0, 0.4)),
                )
                for at in range(sightings)
            ),
        )
        for number in range(1, faces + 1)
    )


def make_details(
    tracks: Sequence[ScoredTrack], *, counts: FaceCounts | None = None
) -> DetectionResult:
    ensemble = make_ensemble_of_tests()
    total = sum(len(track.faces) for track in tracks)
    found = counts or FaceCounts(32, 6, total, {"face_too_small": 3, "face_blurred": 1})
    logit = aggregate_video([track.logits for track in tracks]) if tracks else 0.0
    video = VideoScores(
        logit=logit,
        tracks=len(tracks),
        subject=ensemble.subject,
        aggregation=AGGREGATION_VERSION,
        distances={"tiny": 1.0},
    )
    scores = EnsembleScores(
        tuple(tracks), {"tiny": logit} if tracks else {}, video if tracks else None
    )
    return build_result(ensemble, scores, found, bits_per_pixel=0.1)


def make_report(
    logit: float = FLAGGED,
    *,
    faces: int = 2,
    sightings: int = 12,
    details: DetectionResult | None = None,
) -> AnalysisReport:
    """Return the report of an analysis that has completed."""
    result = details or make_details(make_tracks(logit, faces=faces, sightings=sightings))
    # As the database returns it.
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    frames = tuple(_list_frames(result))
    stored = Result(
        verdict=result.verdict.value,
        score=result.score,
        reasons=tuple(one.code.value for one in result.reasons),
        face_count=len(result.tracks),
        versions={"result": 2, "heads": {"tiny": "d" * 64}},
        report=document,
    )
    metrics = Metrics(
        8.25, {"probe": 0.4, "analyze": 7.1, "illustrate": 0.75}, 32, False, 0.9, "cpu"
    )
    findings = Findings(stored, frames, _list_regions(result), metrics)
    peaks = find_peaks(findings)
    regions = [
        replace(one, evidence=make_map(peaks[at].time_ms).to_json() if at in peaks else None)
        for at, one in enumerate(findings.regions)
    ]
    return AnalysisReport(
        analysis=make_analysis(result.verdict.value),
        created_at=BEGAN + timedelta(hours=2),
        software_version="0.1.0",
        asset=AssetRecord(
            "a5a5", "local", "c0ffee" * 10 + "abcd", 48_211_904, "interview.mp4", MEDIA, BEGAN
        ),
        result=stored,
        details=read_details(document),
        metrics=metrics,
        frames=frames,
        regions=regions,
        reviews=(
            make_review(1, ReviewAction.FLAG, None, "The mouth looks odd at 0:31."),
            make_review(2, ReviewAction.OVERRIDE, "inconclusive", "The source has\nconfirmed it."),
        ),
        provenance=PROVENANCE,
        encoding=ENCODING,
        pictures=make_pictures(choose_faces(findings)),
    )


def make_failed_report() -> AnalysisReport:
    """Return the report of an analysis whose video could never be imported."""
    error = AnalysisError("source_not_found", "There is no such file.", "Check the path.")
    return AnalysisReport(
        analysis=replace(
            make_analysis("failed"), state=JobState.FAILED, error=error, asset_id=None
        ),
        created_at=BEGAN,
        software_version="0.1.0",
        source_name="/films/gone.mp4",
    )


def make_no_model_report() -> AnalysisReport:
    details = build_empty_result(NO_MODEL, FaceCounts(0, 0, 0))
    report = make_report(details=details)
    return replace(report, reviews=(), pictures=None, encoding=None, provenance=None)


def make_no_face_report() -> AnalysisReport:
    details = make_details((), counts=FaceCounts(32, 32, 0))
    return replace(make_report(details=details), reviews=(), pictures=None)


def make_analysis(verdict: str) -> Analysis:
    return Analysis(
        id=ANALYSIS_ID,
        asset_id="a5a5",
        owner="local",
        kind="detect_video",
        state=JobState.COMPLETED,
        is_fast=False,
        step_key="5" * 64,
        verdict=verdict,
        reviewed_verdict=None,
        needs_review=True,
        error=None,
        created_at=BEGAN,
        started_at=BEGAN,
        finished_at=BEGAN + timedelta(seconds=9),
        expires_at=None,
    )


def make_review(number: int, action: ReviewAction, verdict: str | None, reason: str) -> Review:
    return Review(
        id=number,
        analysis_id=ANALYSIS_ID,
        action=action,
        reviewer="Ines Álvarez",
        reason=reason,
        model_verdict="likely_manipulated",
        model_score=0.97,
        verdict=verdict,
        created_at=BEGAN + timedelta(minutes=number),
    )


def make_jpeg(shade: int = 120) -> str:
    pixels = np.full((224, 224, 3), shade, np.uint8)
    return base64.b64encode(encode_jpeg(pixels)).decode("ascii")


def make_pictures(faces: Sequence[FrameScore]) -> FacePictures:
    return FacePictures(
        tuple(FacePicture(one.face_number, one.time_ms, one.score, make_jpeg()) for one in faces)
    )


def make_map(time_ms: int) -> EvidenceMap:
    cells = [[0.0] * 7 for _ in range(7)]
    cells[4][2], cells[4][3], cells[5][3], cells[0][0] = 0.9, 1.2, 0.7, -0.3
    return EvidenceMap(time_ms, cells)


def _list_frames(result: DetectionResult) -> list[FrameScore]:
    rows = [
        FrameScore(
            time_ms=face.time_ms,
            pts=face.time_ms * 90,
            score=face.score,
            exclusion="" if face.score is not None else "not_calibrated",
            face_number=track.number,
            box=Box(face.left, face.top, face.width, face.height),
        )
        for track in result.tracks
        for face in track.faces
    ]
    rows.append(FrameScore(60_500, 5_445_000, None, "no_face"))
    return sorted(rows, key=lambda row: (row.time_ms, row.face_number))


def _list_regions(result: DetectionResult) -> list[SuspiciousRegion]:
    return [
        SuspiciousRegion(
            one.start_ms,
            one.end_ms,
            one.score,
            Box(one.left, one.top, one.width, one.height),
            one.track,
        )
        for one in result.regions
    ]


KEPT_TEXTS = frozenset({"jpeg", "verdict", "sha256", "id"})
"""Fields whose texts the software writes itself."""


def fill_texts(value: Any, text: str) -> Any:
    """Return the same records with this text in place of every text that is not empty."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return text if value else value
    if isinstance(value, dict):
        return {key: fill_texts(one, text) for key, one in value.items()}
    if isinstance(value, tuple | list):
        filled = [fill_texts(one, text) for one in value]
        return type(value)(*filled) if hasattr(value, "_fields") else type(value)(filled)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            one.name: fill_texts(getattr(value, one.name), text)
            for one in fields(value)
            if one.init and one.name not in KEPT_TEXTS
        }
        return replace(value, **changed)
    return value
