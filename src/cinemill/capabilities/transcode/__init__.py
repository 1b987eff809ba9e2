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

    return {
        kinds.ENCODE_RENDITION: partial(chunk_handlers.encode_or_split, resources),
        kinds.ENCODE_WHOLE: partial(encode_rendition, resources),
        kinds.ENCODE_CHUNK: partial(chunk_handlers.encode_one_chunk, resources),
        kinds.ENCODE_TRACKS: partial(chunk_handlers.encode_audio_and_subtitles, resources),
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
