"""Aggregation of scores: frames to a track, tracks to a video.

Both steps take the mean of the highest part. A manipulation may show in some frames only, and in
one of several people, so a mean over everything would dilute it; a maximum would let one bad frame
decide. The mean of the highest part is between the two. It is monotone in each score, does not
depend on the order, and shifts with the scores, so a threshold on logits keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

AGGREGATION_VERSION = "upper-means-1"
"""Calibrated scores hold for this aggregation only. Change it when a number here changes."""
FRAME_PART = 0.5
"""Of a track's frames."""
FACE_PART = 0.25
"""Of a video's faces: a person who is in a quarter of them counts in full."""


def aggregate_track(logits: ArrayLike) -> float:
    """Return the score of a track: the mean of the higher half of its frames' logits.

    Raises ValueError for a track without frames.
    """
    return mean_of_highest(logits, part=FRAME_PART)


def aggregate_video(tracks: Sequence[ArrayLike]) -> float:
    """Return the score of a video from the logits of each track's frames.

    It is the mean of the tracks with the highest scores that hold a quarter of all faces together;
    each track weighs as many as it has frames. Raises ValueError if there are no frames.
    """
    filled = [logits for logits in (np.asarray(one, np.float64) for one in tracks) if logits.size]
    scores = [aggregate_track(logits) for logits in filled]
    return mean_of_highest(scores, [float(logits.size) for logits in filled], part=FACE_PART)


def mean_of_highest(values: ArrayLike, weights: ArrayLike | None = None, *, part: float) -> float:
    """Return the weighted mean of the highest values that hold this part of the weight.

    The value at the boundary counts with the rest of its weight. Values that are not finite make
    the mean not a number: they are faults to report, not low scores to leave out. Raises ValueError
    if there are no values.
    """
    array = np.asarray(values, np.float64).ravel()
    if not array.size:
        raise ValueError("there are no values")
    if not np.isfinite(array).all():
        return float("nan")
    shares = np.ones_like(array) if weights is None else np.asarray(weights, np.float64).ravel()
    order = np.argsort(-array, kind="stable")
    return _mean_of_first(array[order], shares[order], part * float(shares.sum()))


def _mean_of_first(
    values: NDArray[np.float64], weights: NDArray[np.float64], total: float
) -> float:
    before = np.cumsum(weights) - weights
    counted = np.clip(total - before, 0.0, weights)
    # Around the highest value: equal values give exactly that value.
    mean = values[0] + float(np.sum(counted * (values - values[0]))) / float(counted.sum())
    return float(mean)
