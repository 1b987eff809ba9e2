"""Every model that Cinemill knows, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cinemill.errors import NotFound
from cinemill.inference.models import whisper
from cinemill.inference.models.cards import ModelCard

_CARDS = (*whisper.CARDS,)

MODELS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _CARDS})


def get_card(name: str) -> ModelCard:
    """Return the card of this model. Raises NotFound."""
    if name not in MODELS:
        raise NotFound(
            f"There is no model called {name!r}.",
            code="model_unknown",
            hint=f"Use one of: {', '.join(MODELS)}.",
        )
    return MODELS[name]
