"""Taking the pictures of an analysis, and mapping what the scores of its regions depend on."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.capabilities.detection.detector import Detector
from cinemill.capabilities.detection.ensemble.features import join_levels
from cinemill.capabilities.detection.ensemble.fusion import fuse
from cinemill.capabilities.detection.illustrations.choice import choose_faces, find_peaks
from cinemill.capabilities.detection.illustrations.records import (
    EvidenceMap,
    FacePicture,
    FacePictures,
)
from cinemill.capabilities.detection.verdict.evidence_map import Floats, Images, map_evidence
from cinemill.core.faces import FaceBox
from cinemill.core.frames import Frame
from cinemill.inference.faces.crops import crop_face
from cinemill.inference.sessions.protocol import ImageSession, require_image
from cinemill.inference.sessions.session_cache import SessionCache
from cinemill.inference.vision.features import extract_features, stack_images
from cinemill.media.frames.jpeg import encode_jpeg
from cinemill.storage.analyses.records import Box, FrameScore
from cinemill.storage.analyses.results import Findings

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

PICTURE_SIDE = 224
DIGITS = 4
"""Of a map's logits: more would only make the rows of regions larger."""

ReadFrames = Callable[[Sequence[int]], Iterator[Frame]]
"""Reads the frames with these presentation times, in order of time."""


@dataclass(frozen=True, slots=True)
class Illustrator:
    """What pictures and maps are made with."""

    detector: Detector
    sessions: SessionCache
    models_dir: Path
    read_frames: ReadFrames
    display_width: int
    """Of the video, in whose pixels the boxes are."""
    on_map: Callable[[int, int], None]
    """Called before a map, with its number and how many there are."""


def illustrate(illustrator: Illustrator, findings: Findings) -> tuple[Findings, FacePictures]:
    """Return the findings with maps in their highest regions, and the pictures of their faces.

    One frame is held at a time. Raises MediaRejected, ToolMissing, WorkFailed, CommandFailed.
    """
    chosen = choose_faces(findings)
    peaks = find_peaks(findings)
    mapped = {(one.time_ms, one.face_number): at for at, one in peaks.items()}
    pictures: list[FacePicture] = []
    maps: dict[int, EvidenceMap] = {}
    for face, pixels, box in _cut_out(illustrator, chosen):
        pictures.append(_take(face, pixels, box))
        at = mapped.get((face.time_ms, face.face_number))
        if at is not None:
            illustrator.on_map(len(maps) + 1, len(mapped))
            maps[at] = _map(illustrator, face, pixels, box)
    regions = tuple(
        replace(region, evidence=maps[at].to_json()) if at in maps else region
        for at, region in enumerate(findings.regions)
    )
    return replace(findings, regions=regions), FacePictures(tuple(pictures))


def _cut_out(
    illustrator: Illustrator, faces: Sequence[FrameScore]
) -> Iterator[tuple[FrameScore, Pixels, FaceBox]]:
    """Yield each face with its frame, and its box in pixels of that frame."""
    by_pts: dict[int, list[FrameScore]] = {}
    for face in faces:
        by_pts.setdefault(face.pts, []).append(face)
    for frame in illustrator.read_frames(sorted(by_pts)):
        scale = frame.pixels.shape[1] / illustrator.display_width
        for face in by_pts[frame.pts]:
            if face.box is not None:
                yield face, frame.pixels, _scale(face.box, scale)


def _scale(box: Box, factor: float) -> FaceBox:
    left, top, width, height = (side * factor for side in box)
    return FaceBox(left=left, top=top, width=width, height=height, score=1.0, points=())


def _take(face: FrameScore, pixels: Pixels, box: FaceBox) -> FacePicture:
    jpeg = encode_jpeg(crop_face(pixels, box, size=PICTURE_SIDE))
    return FacePicture(
        face.face_number, face.time_ms, face.score, base64.b64encode(jpeg).decode("ascii")
    )


def _map(illustrator: Illustrator, face: FrameScore, pixels: Pixels, box: FaceBox) -> EvidenceMap:
    detector = illustrator.detector
    with ExitStack() as stack:
        sessions = {
            card.name: stack.enter_context(illustrator.sessions.use(card, illustrator.models_dir))
            for card in detector.models
        }
        size = max(max(_read_size(one)) for one in sessions.values())
        crop = crop_face(pixels, box, size=size)
        cells = map_evidence(crop, lambda images: _score(detector, sessions, images))
    rounded = [[round(float(value), DIGITS) for value in row] for row in cells]
    return EvidenceMap(face.time_ms, rounded)


def _read_size(session: ImageSession) -> tuple[int, int]:
    image = require_image(session.card)
    return image.width, image.height


def _score(detector: Detector, sessions: Mapping[str, ImageSession], images: Images) -> Floats:
    """Return the fused logit of each picture of a face."""
    features = {
        name: extract_features(session, stack_images(session, list(images)))
        for name, session in sessions.items()
    }
    logits = {
        member: head.score(join_levels(features[head.space.model], head.space))
        for member, head in detector.ensemble.heads.items()
    }
    return fuse(detector.ensemble, logits)
