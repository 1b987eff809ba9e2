"""Calibration of an installed detector on videos whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cinemill.capabilities.detection.datasets.leakage import Leak
from cinemill.capabilities.detection.datasets.records import VideoKey, VideoRecord
from cinemill.capabilities.detection.detector import DEFAULT_ENSEMBLE
from cinemill.capabilities.detection.ensemble.ensemble_files import write_ensemble
from cinemill.capabilities.detection.ensemble.fusion import Ensemble
from cinemill.capabilities.detection.ensemble.head_files import write_calibration
from cinemill.capabilities.detection.ensemble.training_statement import Grade
from cinemill.capabilities.detection.runs.examined_videos import Examiner
from cinemill.capabilities.detection.runs.scored_videos import (
    ScoredVideo,
    find_detector,
    find_training_leaks,
    join_people,
    list_tasks,
    score_videos,
)
from cinemill.capabilities.detection.runs.train import use_by_default
from cinemill.capabilities.detection.runs.video_lists import KnownVideo, read_training_lists
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import (
    LEAST_FACES,
    NOMINAL_RATE,
    STARTER_MARGIN,
    Calibration,
    CalibrationOptions,
    CalibrationVideo,
    fit_calibration,
)
from cinemill.errors import InputRejected
from cinemill.media.frames.sampling import DEFAULT_COUNT

REVIEWED = "review"
TOO_FEW_FACES = "too_few_faces"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class ReviewedVideo:
    """A stored video that a person decided about."""

    sha256: str
    path: Path
    verdict: str
    """The person's."""

    def to_record(self) -> VideoRecord | None:
        """Return the video with the person's word for its truth; None where there is none."""
        truths = {Band.LIKELY_MANIPULATED.value: True, Band.NO_MANIPULATION_FOUND.value: False}
        if self.verdict not in truths:
            return None
        key = VideoKey(REVIEWED, self.verdict, self.sha256)
        # Nobody knows who is in it: each video counts as a person of its own.
        identity = f"{REVIEWED}:{self.sha256}"
        return VideoRecord(key, self.path, truths[self.verdict], identity, source=identity)


@dataclass(frozen=True, slots=True)
class CalibrationRequest:
    """What a person asked for."""

    name: str
    records: Sequence[VideoRecord]
    notes: Sequence[str] = ()
    """What the data do not say, in sentences."""
    makes_blends: bool = False
    """Whether fakes are made of the real videos."""
    rate: float = NOMINAL_RATE
    """Of false alarms, and of misses."""
    frames: int = DEFAULT_COUNT
    seed: int = 0
    command: str = ""
    is_for_use: bool = False


@dataclass(frozen=True, slots=True)
class CalibrationOutcome:
    """What came of it."""

    calibration: Calibration
    unscored: Counter[str]
    is_default: bool
    notes: tuple[str, ...] = ()
    """What the data do not say, and what they share with the training, in sentences."""


def list_reviewed(videos: Iterable[ReviewedVideo]) -> list[VideoRecord]:
    """Return the reviewed videos with a truth, each once; the last decision holds."""
    records = {video.sha256: video.to_record() for video in videos}
    return [record for record in records.values() if record is not None]


def calibrate(bench: Workbench, request: CalibrationRequest) -> CalibrationOutcome:
    """Fit the calibration of a detector and store it with the detector.

    The heads stay as they are, and so do the scores of the model.

    Raises InputRejected (``calibration_seen``, ``calibration_classes``, ``calibration_useless``);
    ToolMissing, DependencyUnavailable.
    """
    bench.progress.plan({"videos": 1})
    bench.progress.enter("videos", "Looking for models")
    detector = find_detector(bench, request.name, needs_mesh=request.makes_blends)
    known = read_training_lists(bench.home, detector.ensemble) or ()
    examiner = Examiner(bench, detector, request.frames)
    tasks = list_tasks(bench, request.records, blends=request.makes_blends, seed=request.seed)
    scored = score_videos(examiner, tasks, "Scoring")
    _refuse_seen(known, scored.videos)
    people = join_people(scored.videos)
    videos = []
    for one in scored.videos:
        if one.scores.video is not None and one.faces.usable < LEAST_FACES:
            scored.unscored[TOO_FEW_FACES] += 1
        elif one.scores.video is not None:
            videos.append(_describe(one, people))
    options = _choose_options(request, detector.ensemble, videos)
    calibration = fit_calibration(videos, options)
    ensemble = replace(detector.ensemble, calibration=calibration)
    is_default = _store(bench, request, ensemble)
    bench.progress.finish("Calibrated")
    leaks = find_training_leaks(known, request.records, scored.videos)
    notes = (*request.notes, *_describe_leaks(leaks))
    return CalibrationOutcome(calibration, scored.unscored, is_default, notes)


