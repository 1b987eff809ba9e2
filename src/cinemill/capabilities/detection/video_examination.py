"""Examining a stored video: its models fetched, its shots found, its frames chosen and read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cinemill.capabilities.detection.detector import Detector
from cinemill.capabilities.detection.examine import Examination, examine_frames, number_shots
from cinemill.capabilities.detection.illustrations.records import FacePictures
from cinemill.capabilities.detection.illustrations.take import Illustrator, illustrate
from cinemill.capabilities.detection.stage_clock import StageClock
from cinemill.capabilities.detection.video_faces import VideoFaces
from cinemill.core.frames import Frame, Shot
from cinemill.core.media import MediaInfo
from cinemill.inference.faces.detector import CARD as FACE_DETECTOR
from cinemill.inference.faces.detector import open_face_detector
from cinemill.inference.models.catalog import get_card
from cinemill.inference.sessions.session_cache import process_sessions
from cinemill.jobs.step import StepContext
from cinemill.media.frames.index import FrameIndex
from cinemill.media.frames.sampling import DEFAULT_COUNT, FAST_COUNT, choose_frames
from cinemill.steps.models import FETCH_SHARE, ensure_model
from cinemill.steps.resources import StepResources
from cinemill.steps.stored_video import StoredVideo
from cinemill.storage.analyses.results import Findings
from cinemill.storage.media.assets import AssetRecord

FRAME_WIDTH = 1920
FRAME_PIXELS = 1920 * 1920
"""Frames are read no larger: faces that matter are large, and memory is bounded."""
INDEX_END, SHOTS_END, FRAMES_END = 0.35, 0.6, 0.97
"""Shares of the step's progress when each part is done, after the models are there."""


def examine_video(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    info: MediaInfo,
    detector: Detector,
    *,
    frames: int,
    clock: StageClock,
) -> VideoFaces:
    """Return the faces of a video and their features, from so many frames.

    ``clock`` counts the stages: ``models``, ``index``, ``shots``, ``frames``, ``faces`` and
    ``features``.

    Raises MediaRejected (``media_truncated`` where frames are missing, and others), InputRejected
    (``model_missing`` and others), ToolMissing, WorkFailed, CommandFailed.
    """
    with clock.measure("models"):
        done = _fetch_models(resources, context, detector)
    video = StoredVideo(resources, context, asset)
    context.report(done, "Reading the video's frame times")
    with clock.measure("index"):
        index = video.read_index()
    with clock.measure("shots"):
        shots = _find_shots(video, index, is_fast=frames < DEFAULT_COUNT)
    pts = choose_frames(index, shots, frames)
    context.report(SHOTS_END, "Looking at faces")

    def report(number: int) -> None:
        share = SHOTS_END + (FRAMES_END - SHOTS_END) * number / max(1, len(pts))
        context.report(share, f"Looking at faces: frame {number} of {len(pts)}")

    examination = Examination(
        detector=open_face_detector(resources.models_dir),
        models=detector.models,
        sessions=process_sessions(),
        models_dir=resources.models_dir,
        on_frame=report,
        clock=clock,
    )
    numbered = number_shots(_read_frames(video, index, pts), shots)
    bits_per_pixel = index.bits_per_pixel(info.video.width, info.video.height)
    return examine_frames(examination, numbered, info, bits_per_pixel)


def illustrate_video(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    info: MediaInfo,
    detector: Detector,
    findings: Findings,
) -> tuple[Findings, FacePictures]:
    """Return the findings with maps of evidence, and pictures of the faces that they rest on.

    Raises as :func:`examine_video` does.
    """
    video = StoredVideo(resources, context, asset)

    def report(number: int, count: int) -> None:
        if (stop := context.should_stop()) is not None:
            raise stop
        context.report(FRAMES_END, f"Mapping what the scores depend on: {number} of {count}")

    return illustrate(
        Illustrator(
            detector=detector,
            sessions=process_sessions(),
            models_dir=resources.models_dir,
            read_frames=lambda pts: (
                _read_frames(video, video.read_index(), pts) if pts else iter(())
            ),
            display_width=info.video.display_width,
            on_map=report,
        ),
        findings,
    )


def _fetch_models(resources: StepResources, context: StepContext, detector: Detector) -> float:
    """Make sure that every model is here; return the share of the progress that is done then."""
    cards = [get_card(FACE_DETECTOR), *detector.models]
    done = 0.0
    for card in cards:
        done = ensure_model(resources, context, card, begin=done, share=FETCH_SHARE / len(cards))
    return done


def _read_frames(video: StoredVideo, index: FrameIndex, pts: Sequence[int]) -> Iterator[Frame]:
    return video.read_frames(index, pts, max_width=FRAME_WIDTH, max_pixels=FRAME_PIXELS)


def _find_shots(video: StoredVideo, index: FrameIndex, *, is_fast: bool) -> Sequence[Shot]:
    """Return the shots of a video.

    A fast analysis does without, whatever is stored: it takes the parts between its few frames for
    shots, so that no track joins what a cut may separate, and the same video always gets the same
    tracks.
    """
    if is_fast:
        return _split_evenly(index.end_ms)
    video.context.report(INDEX_END, "Finding shots")
    return video.find_shots(index)


def _split_evenly(end_ms: int) -> list[Shot]:
    edges = [end_ms * number // FAST_COUNT for number in range(FAST_COUNT + 1)]
    return [Shot(start, end) for start, end in pairwise(edges) if end > start]
