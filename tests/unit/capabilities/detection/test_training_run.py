"""A head trained and measured from data set to report, on painted faces and simple features."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinemill.capabilities.detection.datasets.leakage import find_leaks
from cinemill.capabilities.detection.datasets.own_folder import read_reals
from cinemill.capabilities.detection.datasets.records import VideoKey, VideoRecord
from cinemill.capabilities.detection.datasets.splits import Fractions, Split, split_records
from cinemill.capabilities.detection.evaluation.measurement import (
    Measurement,
    measure_scores,
    sigmoid,
)
from cinemill.capabilities.detection.evaluation.ranking import roc_auc
from cinemill.capabilities.detection.evaluation.report import (
    ControlOutcome,
    EvaluationReport,
    HeadStatement,
    list_caveats,
)
from cinemill.capabilities.detection.evaluation.report_page import write_page
from cinemill.capabilities.detection.evaluation.video_scores import FrameScore
from cinemill.capabilities.detection.training.feature_store import (
    Features,
    FeatureStore,
)
from cinemill.capabilities.detection.training.head_fit import HeadFit, fit_head
from cinemill.capabilities.detection.training.pair_features import PairPlan, extract_pairs
from cinemill.capabilities.detection.training.pair_schedule import FaceReference
from cinemill.capabilities.detection.training.self_blending import (
    Control,
)

if TYPE_CHECKING:
    from cinemill.capabilities.detection.training.face_area import Landmarks
    from cinemill.core.frames import Pixels

SIZE, PEOPLE, TAKES, SEED = 64, 24, 6, 1
CELLS = 8


def paint_face(person: int) -> Pixels:
    """A background, an oval and grain, different for each person."""
    random = np.random.default_rng(person)
    y, x = np.mgrid[0 : 1 : SIZE * 1j, 0 : 1 : SIZE * 1j]
    oval = (((x - 0.5) / 0.33) ** 2 + ((y - 0.5) / 0.43) ** 2 < 1)[..., None]
    picture = np.where(oval, random.uniform(90, 190, 3), random.uniform(30, 220, 3))
    picture = picture + 25 * np.sin(x * random.uniform(4, 9) + y * 5)[..., None]
    grain: NDArray[np.float64] = random.normal(0, 8, picture.shape)
    return np.asarray(np.clip(picture + grain, 0, 255), np.uint8)


def place_landmarks() -> Landmarks:
    """Points all over the painted oval, the same for everyone."""
    random = np.random.default_rng(0)
    angle, radius = random.uniform(0, 2 * np.pi, 468), np.sqrt(random.uniform(0, 1, 468))
    x, y = 0.5 + 0.3 * radius * np.cos(angle), 0.5 + 0.4 * radius * np.sin(angle)
    return (np.stack([x, y], axis=1) * SIZE).astype(np.float32)


LANDMARKS = place_landmarks()


def describe(pictures: NDArray[np.uint8]) -> Features:
    """Color and sharpness of each cell of a grid, against the whole picture's."""
    return {"cells": np.stack([describe_one(one) for one in pictures]).astype(np.float16)}


def describe_one(pixels: Pixels) -> NDArray[np.float64]:
    values = pixels.astype(np.float64)
    grey = values.mean(axis=2)
    detail = np.abs(np.diff(grey, axis=0, append=grey[-1:])) + np.abs(
        np.diff(grey, axis=1, append=grey[:, -1:])
    )
    layers = np.dstack([values, np.log1p(detail) * 40])
    side = SIZE // CELLS
    cells = layers.reshape(CELLS, side, CELLS, side, 4).mean(axis=(1, 3))
    offsets = (cells - cells.mean(axis=(0, 1))).reshape(-1)
    return np.concatenate([offsets, abs(offsets)])


@dataclass(frozen=True)
class Examples:
    """Rows of features with what they are of."""

    features: NDArray[np.float32]
    is_fake: list[bool]
    faces: list[FaceReference]

    @property
    def identities(self) -> list[str]:
        return [face.identity for face in self.faces]


def make_examples(
    records: Sequence[VideoRecord], store: FeatureStore, control: Control | None = None
) -> Examples:
    paths = {record.key: record.path for record in records}
    faces = [FaceReference(record.key, record.identity, 0) for record in records]
    pairs = [
        *extract_pairs(
            faces,
            PairPlan(SEED, TAKES, control),
            store,
            lambda face: (np.asarray(Image.open(paths[face.video]).convert("RGB")), LANDMARKS),
            describe,
            content_hashes={
                key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in paths.items()
            },
            versions=["cells@1"],
        )
    ]
    return Examples(
        features=np.concatenate([one.features["cells"] for one in pairs]).astype(np.float32),
        is_fake=[False, True] * len(pairs),
        faces=[one.face for one in pairs for _ in range(2)],
    )