def _refuse_seen(known: Sequence[KnownVideo], videos: Sequence[ScoredVideo]) -> None:
    """Raise InputRejected (``calibration_seen``) for videos that a head was trained on."""
    trained = {video.sha256 for video in known}
    seen = sorted({one.task.key.name for one in videos if one.examined.sha256 in trained})
    if seen:
        named = ", ".join(seen[:_MOST_NAMED]) + (" and others" if len(seen) > _MOST_NAMED else "")
        raise InputRejected(
            f"{len(seen)} of these videos were in the training: {named}.",
            code="calibration_seen",
            hint="Calibrate with videos of other people: on its training data a head looks better "
            "than it is.",
        )


def _describe_leaks(leaks: Sequence[Leak]) -> Iterator[str]:
    """Yield a sentence if the calibration shares people or footage with the training.

    Names can be equal by chance, so that this is no reason to refuse the videos.
    """
    if leaks:
        named = ", ".join(sorted({leak.test.name for leak in leaks})[:_MOST_NAMED])
        yield (
            f"{len({leak.test for leak in leaks})} of these videos seem to show people or footage "
            f"of the training ({named}): the promised rates may not hold for anybody else."
        )


def _describe(one: ScoredVideo, people: Mapping[str, str]) -> CalibrationVideo:
    scores = one.scores.video
    assert scores is not None  # noqa: S101 – the caller has left these out
    return CalibrationVideo(
        logit=scores.logit,
        is_manipulated=one.task.is_fake,
        group=people[one.task.identity],
        tracks=scores.tracks,
        distances=scores.distances,
        disagreement=scores.disagreement,
        bits_per_pixel=one.bits_per_pixel,
    )


def _choose_options(
    request: CalibrationRequest, ensemble: Ensemble, videos: Sequence[CalibrationVideo]
) -> CalibrationOptions:
    is_starter = any(head.grade is Grade.STARTER for head in ensemble.heads.values())
    return CalibrationOptions(
        subject=ensemble.subject,
        data=_describe_data(request, videos),
        command=request.command[:2000],
        nominal_false_positive_rate=request.rate,
        nominal_miss_rate=request.rate,
        margin=STARTER_MARGIN if is_starter else 0.0,
        frames=request.frames,
    )


def _describe_data(request: CalibrationRequest, videos: Sequence[CalibrationVideo]) -> str:
    """Return a sentence for the report about the calibration's data."""
    fakes = sum(video.is_manipulated for video in videos)
    people = len({video.group for video in videos})
    sets = sorted({record.key.dataset for record in request.records})
    sentence = (
        f"{len(videos) - fakes} unmanipulated and {fakes} manipulated videos of {people} people "
        f"or sources ({', '.join(sets)}), {request.frames} frames of each at most"
    )
    if request.makes_blends:
        sentence += "; the manipulated ones are self-blended images, not the fakes of a program"
    return sentence[:2000]


def _store(bench: Workbench, request: CalibrationRequest, ensemble: Ensemble) -> bool:
    """Store the calibration with a head that is alone, else with the ensemble.

    Returns whether analyses use it now.
    """
    heads = list(ensemble.heads.values())
    if len(heads) == 1 and ensemble.calibration is not None:
        write_calibration(bench.heads, heads[0].name, ensemble.calibration)
    if len(heads) > 1 or request.name == DEFAULT_ENSEMBLE:
        write_ensemble(bench.ensembles, request.name, ensemble)
    return use_by_default(bench, ensemble, replaces=request.is_for_use)
