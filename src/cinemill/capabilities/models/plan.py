"""A model's name to the step that downloads it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cinemill.capabilities.models import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Parameters
from cinemill.inference.models.cards import ModelRole
from cinemill.inference.models.catalog import get_card


class FetchParameters(Parameters):
    """A model to download."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """Name of the model, as shown by ``cinemill models list``."""


def plan_fetch(params: FetchParameters, _asset_id: str | None) -> list[StepSpec]:
    """Plan the download of a model where it is used. Raises NotFound (``model_unknown``)."""
    card = get_card(params.name)
    is_speech = card.role is ModelRole.SPEECH
    kind = kinds.FETCH_SPEECH_MODEL if is_speech else kinds.FETCH_MODEL
    return [StepSpec("fetch", kind, {"name": card.name})]
