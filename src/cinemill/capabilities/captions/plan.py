"""Parameters of captioning to its steps."""

from __future__ import annotations

from typing import Annotated

from cinemill.capabilities.captions import kinds
from cinemill.capabilities.captions.request import SpeechParameters
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Parameters, none_as
from cinemill.steps.ingestion.kinds import TRANSCRIBE_SPEECH
from cinemill.steps.source.plan import SourceParameters, plan_source


class WritingParameters(Parameters):
    """How captions are written."""

    words: Annotated[bool, none_as(True)] = True
    """Write the times of single words into the JSON file."""


class CaptionParameters(SourceParameters, SpeechParameters, WritingParameters):
    """Captions of a video, written by a speech model."""


def plan_caption(params: CaptionParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan the captions of a video. Raises InputRejected (``source_missing``)."""
    request = params.as_request()
    words = {"words": params.words}
    return [
        *plan_source("caption", params, asset_id),
        StepSpec("transcribe", TRANSCRIBE_SPEECH, request.to_json(), after=("probe",)),
        StepSpec("captions", kinds.WRITE_CAPTIONS, words, after=("transcribe",)),
    ]
