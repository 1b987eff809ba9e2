"""Transcode: one file becomes another, in chunks and to a quality."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.transcode import kinds
from cinemill.capabilities.transcode.plan import TranscodeParameters, plan_transcode
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.transcode import chunk_handlers
    from cinemill.capabilities.transcode.handlers import encode_rendition
    from cinemill.steps.ingestion.source_damage import Work, naming_damage, offering_best_effort

    def name(work: Work) -> Handler:
        return partial(offering_best_effort(naming_damage(work)), resources)

    return {
        kinds.ENCODE_RENDITION: name(chunk_handlers.encode_or_split),
        kinds.ENCODE_WHOLE: name(encode_rendition),
        kinds.ENCODE_CHUNK: name(chunk_handlers.encode_one_chunk),
        kinds.ENCODE_TRACKS: name(chunk_handlers.encode_audio_and_subtitles),
        kinds.JOIN_CHUNKS: partial(chunk_handlers.join_chunks, resources),
    }


CAPABILITY = Capability(
    name="transcode",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        JobKind("transcode", TranscodeParameters, plan_transcode, positional=("path", "options")),
    ),
    build_handlers=_build_handlers,
)
