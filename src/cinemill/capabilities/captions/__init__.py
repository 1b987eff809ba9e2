"""Captions: transcription, editing and caption files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.captions import kinds
from cinemill.capabilities.captions.plan import CaptionParameters, plan_caption
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.ingestion.kinds import CAPTION_SPEECH, TRANSCRIBE_SPEECH

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.captions.handlers import transcribe_speech, write_captions
    from cinemill.capabilities.captions.speech_captions import caption_speech
    from cinemill.steps.ingestion.gaps import leave_gap
    from cinemill.steps.ingestion.source_damage import naming_damage

    return {
        TRANSCRIBE_SPEECH: partial(
            leave_gap(naming_damage(transcribe_speech), "speech"), resources
        ),
        kinds.WRITE_CAPTIONS: partial(write_captions, resources),
        CAPTION_SPEECH: partial(caption_speech, resources),
    }


CAPABILITY = Capability(
    name="captions",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(JobKind("caption", CaptionParameters, plan_caption, positional=("path", "model")),),
    build_handlers=_build_handlers,
)
