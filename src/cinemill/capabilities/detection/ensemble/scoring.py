"""Scoring: from the features of each face to the scores of frames, tracks and the video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.ensemble.features import Features
from cinemill.capabilities.detection.ensemble.fusion import Ensemble, fuse, measure_disagreement
from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.verdict.aggregation import (
    AGGREGATION_VERSION,
    aggregate_video,
)
from cinemill.capabilities.detection.verdict.distance import summarize_distances
from cinemill.capabilities.detection.verdict.evidence import STANDARD_FRAMES, VideoScores
from cinemill.capabilities.detection.verdict.regions import ScoredFace, ScoredTrack
from cinemill.core.faces import FaceTrack

Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TrackFeatures:
    """The usable faces of a track and their features, one row for each face in each member."""

    track: FaceTrack
    features: Mapping[str, Features]
    """Joined levels of each member that is there."""


@dataclass(frozen=True, slots=True)
class EnsembleScores:
    """Everything that an ensemble measured on a video."""

    tracks: tuple[ScoredTrack, ...]
    member_logits: Mapping[str, float]
    """The score of the video by each member alone."""
    video: VideoScores | None
    """None if no face was scored."""


def score_tracks(
    ensemble: Ensemble, tracks: Sequence[TrackFeatures], *, frames: int = STANDARD_FRAMES
) -> EnsembleScores:
    """Return the scores of the faces, of each member, and of the video.

    ``frames`` is the number of frames in which faces were looked for.

    Raises ValueError if a member that is there has no features of a track, or another number of
    them than there are faces.
    """
    filled = [one for one in tracks if one.track.faces]
    if not filled or not ensemble.heads:
        return EnsembleScores((), {}, None)
    logits = [_score_members(ensemble, one) for one in filled]
    fused = [fuse(ensemble, one) for one in logits]
    members = {name: aggregate_video([one[name] for one in logits]) for name in ensemble.heads}
    video = VideoScores(
        logit=aggregate_video(fused),
        tracks=len(filled),
        subject=ensemble.subject,
        aggregation=AGGREGATION_VERSION,
        distances=_measure_distances(ensemble, filled),
        disagreement=measure_disagreement(ensemble, members),
        frames=frames,
        missing=ensemble.missing,
    )
    rows = zip(filled, fused, logits, strict=True)
    scored = tuple(_attach(one.track, row, alone) for one, row, alone in rows)
    return EnsembleScores(scored, members, video)


def _score_members(ensemble: Ensemble, track: TrackFeatures) -> dict[str, Logits]:
    logits = {name: head.score(track.features[name]) for name, head in _pair(ensemble, track)}
    if any(len(rows) != len(track.track.faces) for rows in logits.values()):
        raise ValueError(f"track {track.track.number} has more or fewer faces than features")
    return logits


def _pair(ensemble: Ensemble, track: TrackFeatures) -> list[tuple[str, Head]]:
    missing = [name for name in ensemble.heads if name not in track.features]
    if missing:
        raise ValueError(f"track {track.track.number} has no features of {', '.join(missing)}")
    return list(ensemble.heads.items())


def _measure_distances(ensemble: Ensemble, tracks: Sequence[TrackFeatures]) -> dict[str, float]:
    found = {}
    for name, head in ensemble.heads.items():
        rows = np.concatenate([one.features[name] for one in tracks])
        distances = head.measure_distances(rows)
        if distances is not None:
            found[name] = summarize_distances(distances)
    return found


def _attach(track: FaceTrack, fused: Logits, alone: Mapping[str, Logits]) -> ScoredTrack:
    faces = (
        ScoredFace(
            face.time_ms,
            face.box,
            float(fused[row]),
            {name: float(logits[row]) for name, logits in alone.items()},
        )
        for row, face in enumerate(track.faces)
    )
    return ScoredTrack(track.number, tuple(faces))
