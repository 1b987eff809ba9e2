"""Self-blended images: fakes made of one real picture, so that only the forgery is to be learnt.

Written from Shiohara and Yamasaki (Detecting Deepfakes with Self-Blended Images, CVPR 2022): a
picture is copied into a source and a target, one of them is altered, the source is moved and
scaled a little, and its face is laid over the target's through a soft mask.

A classifier takes the easiest way. What sets a blend apart besides its boundary is controlled:
source and target are each resampled once; the real of a pair is the source or the target, whole,
so that altered and resampled pixels are as common in reals; a pair then goes the same way through
scaling, blur and JPEG. A blend whose source is its target equals the real bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cinemill.capabilities.detection.training.alteration import (
    UNCHANGED,
    Alteration,
    alter,
    draw_alteration,
)
from cinemill.capabilities.detection.training.degradation import (
    Degradation,
    degrade,
    draw_degradation,
)
from cinemill.capabilities.detection.training.face_area import (
    Landmarks,
    Mask,
    MaskRecipe,
    draw_mask,
    draw_mask_recipe,
)

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

_MOST_SCALING = 0.05
_MOST_SHIFT = 0.03
_JITTER_PIXELS = 0.5
_PADDING = 0.12
"""Share of a side that is mirrored at the borders, so that no movement shows an empty edge."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a resampled picture lies: scales, and shifts as shares of its sides."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0


@dataclass(frozen=True, slots=True)
class BlendRecipe:
    """Everything that was drawn for a pair."""

    mask: MaskRecipe
    source: Placement
    target: Placement
    source_alteration: Alteration
    target_alteration: Alteration
    is_real_the_source: bool
    degradation: Degradation


@dataclass(frozen=True, slots=True, eq=False)
class SourcePair:
    """A real picture and a fake that was made of it."""

    real: Pixels
    fake: Pixels
    mask: Mask
    """Where the fake shows its source, before degradation."""


class Control(StrEnum):
    """Pairs in which there is nothing to find, or only one thing."""

    IDENTITY = "identity"
    """Source and target are the same: the fake equals the real, and nothing may separate them."""
    WHOLE_PICTURE = "whole_picture"
    """The "fake" is altered as a whole and has no boundary: a head that finds it has learnt colors
    or resampling."""
    PLACEMENT_ONLY = "placement_only"
    """Only the movement of the face differs, neither color nor sharpness."""


def draw_recipe(random: np.random.Generator, height: int, width: int) -> BlendRecipe:
    """Draw a pair for pictures of this size."""
    alteration = draw_alteration(random)
    is_source_altered = bool(random.uniform() < 0.5)
    jitter = random.uniform(-_JITTER_PIXELS, _JITTER_PIXELS, 2)
    return BlendRecipe(
        mask=draw_mask_recipe(random),
        source=Placement(
            *(float(one) for one in random.uniform(1 - _MOST_SCALING, 1 + _MOST_SCALING, 2)),
            *(float(one) for one in random.uniform(-_MOST_SHIFT, _MOST_SHIFT, 2)),
        ),
        target=Placement(shift_x=float(jitter[0] / width), shift_y=float(jitter[1] / height)),
        source_alteration=alteration if is_source_altered else UNCHANGED,
        target_alteration=UNCHANGED if is_source_altered else alteration,
        is_real_the_source=bool(random.uniform() < 0.5),
        degradation=draw_degradation(random),
    )


def make_pair(pixels: Pixels, landmarks: Landmarks, recipe: BlendRecipe) -> SourcePair:
    """Make a real and its fake; ``landmarks`` are 468 points in the picture's pixels.

    Raises ValueError if they are not.
    """
    height, width = pixels.shape[:2]
    mask = draw_mask(landmarks, height, width, recipe.mask)
    source = resample(alter(pixels, recipe.source_alteration), recipe.source)
    target = resample(alter(pixels, recipe.target_alteration), recipe.target)
    real = source if recipe.is_real_the_source else target
    fake = blend(source, target, mask)
    return SourcePair(degrade(real, recipe.degradation), degrade(fake, recipe.degradation), mask)


def make_control(
    pixels: Pixels, landmarks: Landmarks, recipe: BlendRecipe, control: Control
) -> SourcePair:
    """Make a pair as :func:`make_pair` does, without what a head is meant to find."""
    if control is Control.IDENTITY:
        same = replace(recipe, source=recipe.target, source_alteration=recipe.target_alteration)
        return make_pair(pixels, landmarks, same)
    if control is Control.PLACEMENT_ONLY:
        plain = replace(recipe, source_alteration=UNCHANGED, target_alteration=UNCHANGED)
        return make_pair(pixels, landmarks, plain)
    is_source_altered = recipe.source_alteration != UNCHANGED
    untouched = replace(recipe, is_real_the_source=not is_source_altered)
    altered = replace(recipe, is_real_the_source=is_source_altered)
    pair = make_pair(pixels, landmarks, untouched)
    return replace(pair, fake=make_pair(pixels, landmarks, altered).real)


def blend(source: Pixels, target: Pixels, mask: Mask) -> Pixels:
    """Lay a source over a target; where both agree, the values are those of both exactly."""
    difference = source.astype(np.float32) - target.astype(np.float32)
    blended = target.astype(np.float32) + mask[..., None] * difference
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8)


def resample(pixels: Pixels, placement: Placement) -> Pixels:
    """Scale a picture about its center and shift it; borders are mirrored."""
    height, width = pixels.shape[:2]
    pad_y, pad_x = _padding(height), _padding(width)
    padded = np.pad(pixels, ((pad_y, pad_y), (pad_x, pad_x), (0, 0)), mode="symmetric")
    moved = Image.fromarray(padded).transform(
        (width, height),
        Image.Transform.AFFINE,
        (
            *_axis(width, pad_x, placement.scale_x, placement.shift_x, is_first=True),
            *_axis(height, pad_y, placement.scale_y, placement.shift_y, is_first=False),
        ),
        Image.Resampling.BICUBIC,
    )
    return np.asarray(moved)


def _padding(length: int) -> int:
    return max(2, round(length * _PADDING))


def _axis(
    length: int, pad: int, scale: float, shift: float, *, is_first: bool
) -> tuple[float, float, float]:
    """Return a row of the map from a position in the result to one in the padded picture."""
    middle = length / 2
    offset = middle + pad - (middle + shift * length) / scale
    return (1 / scale, 0.0, offset) if is_first else (0.0, 1 / scale, offset)
