"""Analysis of videos: what is shown, read and heard in them, and when."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.analysis import kinds
from cinemill.capabilities.analysis.plan import plan_keyframes, plan_shots
from cinemill.capabilities.analysis.providers.parameters import (
    NvidiaParameters,
    RekognitionParameters,
    plan_nvidia,
    plan_rekognition,
)
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.ingestion import kinds as steps
from cinemill.steps.source.plan import SourceParameters

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.analysis import chunk_handlers, shot_handlers, sound_handler
    from cinemill.capabilities.analysis.providers import rekognition_handler, vision_handlers
    from cinemill.steps.ingestion.gaps import leave_gap, leave_gap_at_last
    from cinemill.steps.ingestion.pictures import skipping_sound

    works = {
        steps.DETECT_SHOTS: leave_gap(skipping_sound(shot_handlers.detect_shot_boundaries), "shot"),
        steps.EXTRACT_KEYFRAMES: leave_gap(
            skipping_sound(shot_handlers.extract_keyframes), "keyframe"
        ),
        steps.CHUNK_VIDEO: chunk_handlers.chunk_video,
        steps.ANALYZE_CHUNK: chunk_handlers.analyze_chunk,
        steps.MERGE_CHUNKS: chunk_handlers.merge_chunks,
        steps.CLASSIFY_SOUND: leave_gap(sound_handler.classify_sound, "sound"),
        steps.ANALYZE_WITH_REKOGNITION: leave_gap_at_last(
            skipping_sound(rekognition_handler.analyze_with_rekognition), "rekognition"
        ),
        steps.ANALYZE_WITH_NVIDIA: leave_gap_at_last(
            skipping_sound(vision_handlers.analyze_with_nvidia), "nvidia"
        ),
        steps.DESCRIBE_RANGE: leave_gap_at_last(vision_handlers.describe_range, "nvidia"),
        steps.MERGE_DESCRIPTIONS: leave_gap_at_last(vision_handlers.merge_descriptions, "nvidia"),
    }
    return {kind: partial(work, resources) for kind, work in works.items()}


CAPABILITY = Capability(
    name="analysis",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        JobKind(steps.DETECT_SHOTS, SourceParameters, plan_shots, positional=("path",)),
        JobKind(steps.EXTRACT_KEYFRAMES, SourceParameters, plan_keyframes, positional=("path",)),
        JobKind(
            steps.ANALYZE_WITH_REKOGNITION,
            RekognitionParameters,
            plan_rekognition,
            positional=("path", "features"),
        ),
        JobKind(
            steps.ANALYZE_WITH_NVIDIA,
            NvidiaParameters,
            plan_nvidia,
            positional=("path", "features"),
        ),
    ),
    build_handlers=_build_handlers,
)
