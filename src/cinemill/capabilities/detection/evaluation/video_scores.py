"""Scores of frames joined into scores of videos, without mixing up videos of the same name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from cinemill.capabilities.detection.datasets.records import VideoKey
from cinemill.errors import InputRejected


@dataclass(frozen=True, slots=True)
class FrameScore:
    """The score of a frame's face; frames without a usable face have none."""

    video: VideoKey
    is_fake: bool
    identity: str
    """Whose videos are drawn together by a bootstrap: the person whose footage it was."""
    score: float


@dataclass(frozen=True, slots=True)
class VideoScore:
    """The score of a video, and of how many frames it was made."""

    video: VideoKey
    is_fake: bool
    identity: str
    score: float
    frames: int


class ContradictoryLabels(InputRejected):
    """Frames of one video are labelled differently."""

    code = "labels_contradictory"
    hint = "Check the data set's metadata: each video is either real or fake."


def join_frames(
    frames: Iterable[FrameScore], aggregate: Callable[[Sequence[float]], float] = fmean
) -> list[VideoScore]:
    """Return one score for each video, in order of their keys.

    Raises ContradictoryLabels if frames of a video differ in label or identity.
    """
    by_video: defaultdict[VideoKey, list[FrameScore]] = defaultdict(list)
    for frame in frames:
        by_video[frame.video].append(frame)
    return [_join(video, by_video[video], aggregate) for video in sorted(by_video)]


def _join(
    video: VideoKey, frames: Sequence[FrameScore], aggregate: Callable[[Sequence[float]], float]
) -> VideoScore:
    first = frames[0]
    if any((one.is_fake, one.identity) != (first.is_fake, first.identity) for one in frames):
        raise ContradictoryLabels(
            f"Frames of {video.dataset}/{video.method}/{video.name} are labelled differently."
        )
    score = aggregate([one.score for one in frames])
    return VideoScore(video, first.is_fake, first.identity, score, len(frames))
