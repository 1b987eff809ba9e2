"""Evaluation of an installed detector: every figure, the grid of re-encodings, and leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cinemill.capabilities.detection.datasets.records import VideoRecord
from cinemill.capabilities.detection.detector import Detector
from cinemill.capabilities.detection.evaluation.measurement import (
    Measurement,
    measure_scores,
    sigmoid,
)
from cinemill.capabilities.detection.evaluation.ranking import UnmeasurableScores, roc_auc
from cinemill.capabilities.detection.evaluation.reencoding import Reencoding
from cinemill.capabilities.detection.evaluation.report import EvaluationReport
from cinemill.capabilities.detection.evaluation.robustness import (
    ROBUSTNESS_GRID,
    Condition,
    ConditionOutcome,
)
from cinemill.capabilities.detection.evaluation.video_scores import FrameScore, VideoScore
from cinemill.capabilities.detection.runs.examined_videos import Examiner, JpegFrames
from cinemill.capabilities.detection.runs.pictures import list_images
from cinemill.capabilities.detection.runs.scored_videos import (
    ScoredVideo,
    Task,
    find_detector,
    find_training_leaks,
    join_people,
    list_tasks,
    score_videos,
)
from cinemill.capabilities.detection.runs.statements import describe_heads, list_notes
from cinemill.capabilities.detection.runs.video_lists import read_training_lists
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.training.randomness import item_random
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import Calibration
from cinemill.capabilities.detection.verdict.verdict import Verdict, decide_verdict
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.frames.sampling import DEFAULT_COUNT

GRID_VIDEOS = 20
"""Of each class that are re-encoded by default: each is encoded seven times."""


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What a person asked for."""

    name: str
    records: Sequence[VideoRecord]
    notes: Sequence[str] = ()
    """What the data do not say, in sentences."""
    skipped: Mapping[str, int] | None = None
    """Files that were passed over, by reason."""
    makes_blends: bool = False
    """Whether fakes are made of the real videos."""
    grid_videos: int = GRID_VIDEOS
    """Of each class that are re-encoded; 0 for no grid."""
    conditions: tuple[Condition, ...] = ROBUSTNESS_GRID
    frames: int = DEFAULT_COUNT
    seed: int = 0
    command: str = ""


def evaluate(bench: Workbench, request: EvaluationRequest) -> EvaluationReport:
    """Measure a detector on videos whose truth is known. Nothing that is installed changes.

    Raises UnmeasurableScores (``scores_unmeasurable``) without reals or fakes; ToolMissing,
    DependencyUnavailable.
    """
    bench.progress.plan({"videos": 1, "grid": 3} if request.grid_videos else {"videos": 1})
    bench.progress.enter("videos", "Looking for models")
    detector = find_detector(bench, request.name, needs_mesh=request.makes_blends)
    examiner = Examiner(bench, detector, request.frames)
    tasks = list_tasks(bench, request.records, blends=request.makes_blends, seed=request.seed)
    scored = score_videos(examiner, tasks, "Scoring")
    measurement = _measure(scored.videos, detector.ensemble.calibration, request.seed)
    known = read_training_lists(bench.home, detector.ensemble)
    outcomes: tuple[ConditionOutcome, ...] = ()
    if request.grid_videos:
        bench.progress.enter("grid", "Re-encoding")
        outcomes = _measure_grid(bench, examiner, request, scored.videos)
    head, controls = describe_heads(request.name, detector)
    report = EvaluationReport(
        head=head,
        datasets=tuple(sorted({one.task.key.dataset for one in scored.videos})),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=request.command,
        seed=request.seed,
        measurement=measurement,
        leaks=tuple(find_training_leaks(known or (), request.records, scored.videos)),
        unscored=dict(scored.unscored + Counter(request.skipped or {})),
        robustness=outcomes,
        controls=controls,
        notes=(
            *list_notes(
                detector,
                [one.task for one in scored.videos],
                are_training_videos_known=known is not None,
                makes_blends=request.makes_blends,
            ),
            *request.notes,
        ),
    )
    bench.progress.finish("Evaluated")
    return report


