"""Names of tensors on a card, and the tensors of a graph that they stand for."""

from __future__ import annotations

from collections.abc import Sequence

UINT8 = "tensor(uint8)"
FLOAT = "tensor(float)"


def resolve_name(name: str, found: Sequence[str]) -> str | None:
    """Return the tensor of the graph that a card means, or None if the graph has no such tensor.

    An empty name stands for the only one of ``found``.
    """
    if not name and len(found) == 1:
        return found[0]
    return name if name in found else None
