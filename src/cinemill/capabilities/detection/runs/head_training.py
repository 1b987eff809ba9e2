"""One head: its fit on rows of pairs, its figures on people left out, and its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.datasets.records import VideoKey
from cinemill.capabilities.detection.ensemble.features import Features, FeatureSpace
from cinemill.capabilities.detection.ensemble.projection import Projection, fit_projection
from cinemill.capabilities.detection.evaluation.measurement import RankedSet, rank
from cinemill.capabilities.detection.evaluation.ranking import roc_auc
from cinemill.capabilities.detection.evaluation.video_scores import FrameScore, join_frames
from cinemill.capabilities.detection.runs.face_search import FoundFaces
from cinemill.capabilities.detection.runs.pair_rows import Backbone, PairRows, compute_rows
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.training.feature_store import FeatureStore
from cinemill.capabilities.detection.training.head_fit import fit_head
from cinemill.capabilities.detection.training.pair_features import PairPlan
from cinemill.capabilities.detection.training.pair_schedule import FaceReference
from cinemill.capabilities.detection.training.self_blending import Control
from cinemill.capabilities.detection.verdict.distance import DistanceReference, fit_distance
from cinemill.capabilities.detection.verdict.scaling import Scaling, fit_scaling
from cinemill.errors import InputRejected
from cinemill.inference.statistics.logistic import TrainingImpossible

BLENDED = "self-blended"
"""The method of fakes that are made here."""
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.01, 100.0
NO_SCALING = Scaling(1.0, 0.0)
CONTROL_FACES = 100
"""People are mixed in their order, so that the first ones are of many people."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedHead:
    """The numbers of a head, and what was measured of it."""

    space: FeatureSpace
    weights: NDArray[np.float32]
    bias: float
    temperature: float
    projection: Projection | None
    distance: DistanceReference
    held_out_logits: NDArray[np.float64]
    """For each row, by a head that has not seen its person."""
    is_fake: Sequence[bool]
    metrics: Mapping[str, float]
    controls: Mapping[str, float] = field(default_factory=dict)
    """AUC on each kind of control pair."""

    def score(self, rows: Features) -> NDArray[np.float64]:
        wide = rows.astype(np.float64)
        projected = wide if self.projection is None else self.projection.apply(wide)
        logits: NDArray[np.float64] = projected @ self.weights.astype(np.float64) + self.bias
        return logits


def train_member(rows: PairRows, space: FeatureSpace, seed: int, removed: int) -> TrainedHead:
    """Fit a head to the rows of a model's features. Raises TrainingImpossible."""
    features, projection = rows.features, None
    if removed:
        projection = _project(rows, removed)
        features = projection.apply(rows.features).astype(np.float32)
    fitted = fit_head(features, rows.is_fake, rows.identities, seed=seed)
    scaling = _scale(fitted.held_out_logits, rows.is_fake)
    return TrainedHead(
        space=space,
        weights=fitted.fit.weights.astype(np.float32),
        bias=fitted.fit.bias - scaling.midpoint,
        temperature=scaling.temperature,
        projection=projection,
        distance=fit_distance(features[::2]),
        held_out_logits=(fitted.held_out_logits - scaling.midpoint) / scaling.temperature,
        is_fake=rows.is_fake,
        metrics={"penalty": fitted.strength, **_measure(rows, fitted.held_out_logits, seed)},
    )


def measure_controls(
    bench: Workbench,
    backbone: Backbone,
    head: TrainedHead,
    found: FoundFaces,
    faces: Sequence[FaceReference],
    seed: int,
    store: FeatureStore,
    *,
    part: tuple[int, int],
) -> dict[str, float]:
    """Return the AUC on pairs in which nothing is to be found: 0.5 is right.

    These are the controls of backbone number ``part[0]`` of ``part[1]``.
    """
    chosen = faces[:CONTROL_FACES]
    measured = {}
    for number, control in enumerate(Control):
        place = (part[0] * len(Control) + number, part[1] * len(Control))
        plan = PairPlan(seed, control=control)
        what = f"Measuring the control {control.value}"
        rows = compute_rows(bench, backbone, found, chosen, plan, store, what=what, part=place)
        # Where a row lies in a matrix may change the last bits of its product.
        measured[control.value] = roc_auc(rows.is_fake, head.score(rows.features).round(6))
    return measured


def _project(rows: PairRows, removed: int) -> Projection:
    try:
        return fit_projection(rows.features[::2], removed)
    except ValueError as problem:
        raise TrainingImpossible(
            f"{removed} directions cannot be removed: there are {len(rows.faces) // 2} pairs.",
            hint="Lower --remove-directions, or train on more faces.",
        ) from problem


def _scale(logits: NDArray[np.float64], is_fake: Sequence[bool]) -> Scaling:
    """Return the scaling of logits on people left out; none for a head that finds nothing."""
    try:
        found = fit_scaling(logits, is_fake)
    except InputRejected:
        return NO_SCALING
    # A slope of next to nothing is that of chance, and would blow up or flatten every score.
    return found if LEAST_TEMPERATURE <= found.temperature <= MOST_TEMPERATURE else NO_SCALING


def _measure(rows: PairRows, logits: NDArray[np.float64], seed: int) -> dict[str, float]:
    """Return the figures on blends of people left out, for faces and for whole videos."""
    frames = [
        FrameScore(_name_video(face.video, is_fake), is_fake, face.identity, float(logit))
        for face, is_fake, logit in zip(rows.faces, rows.is_fake, logits, strict=True)
    ]
    by_face = rank(frames, seed=seed)
    by_video = rank(join_frames(frames), seed=seed)
    return {**_name_figures("face", by_face), **_name_figures("video", by_video)}


def _name_video(video: VideoKey, is_fake: bool) -> VideoKey:
    return VideoKey(video.dataset, BLENDED, video.name) if is_fake else video


def _name_figures(what: str, ranked: RankedSet) -> dict[str, float]:
    figures = {f"{what}_auc": ranked.figures.auc}
    if ranked.intervals is not None:
        interval = ranked.intervals["auc"]
        figures |= {f"{what}_auc_low": interval.lower, f"{what}_auc_high": interval.upper}
    return figures
