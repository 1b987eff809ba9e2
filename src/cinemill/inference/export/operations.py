"""The operations that architectures are written in.

An architecture is written once, over this protocol: :mod:`~cinemill.inference.export.graph` turns
it into an ONNX graph, which every session runs, and :mod:`~cinemill.inference.export.shapes` finds
the size of each level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from cinemill.inference.export.weights import Floats
from cinemill.inference.models.cards import ColourOrder, ImageInput

T = TypeVar("T")
Pads = tuple[int, int, int, int]
"""Top, left, bottom, right, in pixels."""
NO_PADS: Pads = (0, 0, 0, 0)


class Operations(Protocol[T]):
    """Layers, on values of type ``T``: names in a graph, or tensors."""

    def images(self, image: ImageInput, *, subtract: tuple[float, float, float]) -> T:
        """Return the pictures as N×3×H×W floats, ``subtract`` (red, green, blue) taken off."""
        ...

    def conv(
        self,
        x: T,
        weight: Floats,
        bias: Floats,
        *,
        stride: int = 1,
        pads: Pads = NO_PADS,
        groups: int = 1,
    ) -> T: ...

    def relu(self, x: T) -> T: ...

    def relu6(self, x: T) -> T: ...

    def add(self, x: T, y: T) -> T: ...

    def max_pool(self, x: T, *, size: int, stride: int, pad: int) -> T: ...

    def average(self, x: T) -> T:
        """Return N×C, the mean of each channel."""
        ...

    def tokens(self, x: T, positions: Floats) -> T:
        """Return N×(1+H·W)×C: an empty token before those of the picture, plus ``positions``."""
        ...

    def linear(self, x: T, weight: Floats, bias: Floats | None = None) -> T:
        """Multiply by ``weight``, inputs × outputs."""
        ...

    def layer_norm(self, x: T, weight: Floats, bias: Floats, *, epsilon: float) -> T: ...

    def attention(self, x: T, heads: int) -> T:
        """Attend within N×T×(3·C), queries (scaled), keys and values; return N×T×C."""
        ...

    def gelu(self, x: T, *, quick: bool) -> T: ...

    def first_token(self, x: T) -> T:
        """Return N×C of N×T×C."""
        ...


@dataclass(frozen=True, slots=True)
class Convolution:
    weight: Floats
    bias: Floats


def fold_batch_norm(
    weight: Floats, norm: tuple[Floats, Floats, Floats, Floats], *, epsilon: float
) -> Convolution:
    """Return the convolution that gives what ``weight`` and then the normalisation would.

    ``norm`` is scale, shift, running mean and running variance.
    """
    scale, shift, mean, variance = (part.astype(np.float64) for part in norm)
    factor = scale / np.sqrt(variance + epsilon)
    folded = weight.astype(np.float64) * factor.reshape(-1, 1, 1, 1)
    return Convolution(folded.astype(np.float32), (shift - mean * factor).astype(np.float32))


def fold_scale(convolution: Convolution, image: ImageInput) -> Convolution:
    """Return the first convolution for pixels that are not yet divided by ``image.std``.

    The mean is not folded in: where the convolution pads, zeros at the border stand for it, and
    half precision would lose digits.
    """
    std = np.asarray(image.std, np.float32).reshape(1, 3, 1, 1)
    weight = convolution.weight
    if image.order is ColourOrder.BGR:  # frames are RGB
        weight = weight[:, ::-1]
    return Convolution(np.ascontiguousarray(weight / std), convolution.bias)
