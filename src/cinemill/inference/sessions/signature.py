"""What a graph takes and returns, compared with its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cinemill.errors import ToolMissing
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.models.tensors import resolve_name
from cinemill.inference.sessions.protocol import require_image


@dataclass(frozen=True, slots=True)
class GraphInput:
    """An input of a graph, whichever library read it."""

    name: str
    takes_pixels: bool
    """Whether it takes uint8 pictures and normalises them itself."""
    takes_one: bool
    """Whether its batch is fixed to one picture."""


@dataclass(frozen=True, slots=True)
class Signature:
    image: GraphInput
    outputs: tuple[str, ...]
    """Tensors of the graph, in the order of the card's outputs."""


def match_signature(
    card: ModelCard, inputs: Sequence[GraphInput], outputs: Sequence[str]
) -> Signature:
    """Return the tensors that the card means. Raises ToolMissing (``model_unusable``)."""
    by_name = {one.name: one for one in inputs}
    image = resolve_name(require_image(card).name, list(by_name))
    found = [resolve_name(output.name, outputs) for output in card.outputs]
    known = tuple(name for name in found if name is not None)
    if image is None or not found or len(known) < len(found):
        raise unusable(
            card,
            f"it has the inputs {', '.join(by_name)} and the outputs {', '.join(outputs)}, "
            "which are not those on its card",
        )
    return Signature(by_name[image], known)


def unusable(card: ModelCard, why: str) -> ToolMissing:
    """Return the error for a model whose file is not what its card says."""
    return ToolMissing(
        f"The {card.role.value} model {card.name} cannot be run: {why}.",
        code="model_unusable",
        hint=f"Run 'cinemill models verify {card.name}', and fetch it again if it is damaged.",
    )