def _measure(
    videos: Sequence[ScoredVideo], calibration: Calibration | None, seed: int
) -> Measurement:
    people = join_people(videos)
    frames = [
        FrameScore(one.task.key, one.task.is_fake, people[one.task.identity], face.logit)
        for one in videos
        for track in one.scores.tracks
        for face in track.faces
    ]
    scores = [
        VideoScore(
            one.task.key,
            one.task.is_fake,
            people[one.task.identity],
            one.scores.video.logit,
            one.faces.usable,
        )
        for one in videos
        if one.scores.video is not None
    ]
    thresholds = {}
    if calibration is not None and calibration.can_decide:
        thresholds[calibration.nominal_false_positive_rate] = calibration.flag_logit
    return measure_scores(
        frames,
        videos=scores,
        to_probability=calibration.scaling.probability if calibration else sigmoid,
        thresholds=thresholds,
        seed=seed,
    )


def _measure_grid(
    bench: Workbench,
    examiner: Examiner,
    request: EvaluationRequest,
    videos: Sequence[ScoredVideo],
) -> tuple[ConditionOutcome, ...]:
    """Re-encode some videos in every way, and count the verdicts."""
    chosen = _choose_grid_videos(videos, request)
    binary = find_ffmpeg(bench.ffmpeg_path)
    work = [
        (condition, [_change(task, condition, bench, binary) for task in _suit(chosen, condition)])
        for condition in request.conditions
    ]
    total, begin, outcomes = sum(len(tasks) for _, tasks in work), 0, []
    for condition, tasks in work:
        what = f"Re-encoded as {condition.name}"
        scored = score_videos(examiner, tasks, what, begin=begin, total=total)
        begin += len(tasks)
        outcomes.append(_count(condition, scored.videos, examiner.detector))
    return tuple(outcomes)


def _choose_grid_videos(
    videos: Sequence[ScoredVideo], request: EvaluationRequest
) -> list[ScoredVideo]:
    chosen = []
    for is_fake in (False, True):
        own = [one for one in videos if one.task.is_fake == is_fake and one.scores.video]
        order = item_random(request.seed, "grid", str(is_fake)).permutation(len(own))
        chosen += [own[place] for place in sorted(order[: request.grid_videos])]
    return chosen


def _suit(videos: Sequence[ScoredVideo], condition: Condition) -> list[Task]:
    """Return the videos that can be re-encoded: neither images nor blends are a video's file."""
    tasks = [one.task for one in videos]
    if condition.codec is None:
        return tasks
    return [task for task in tasks if not task.changes and not _is_of_images(task)]


def _is_of_images(task: Task) -> bool:
    return bool(list_images(task.path))


def _change(task: Task, condition: Condition, bench: Workbench, binary: FfmpegBinary) -> Task:
    if condition.codec is not None:
        reencoding = Reencoding(condition, binary, bench.limits, bench.sandbox)
        return replace(task, reencoding=reencoding)
    if condition.jpeg_quality is not None:
        return replace(task, changes=(*task.changes, JpegFrames(condition.jpeg_quality)))
    return task


def _count(
    condition: Condition, videos: Sequence[ScoredVideo], detector: Detector
) -> ConditionOutcome:
    verdicts = [(one.task.is_fake, _decide(one, detector)) for one in videos]
    scored = [(one.task.is_fake, one.scores.video.logit) for one in videos if one.scores.video]
    flagged = Counter(
        is_fake for is_fake, verdict in verdicts if verdict.band is Band.LIKELY_MANIPULATED
    )
    try:
        auc = roc_auc([is_fake for is_fake, _ in scored], [logit for _, logit in scored])
    except UnmeasurableScores:
        auc = None
    return ConditionOutcome(
        condition=condition.name,
        reals=sum(not is_fake for is_fake, _ in verdicts),
        reals_flagged=flagged[False],
        fakes=sum(is_fake for is_fake, _ in verdicts),
        fakes_flagged=flagged[True],
        abstained=sum(not verdict.band.is_decided for _, verdict in verdicts),
        auc=auc,
    )


def _decide(one: ScoredVideo, detector: Detector) -> Verdict:
    return decide_verdict(
        one.faces,
        one.scores.video,
        detector.ensemble.calibration,
        bits_per_pixel=one.bits_per_pixel,
    )