def score(fitted: HeadFit, examples: Examples) -> NDArray[np.float64]:
    """Logits, rounded: where a row lies in a matrix may change its product's last bits."""
    logits = examples.features @ fitted.fit.weights + fitted.fit.bias
    return np.asarray(logits.round(6), np.float64)


@dataclass(frozen=True)
class Run:
    """Everything a training run leaves."""

    split: Split
    fitted: HeadFit
    store: FeatureStore
    measurement: Measurement


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("training")
    for person in range(PEOPLE):
        path = folder / "faces" / f"person{person}" / "portrait.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(paint_face(person)).save(path)
    records = read_reals(folder / "faces").records
    split = split_records(records, seed=SEED, fractions=Fractions(0.6, 0.0, 0.4))
    store = FeatureStore(folder / "features")
    examples = make_examples(split.train, store)
    fitted = fit_head(examples.features, examples.is_fake, examples.identities, seed=SEED)
    return Run(split, fitted, store, measure(fitted, make_examples(split.test, store)))


def measure(fitted: HeadFit, examples: Examples) -> Measurement:
    labels = np.asarray(examples.is_fake)
    scores = score(fitted, examples)
    frames = [
        FrameScore(
            VideoKey("painted", "blend" if is_fake else "real", face.video.name),
            is_fake,
            face.identity,
            float(value),
        )
        for is_fake, face, value in zip(examples.is_fake, examples.faces, scores, strict=True)
    ]
    return measure_scores(
        frames,
        to_probability=sigmoid,
        thresholds={0.05: float(np.quantile(scores[~labels], 0.95, method="higher"))},
        seed=SEED,
        replicates=200,
    )


def test_trained_head_finds_blends_of_people_it_has_not_seen(run: Run) -> None:
    assert find_leaks(run.split.train, run.split.test) == []
    assert len(run.split.test) >= 9
    videos = run.measurement.videos
    # Of painted faces and block means little can be expected; chance is 0.5 ± 0.13.
    assert videos.figures.auc > 0.65
    assert videos.intervals is not None
    assert videos.intervals["auc"].lower > 0.5


def test_trained_head_does_not_tell_apart_what_is_the_same(run: Run) -> None:
    examples = make_examples(run.split.test, run.store, Control.IDENTITY)
    assert roc_auc(examples.is_fake, score(run.fitted, examples)) == 0.5


def test_trained_head_has_not_learnt_colors_or_resampling(run: Run) -> None:
    examples = make_examples(run.split.test, run.store, Control.WHOLE_PICTURE)
    assert roc_auc(examples.is_fake, score(run.fitted, examples)) < 0.65


def test_training_again_from_stored_features_gives_the_same_head(run: Run, tmp_path: Path) -> None:
    for store in (run.store, FeatureStore(tmp_path)):
        examples = make_examples(run.split.train, store)
        again = fit_head(examples.features, examples.is_fake, examples.identities, seed=SEED)
        assert np.allclose(again.fit.weights, run.fitted.fit.weights, rtol=1e-6, atol=1e-9)


def test_run_is_reported_on_one_page(run: Run) -> None:
    report = EvaluationReport(
        head=HeadStatement("painted", "00" * 32, "14 painted faces", ("CC0",), ("cells@1",)),
        datasets=("painted",),
        created_at="2026-11-29T12:00:00Z",
        command="cinemill detect evaluate",
        seed=SEED,
        measurement=run.measurement,
        controls=(ControlOutcome("identity", 0.5),),
    )
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["seed"] == SEED
    assert f"{run.measurement.videos.figures.auc:.3f}" in write_page(report)
    assert list_caveats(report)


def test_pairs_in_the_store_are_not_blended_again(run: Run) -> None:
    def never(*_arguments: object) -> NoReturn:
        raise AssertionError("loaded or computed again")

    faces = [FaceReference(record.key, record.identity, 0) for record in run.split.train]
    pairs = extract_pairs(
        faces,
        PairPlan(SEED, TAKES),
        run.store,
        never,
        never,
        content_hashes={
            record.key: hashlib.sha256(record.path.read_bytes()).hexdigest()
            for record in run.split.train
        },
        versions=["cells@1"],
    )
    assert len([*pairs]) == len(faces) * TAKES
