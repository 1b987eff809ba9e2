"""Pictures at another size, position and angle.

Coordinates are continuous: the left edge of the first pixel is 0, its middle 0.5. Outside the
picture, its nearest pixel is repeated. Where a picture is reduced, each new pixel averages all that
it covers, so that fine detail does not turn into false patterns: whole blocks first, because that
is cheap, then a filter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

Matrix = NDArray[np.float64]
"""2×3: coordinates in the result, and 1, to coordinates in the source."""
_MAX_FACTOR = 256
"""So many bytes add up to less than 2**16."""
_Floats = NDArray[np.float32]
_Indices = NDArray[np.intp]


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the whole picture, height × width × channels, in this size; proportions may change.

    A picture that has this size is returned as it is. Raises ValueError if there are no pixels.
    """
    rows, columns = pixels.shape[:2]
    if 0 in pixels.shape or min(width, height) < 1:
        raise ValueError(f"no picture of {width}×{height} can be made of {pixels.shape}")
    if (rows, columns) == (height, width):
        return pixels
    matrix = np.array([[columns / width, 0.0, 0.0], [0.0, rows / height, 0.0]])
    return sample_affine(pixels, matrix, width, height)


def make_square_matrix(
    center: tuple[float, float], side: float, angle_radians: float, size: int
) -> Matrix:
    """Return the matrix for a turned square of the source as ``size`` × ``size`` pixels.

    ``side`` is in pixels of the source. ``angle_radians`` is the direction in the source, clockwise
    from the x axis, that is horizontal in the result.
    """
    scale = side / size
    cosine, sine = math.cos(angle_radians) * scale, math.sin(angle_radians) * scale
    turned = np.array([[cosine, -sine], [sine, cosine]])
    offset = np.array(center) - turned @ np.array([size / 2, size / 2])
    return np.column_stack([turned, offset])


def map_points(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return N×2 points of the result as points of the source."""
    mapped: NDArray[np.float64] = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped


def sample_affine(pixels: Pixels, matrix: Matrix, width: int, height: int) -> Pixels:
    """Return ``width`` × ``height`` pixels that ``matrix`` maps into ``pixels`` (H×W×C)."""
    is_upright = matrix[0, 1] == 0 and matrix[1, 0] == 0
    factor = _choose_factor(matrix, is_upright=is_upright)
    region, left, top = _cut_region(pixels, matrix, width, height, margin=2 * factor + 1)
    reduced = reduce_by_blocks(region, factor)
    local = matrix.copy()
    local[:, 2] -= (left, top)
    local /= factor
    sample = _sample_upright if is_upright else _sample_turned
    return np.rint(sample(reduced, local, width, height)).astype(np.uint8)


def _choose_factor(matrix: Matrix, *, is_upright: bool) -> int:
    """Return the side of the blocks to average.

    Without a turn, a filter averages the rest, so blocks may be too small, but not too large.
    """
    reduction = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    factor = math.floor(reduction + 1e-6) if is_upright else round(reduction)
    return min(max(1, factor), _MAX_FACTOR)


def reduce_by_blocks(pixels: Pixels, factor: int) -> _Floats:
    """Return the averages of ``factor`` × ``factor`` blocks (``factor`` is at most 256).

    Edges are repeated to fill the last blocks.
    """
    if factor == 1:
        return pixels.astype(np.float32)
    rows, columns = (-length % factor for length in pixels.shape[:2])
    if rows or columns:
        pixels = np.pad(pixels, ((0, rows), (0, columns), (0, 0)), mode="edge")
    height, width, channels = pixels.shape
    lines = pixels.reshape(-1, factor, width * channels).sum(axis=1, dtype=np.uint16)
    # Several times as fast as adding strided columns.
    same_channel = np.tile(np.eye(channels, dtype=np.float32), (factor, 1))
    sums = lines.astype(np.float32).reshape(-1, factor * channels) @ same_channel
    blocks: _Floats = sums.reshape(height // factor, width // factor, channels)
    return blocks / np.float32(factor**2)


def _cut_region(
    pixels: Pixels, matrix: Matrix, width: int, height: int, *, margin: int
) -> tuple[Pixels, int, int]:
    """Return the part of the source that is needed, and its left and top edge."""
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    mapped = map_points(matrix, corners)
    rows, columns = pixels.shape[:2]
    left, right = _clip_range(mapped[:, 0], columns, margin)
    top, bottom = _clip_range(mapped[:, 1], rows, margin)
    return pixels[top:bottom, left:right], left, top


def _clip_range(values: NDArray[np.float64], length: int, margin: int) -> tuple[int, int]:
    """Return a half-open range of at least one pixel within the picture."""
    first = min(max(math.floor(values.min()) - margin, 0), length - 1)
    last = min(max(math.ceil(values.max()) + margin, first + 1), length)
    return first, last


def _sample_upright(source: _Floats, matrix: Matrix, width: int, height: int) -> _Floats:
    """Filter the rows, then the columns."""
    rows, columns, channels = source.shape
    vertical = _make_filter(rows, matrix[1, 1], matrix[1, 2], height)
    horizontal = _make_filter(columns, matrix[0, 0], matrix[0, 2], width)
    lines = (vertical @ source.reshape(rows, -1)).reshape(height, columns, channels)
    turned = np.ascontiguousarray(lines.transpose(1, 0, 2)).reshape(columns, -1)
    return (horizontal @ turned).reshape(width, height, channels).transpose(1, 0, 2)


def _make_filter(length: int, step: float, start: float, to_length: int) -> _Floats:
    """Return the weights of ``length`` pixels for each of ``to_length`` pixels.

    A triangle as wide as two steps, or as two pixels where the picture is enlarged: bilinear.
    """
    reach = max(1.0, step)
    centers = (np.arange(to_length) + 0.5) * step + start - 0.5
    taps = np.floor(centers - reach)[:, None] + np.arange(1, math.ceil(2 * reach) + 2)
    weights = np.maximum(0, 1 - np.abs(taps - centers[:, None]) / reach)
    weights /= weights.sum(axis=1, keepdims=True)
    filled = np.zeros((to_length, length), np.float32)
    lines = np.broadcast_to(np.arange(to_length)[:, None], taps.shape)
    np.add.at(filled, (lines, np.clip(taps, 0, length - 1).astype(np.intp)), weights)
    return filled


def _sample_turned(source: _Floats, matrix: Matrix, width: int, height: int) -> _Floats:
    """Interpolate between the four nearest pixels of each point."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x0, x1, wx = _split(matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2], source.shape[1])
    y0, y1, wy = _split(matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2], source.shape[0])
    weight = wx[..., None]
    upper = _blend(source[y0, x0], source[y0, x1], weight)
    lower = _blend(source[y1, x0], source[y1, x1], weight)
    return _blend(upper, lower, wy[..., None])


def _split(places: NDArray[np.float64], length: int) -> tuple[_Indices, _Indices, _Floats]:
    """Return the two pixels on either side of each place, and the weight of the second."""
    clipped = np.clip(places - 0.5, 0, length - 1)
    first = clipped.astype(np.intp)
    return first, np.minimum(first + 1, length - 1), (clipped - first).astype(np.float32)


def _blend(first: _Floats, second: _Floats, weight: _Floats) -> _Floats:
    return first + (second - first) * weight
