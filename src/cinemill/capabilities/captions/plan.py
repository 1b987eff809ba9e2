"""Parameters of captioning to its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cinemill.capabilities.captions import kinds
from cinemill.capabilities.captions.request import PARAMETERS, read_speech
from cinemill.core.job import StepSpec
from cinemill.steps.parameters import check_names, read_flag
from cinemill.steps.source_plan import plan_source


def plan_caption(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """A film's speech into captions. What no model can do is refused here, before any work.

    Raises InputRejected (``params_invalid``, ``language_unknown``, ``translation_impossible``,
    ``source_missing``).
    """
    check_names(params, {"path", *PARAMETERS})
    request = read_speech(params)
    words = {"words": read_flag(params, "words", default=True)}
    return [
        *plan_source("caption", params, asset_id),
        StepSpec("transcribe", kinds.TRANSCRIBE_SPEECH, request.to_json(), after=("probe",)),
        StepSpec("captions", kinds.WRITE_CAPTIONS, words, after=("transcribe",)),
    ]
