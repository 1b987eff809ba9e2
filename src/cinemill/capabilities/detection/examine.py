"""Examining a video: its frames, the faces in them, and their features by each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.stage_clock import StageClock
from cinemill.capabilities.detection.verdict.reasons import TOO_MANY_FACES
from cinemill.capabilities.detection.video_faces import (
    ExaminedFace,
    ExaminedFrame,
    Levels,
    VideoFaces,
    VideoFacts,
)
from cinemill.core.faces import FaceBox
from cinemill.core.frames import Frame, Shot
from cinemill.core.media import MediaInfo
from cinemill.inference.faces.crops import crop_face
from cinemill.inference.faces.detector import FaceDetector
from cinemill.inference.faces.scan import ScannedFrame, scan_frames
from cinemill.inference.faces.tracks import FrameFaces, link_faces
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.sessions.protocol import (
    ImageSession,
    describe_device,
    require_image,
)
from cinemill.inference.sessions.session_cache import SessionCache
from cinemill.inference.vision.features import extract_features, list_levels, stack_images

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

BATCH_FACES = 8
MOST_FACES = 40
"""Of a frame. More are counted, not examined, and no verdict is given."""
Place = tuple[int, FaceBox]
"""The time of a frame in milliseconds, and a face in it."""


@dataclass(slots=True)
class FeatureCollector:
    """Runs crops of faces through a model, a batch at a time, and keeps the features."""

    session: ImageSession
    clock: StageClock = field(default_factory=StageClock)
    crops: list[Pixels] = field(default_factory=list)
    batches: list[Levels] = field(default_factory=list)

    def add(self, pixels: Pixels, box: FaceBox) -> None:
        image = require_image(self.session.card)
        self.crops.append(crop_face(pixels, box, size=max(image.width, image.height)))
        if len(self.crops) == BATCH_FACES:
            self._run()

    def finish(self) -> Levels:
        """Return the features of all faces, in the order in which they were added."""
        if self.crops:
            self._run()
        levels = list_levels(self.session.card)
        return {level: self._join(level, dimension) for level, dimension in levels.items()}

    def _run(self) -> None:
        with self.clock.measure("features"):
            images = stack_images(self.session, self.crops)
            self.batches.append(extract_features(self.session, images))
        self.crops.clear()

    def _join(self, level: str, dimension: int) -> NDArray[np.float16]:
        empty = np.empty((0, dimension), np.float16)
        return np.concatenate([empty, *(batch[level] for batch in self.batches)])


@dataclass(frozen=True, slots=True)
class Examination:
    """What frames are examined with."""

    detector: FaceDetector
    models: Sequence[ModelCard]
    sessions: SessionCache
    models_dir: Path
    on_frame: Callable[[int], None]
    """Called with the number of frames that have been examined."""
    clock: StageClock = field(default_factory=StageClock)
    """Counts the stages ``frames``, ``faces`` and ``features``."""


def examine_frames(
    examination: Examination,
    frames: Iterator[tuple[Frame, int]],
    info: MediaInfo,
    bits_per_pixel: float | None,
) -> VideoFaces:
    """Return the faces of the frames, each given with the number of its shot.

    One frame and a batch of crops are held at a time. Raises ToolMissing, WorkFailed.
    """
    scanned: list[ExaminedFrame] = []
    usable: list[FrameFaces] = []
    places: list[tuple[Place, int]] = []
    flaws: Counter[str] = Counter()
    scale = 1.0
    with ExitStack() as stack:
        collectors = {
            card.name: FeatureCollector(
                stack.enter_context(examination.sessions.use(card, examination.models_dir)),
                examination.clock,
            )
            for card in examination.models
        }
        for number, one in enumerate(_scan(examination, frames), start=1):
            scale = info.video.display_width / one.frame.pixels.shape[1]
            boxes, flawed = _choose_faces(one)
            flaws.update(flawed)
            for box in boxes:
                places.append(((one.frame.time_ms, box), one.frame.pts))
                for collector in collectors.values():
                    collector.add(one.frame.pixels, box)
            scanned.append(ExaminedFrame(one.frame.time_ms, one.frame.pts, one.exclusion))
            usable.append(FrameFaces(one.frame.time_ms, one.shot, tuple(boxes)))
            examination.on_frame(number)
        devices = sorted({describe_device(collector.session) for collector in collectors.values()})
        features = {name: collector.finish() for name, collector in collectors.items()}
    faces, order = _order_faces(usable, places, scale)
    facts = VideoFacts(tuple(scanned), faces, dict(flaws), bits_per_pixel, ", ".join(devices))
    ordered = {
        name: {level: rows[order] for level, rows in levels.items()}
        for name, levels in features.items()
    }
    return VideoFaces(facts, ordered)


def _scan(examination: Examination, frames: Iterator[tuple[Frame, int]]) -> Iterator[ScannedFrame]:
    clock = examination.clock
    read = clock.iterate("frames", frames)
    return clock.iterate("faces", scan_frames(examination.detector, read))


def _choose_faces(one: ScannedFrame) -> tuple[list[FaceBox], Counter[str]]:
    """Return the faces that are examined, the most certain first, and the flaws of the others."""
    usable = [face.box for face in one.faces if not face.flaw]
    flaws = Counter(face.flaw.value for face in one.faces if face.flaw)
    if len(usable) > MOST_FACES:
        flaws[TOO_MANY_FACES] = len(usable) - MOST_FACES
    return usable[:MOST_FACES], flaws


def _order_faces(
    usable: Sequence[FrameFaces], places: Sequence[tuple[Place, int]], scale: float
) -> tuple[tuple[ExaminedFace, ...], NDArray[np.intp]]:
    """Return the faces by track and time, and the row of features that each had before."""
    rows = {place: (row, pts) for row, (place, pts) in enumerate(places)}
    faces, order = [], []
    for track in link_faces(usable):
        for seen in track.faces:
            row, pts = rows[seen.time_ms, seen.box]
            faces.append(ExaminedFace(seen.time_ms, pts, track.number, _scale(seen.box, scale)))
            order.append(row)
    return tuple(faces), np.array(order, np.intp)


def _scale(box: FaceBox, factor: float) -> FaceBox:
    """Return the box in pixels of the video, of a frame that was read smaller."""
    return replace(
        box,
        left=box.left * factor,
        top=box.top * factor,
        width=box.width * factor,
        height=box.height * factor,
        points=tuple((x * factor, y * factor) for x, y in box.points),
    )


def number_shots(frames: Iterator[Frame], shots: Sequence[Shot]) -> Iterator[tuple[Frame, int]]:
    """Yield each frame with the number of its shot, from 0; frames come in order of time."""
    number = 0
    for frame in frames:
        while number + 1 < len(shots) and frame.time_ms >= shots[number + 1].start_ms:
            number += 1
        yield frame, number
