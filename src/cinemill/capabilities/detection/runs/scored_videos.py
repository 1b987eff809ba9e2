"""Videos scored by an ensemble, each with its truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cinemill.capabilities.detection.datasets.leakage import (
    Leak,
    LeakKind,
    find_leaks,
    join_look_alikes,
)
from cinemill.capabilities.detection.datasets.records import VideoKey, VideoRecord
from cinemill.capabilities.detection.detector import (
    Detector,
    find_member_of_head,
    load_detector,
)
from cinemill.capabilities.detection.ensemble.fusion import make_ensemble_of_one
from cinemill.capabilities.detection.ensemble.head_files import read_head
from cinemill.capabilities.detection.ensemble.scoring import (
    EnsembleScores,
)
from cinemill.capabilities.detection.evaluation.reencoding import Reencoding
from cinemill.capabilities.detection.findings import score_faces
from cinemill.capabilities.detection.runs.blends import VideoBlender
from cinemill.capabilities.detection.runs.examined_videos import Change, ExaminedVideo, Examiner
from cinemill.capabilities.detection.runs.video_lists import KnownVideo
from cinemill.capabilities.detection.runs.workbench import Workbench, ensure_models
from cinemill.capabilities.detection.verdict.evidence import FaceCounts
from cinemill.errors import CommandFailed, InputRejected, ToolMissing
from cinemill.inference.faces.detector import CARD as FACE_DETECTOR
from cinemill.inference.faces.detector import open_face_detector
from cinemill.inference.faces.mesh import CARD as FACE_MESH
from cinemill.inference.faces.mesh import open_face_mesh
from cinemill.inference.models.catalog import get_card


@dataclass(frozen=True, slots=True)
class Task:
    """A video to be scored, and what is done to its frames first."""

    key: VideoKey
    path: Path
    is_fake: bool
    identity: str
    changes: tuple[Change, ...] = ()
    reencoding: Reencoding | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ScoredVideo:
    """A video with its scores."""

    task: Task
    examined: ExaminedVideo
    scores: EnsembleScores

    @property
    def faces(self) -> FaceCounts:
        return self.examined.faces.facts.count_faces()

    @property
    def bits_per_pixel(self) -> float | None:
        return self.examined.faces.facts.bits_per_pixel


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """All videos that could be scored, and why others could not."""

    videos: list[ScoredVideo] = field(default_factory=list)
    unscored: Counter[str] = field(default_factory=Counter)


def find_detector(bench: Workbench, name: str, *, needs_mesh: bool) -> Detector:
    """Return the detector of this name: an ensemble, or a head alone. Its models are fetched.

    Raises ToolMissing (``head_missing``, ``head_damaged``, ``head_mismatch``,
    ``detector_incomplete``), DependencyUnavailable (``model_unavailable``).
    """
    detector = load_detector(bench.detector_options, name) or _find_head(bench, name)
    if missing := detector.ensemble.missing:
        raise ToolMissing(
            f"The detector {name} lacks the heads of {', '.join(missing)}.",
            code="detector_incomplete",
            hint="Install the heads that are missing, or train the detector again.",
        )
    mesh = [get_card(FACE_MESH)] if needs_mesh else []
    ensure_models(bench, [get_card(FACE_DETECTOR), *mesh, *detector.models])
    return detector


def _find_head(bench: Workbench, name: str) -> Detector:
    head = read_head(bench.heads, name)
    member, card = find_member_of_head(head, bench.detector_options)
    return Detector(make_ensemble_of_one(member, head), {member: card})


def list_tasks(
    bench: Workbench, records: Iterable[VideoRecord], *, blends: bool, seed: int
) -> list[Task]:
    """Return a task for each video; with ``blends`` another for the fake made of each real."""
    tasks = []
    for record in records:
        tasks.append(Task(record.key, record.path, record.is_fake, record.identity))
        if blends and not record.is_fake:
            blender = VideoBlender(
                open_face_detector(bench.models_dir),
                open_face_mesh(bench.models_dir),
                record.key,
                seed,
            )
            fake = Task(blender.fake_key, record.path, True, record.identity, (blender,))
            tasks.append(fake)
    return tasks


def score_videos(
    examiner: Examiner, tasks: Sequence[Task], what: str, *, begin: int = 0, total: int = 0
) -> ScoredSet:
    """Score all videos; those that cannot be read or have no usable face are counted.

    ``begin`` tasks of ``total`` are done before these, where there are others.

    Raises ToolMissing, CommandStalled.
    """
    scored = ScoredSet()
    for number, task in enumerate(tasks, start=1):
        is_reused = False
        try:
            one = score_video(examiner, task)
            is_reused = one.examined.is_reused
        except (InputRejected, CommandFailed) as unreadable:
            scored.unscored[unreadable.code] += 1
        else:
            if one.scores.video is None:
                scored.unscored["no_usable_face"] += 1
            scored.videos.append(one)
        sentence = f"{what}: video {number} of {len(tasks)}"
        progress = examiner.bench.progress
        progress.report(begin + number, total or len(tasks), sentence, is_reused=is_reused)
    return scored


def score_video(examiner: Examiner, task: Task) -> ScoredVideo:
    """Return a video with its scores. Raises as :meth:`Examiner.examine` does."""
    examined = examiner.examine(task.path, task.changes, task.reencoding)
    return ScoredVideo(
        task, examined, score_faces(examined.faces, examiner.detector, frames=examiner.frames)
    )


def join_people(videos: Sequence[ScoredVideo]) -> dict[str, str]:
    """Return for each person named whom they count as: those whose videos look alike are one."""
    return join_look_alikes(
        [(one.task.identity, () if one.task.changes else one.examined.hashes) for one in videos]
    )


def find_training_leaks(
    known: Sequence[KnownVideo], records: Sequence[VideoRecord], videos: Sequence[ScoredVideo]
) -> list[Leak]:
    """Return what the training and these videos share: people, footage, look-alikes and files."""
    untouched = [one for one in videos if not one.task.changes]
    hashes = {one.task.key: one.examined.hashes for one in untouched}
    scored = {one.task.key for one in untouched}
    test = [record for record in records if record.key in scored]
    by_content = {one.sha256: one.key for one in known}
    same = [
        Leak(LeakKind.SOURCE, by_content[one.examined.sha256], one.task.key, "the same file")
        for one in untouched
        if one.examined.sha256 in by_content
    ]
    train = [one.to_record() for one in known]
    return [*same, *find_leaks(train, test, {one.key: one.hashes for one in known}, hashes)]
