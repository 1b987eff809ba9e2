"""Frames of a video, and the shots that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    """Height × width × 3: red, green, blue."""


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames between two cuts: a half-open range on the first video timestamp."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded frame, upright as it is displayed."""

    pts: int
    """Presentation timestamp in the stream's time base."""
    time_ms: int
    """Milliseconds after the first frame of the video."""
    pixels: Pixels
