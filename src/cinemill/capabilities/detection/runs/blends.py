"""Fakes made from a video itself: its own faces blended into its own frames.

They are no deepfakes. What is measured on them says whether a head sees a boundary, on people that
it has not seen; how it does on the fakes of a program must be measured on those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cinemill.capabilities.detection.datasets.records import VideoKey
from cinemill.capabilities.detection.runs.face_search import choose_face
from cinemill.capabilities.detection.runs.head_training import BLENDED
from cinemill.capabilities.detection.runs.pictures import NumberedFrames
from cinemill.capabilities.detection.training.alteration import UNCHANGED
from cinemill.capabilities.detection.training.degradation import Degradation
from cinemill.capabilities.detection.training.pair_features import BLENDING_VERSION
from cinemill.capabilities.detection.training.randomness import item_random
from cinemill.capabilities.detection.training.self_blending import (
    BlendRecipe,
    Placement,
    draw_recipe,
    make_pair,
)
from cinemill.core.faces import FaceBox
from cinemill.core.frames import Frame
from cinemill.inference.faces.crops import find_center, find_side
from cinemill.inference.faces.detector import FaceDetector
from cinemill.inference.faces.mesh import FaceMesh
from cinemill.inference.faces.scan import scan_frames

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

REGION = 1.8
"""Side of what is worked on, in multiples of the box's: the mask and its blur lie within."""


@dataclass(frozen=True, slots=True)
class VideoBlender:
    """Blends the largest face of every frame of a video, each time by the same recipe."""

    detector: FaceDetector
    mesh: FaceMesh
    video: VideoKey
    seed: int

    @property
    def version(self) -> str:
        return f"{BLENDING_VERSION} {self.seed} {REGION}"

    @property
    def fake_key(self) -> VideoKey:
        return VideoKey(self.video.dataset, BLENDED, f"{self.video.method}/{self.video.name}")

    def apply(self, frames: NumberedFrames) -> NumberedFrames:
        """Yield the frames with their blends; those whose face has no mesh are left out."""
        for frame, shot in frames:
            yield from ((one, shot) for one in self._blend(frame))

    def _blend(self, frame: Frame) -> Iterator[Frame]:
        (scanned,) = scan_frames(self.detector, iter([(frame, 0)]))
        box = choose_face(scanned)
        if box is None:
            yield frame
            return
        points = self.mesh.locate(frame.pixels, box)
        if points is None:
            return
        left, top, right, bottom = _find_region(frame.pixels, box)
        region = frame.pixels[top:bottom, left:right]
        recipe = self._draw_recipe(region)
        corner = np.array([left, top], np.float32)
        pixels = frame.pixels.copy()
        pixels[top:bottom, left:right] = make_pair(region, points - corner, recipe).fake
        yield replace(frame, pixels=pixels)

    def _draw_recipe(self, region: Pixels) -> BlendRecipe:
        """Return the recipe of the video, with which nothing but the face changes."""
        names = (self.video.dataset, self.video.method, self.video.name)
        drawn = draw_recipe(item_random(self.seed, *names, "video"), *region.shape[:2])
        changes = (drawn.source_alteration, drawn.target_alteration)
        return replace(
            drawn,
            source_alteration=next(one for one in changes if one != UNCHANGED),
            target=Placement(),
            target_alteration=UNCHANGED,
            degradation=Degradation(),
        )


def _find_region(pixels: Pixels, box: FaceBox) -> tuple[int, int, int, int]:
    (x, y), half = find_center(box), find_side(box) * REGION / 2
    height, width = pixels.shape[:2]
    left, top = max(0, int(x - half)), max(0, int(y - half))
    return left, top, min(width, int(x + half) + 1), min(height, int(y + half) + 1)
