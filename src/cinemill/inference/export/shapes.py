"""Shapes of an architecture's values, without computing them."""

from __future__ import annotations

from cinemill.inference.export.operations import NO_PADS, Operations, Pads
from cinemill.inference.export.weights import Floats
from cinemill.inference.models.cards import ImageInput

Shape = tuple[int, ...]
"""Without the number of pictures."""


class ShapeTracer(Operations[Shape]):
    """An architecture run with it returns the shape of each level."""

    def images(self, image: ImageInput, *, subtract: tuple[float, float, float]) -> Shape:
        return (3, image.height, image.width)

    def conv(
        self,
        x: Shape,
        weight: Floats,
        bias: Floats,
        *,
        stride: int = 1,
        pads: Pads = NO_PADS,
        groups: int = 1,
    ) -> Shape:
        top, left, bottom, right = pads
        height = (x[1] + top + bottom - weight.shape[2]) // stride + 1
        width = (x[2] + left + right - weight.shape[3]) // stride + 1
        return (weight.shape[0], height, width)

    def relu(self, x: Shape) -> Shape:
        return x

    def relu6(self, x: Shape) -> Shape:
        return x

    def add(self, x: Shape, y: Shape) -> Shape:
        return x

    def max_pool(self, x: Shape, *, size: int, stride: int, pad: int) -> Shape:
        height, width = ((side + 2 * pad - size) // stride + 1 for side in x[1:])
        return (x[0], height, width)

    def average(self, x: Shape) -> Shape:
        return x[:1]

    def tokens(self, x: Shape, positions: Floats) -> Shape:
        return (len(positions), x[0])

    def linear(self, x: Shape, weight: Floats, bias: Floats | None = None) -> Shape:
        return (*x[:-1], weight.shape[1])

    def layer_norm(self, x: Shape, weight: Floats, bias: Floats, *, epsilon: float) -> Shape:
        return x

    def attention(self, x: Shape, heads: int) -> Shape:
        return (x[0], x[1] // 3)

    def gelu(self, x: Shape, *, quick: bool) -> Shape:
        return x

    def first_token(self, x: Shape) -> Shape:
        return x[1:]
