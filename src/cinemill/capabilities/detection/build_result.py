"""Build the result of a detection from the scores of an ensemble."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cinemill.capabilities.detection.ensemble.fusion import Ensemble, Member
from cinemill.capabilities.detection.ensemble.scoring import EnsembleScores
from cinemill.capabilities.detection.ensemble.training_statement import (
    Grade,
    TrainingStatement,
)
from cinemill.capabilities.detection.results import (
    CalibrationResult,
    DetectionResult,
    FaceCountsResult,
    FaceScoreResult,
    MemberResult,
    ReasonResult,
    RegionResult,
    TrackResult,
    TrainingDataResult,
    TrainingResult,
)
from cinemill.capabilities.detection.verdict.aggregation import aggregate_track
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import (
    STARTER_MARGIN,
    Calibration,
)
from cinemill.capabilities.detection.verdict.evidence import FaceCounts
from cinemill.capabilities.detection.verdict.regions import (
    MOST_GAP_MS,
    ScoredTrack,
    find_regions,
)
from cinemill.capabilities.detection.verdict.statements import describe_verdict
from cinemill.capabilities.detection.verdict.verdict import (
    NO_MODEL,
    Verdict,
    decide_verdict,
    find_part_band,
)

MOST_DATASETS = 50


def build_result(
    ensemble: Ensemble,
    scores: EnsembleScores,
    faces: FaceCounts,
    *,
    bits_per_pixel: float | None = None,
    most_gap_ms: int = MOST_GAP_MS,
) -> DetectionResult:
    """Decide the verdict and return it with everything that it rests on.

    Scores of frames, tracks and regions are stated only where the verdict has a score: where the
    calibration says nothing about a video, it says nothing about its faces. Logits are always
    stated.
    """
    calibration = _find_calibration(ensemble)
    verdict = (
        decide_verdict(faces, scores.video, calibration, bits_per_pixel=bits_per_pixel)
        if ensemble.heads
        else NO_MODEL
    )
    scale = _Scale(verdict, calibration if verdict.score is not None else None)
    return DetectionResult(
        verdict=verdict.band,
        score=verdict.score,
        confidence=verdict.confidence,
        reasons=tuple(ReasonResult(reason, reason.sentence) for reason in verdict.reasons),
        sentences=describe_verdict(verdict, calibration),
        faces=_count_faces(faces),
        tracks=tuple(_describe_track(track, scale) for track in scores.tracks),
        regions=_list_regions(verdict, scores, calibration, most_gap_ms),
        members=tuple(_describe_member(member, scores) for member in ensemble.members),
        weights_from=ensemble.weight_source.value,
        calibration=describe_calibration(calibration) if calibration else None,
    )


def _find_calibration(ensemble: Ensemble) -> Calibration | None:
    """Return the calibration; with a starter head it decides nothing but clear cases."""
    calibration = ensemble.calibration
    if calibration is None or not any(
        head.grade is Grade.STARTER for head in ensemble.heads.values()
    ):
        return calibration
    margin = max(calibration.margin, STARTER_MARGIN)
    return calibration.model_copy(update={"margin": margin})


def build_empty_result(verdict: Verdict, faces: FaceCounts) -> DetectionResult:
    """Return the result where no ensemble scored anything: no model, or a failure."""
    return DetectionResult(
        verdict=verdict.band,
        score=None,
        confidence=None,
        reasons=tuple(ReasonResult(reason, reason.sentence) for reason in verdict.reasons),
        sentences=describe_verdict(verdict, None),
        faces=_count_faces(faces),
    )


def _count_faces(faces: FaceCounts) -> FaceCountsResult:
    return FaceCountsResult(
        frames=faces.frames,
        frames_without_face=faces.frames_without_face,
        usable=faces.usable,
        excluded=dict(faces.excluded),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """What a verdict allows to say about parts of its video."""

    verdict: Verdict
    calibration: Calibration | None
    """None if it says nothing about this video."""

    def score(self, logit: float) -> float | None:
        return _scale(logit, self.calibration) if self.calibration else None

    def band(self, logit: float) -> Band:
        if self.calibration is None:
            return Band.INCONCLUSIVE
        return find_part_band(logit, self.verdict, self.calibration)

    def track_band(self, track: ScoredTrack, logit: float) -> Band:
        """Return the band of a track; one with too few faces is not decided."""
        least = self.calibration.least_faces if self.calibration else 0
        return self.band(logit) if len(track.faces) >= least else Band.INCONCLUSIVE


def _describe_track(track: ScoredTrack, scale: _Scale) -> TrackResult:
    logit = aggregate_track(track.logits)
    return TrackResult(
        number=track.number,
        start_ms=track.faces[0].time_ms,
        end_ms=track.faces[-1].time_ms,
        band=scale.track_band(track, logit),
        score=scale.score(logit),
        faces=tuple(
            FaceScoreResult(
                time_ms=face.time_ms,
                left=face.box.left,
                top=face.box.top,
                width=face.box.width,
                height=face.box.height,
                band=scale.band(face.logit),
                score=scale.score(face.logit),
                logit=_finite(face.logit),
                member_logits=_keep_finite(face.member_logits),
            )
            for face in track.faces
        ),
    )


def _list_regions(
    verdict: Verdict, scores: EnsembleScores, calibration: Calibration | None, most_gap_ms: int
) -> tuple[RegionResult, ...]:
    """Return the regions of a video that is flagged: a part accuses no more than the whole."""
    if calibration is None or verdict.band is not Band.LIKELY_MANIPULATED:
        return ()
    return tuple(
        RegionResult(
            track=one.track,
            start_ms=one.start_ms,
            end_ms=one.end_ms,
            left=one.left,
            top=one.top,
            width=one.width,
            height=one.height,
            score=calibration.probability(one.logit),
            peak_ms=one.peak_ms,
            sightings=one.sightings,
        )
        for one in find_regions(scores.tracks, calibration.flag_logit, most_gap_ms=most_gap_ms)
    )


def _describe_member(member: Member, scores: EnsembleScores) -> MemberResult:
    head = member.head
    if head is None:
        return MemberResult(member.name, member.weight, is_missing=True)
    distances = scores.video.distances if scores.video else {}
    return MemberResult(
        name=member.name,
        weight=member.weight,
        is_missing=False,
        head=head.name,
        grade=head.grade.value,
        model=head.space.model,
        model_revision=head.space.revision,
        preprocessing=head.space.preprocessing,
        digest=head.digest,
        logit=_finite(scores.member_logits.get(member.name)),
        distance=_finite(distances.get(member.name)),
        training=_describe_training(head.training),
    )


def _describe_training(statement: TrainingStatement) -> TrainingResult:
    """Return what a head says about its training; of many data sets, the first."""
    return TrainingResult(
        method=statement.method,
        datasets=tuple(
            TrainingDataResult(one.name, one.licence, one.identities, one.videos)
            for one in statement.datasets[:MOST_DATASETS]
        ),
        metrics=_keep_finite(statement.metrics),
    )


def describe_calibration(calibration: Calibration) -> CalibrationResult:
    """Return what a report says about a calibration."""
    known, fakes = calibration.unmanipulated, calibration.manipulated
    return CalibrationResult(
        data=calibration.data,
        nominal_false_positive_rate=calibration.nominal_false_positive_rate,
        nominal_miss_rate=calibration.nominal_miss_rate,
        unmanipulated_videos=len(known.scores),
        unmanipulated_groups=known.groups,
        manipulated_videos=len(fakes.scores),
        manipulated_groups=fakes.groups,
        flag_score=_scale(calibration.flag_logit, calibration),
        clear_score=_scale(calibration.clear_logit, calibration),
    )


def _scale(logit: float, calibration: Calibration) -> float | None:
    return calibration.probability(logit) if math.isfinite(logit) else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _keep_finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
