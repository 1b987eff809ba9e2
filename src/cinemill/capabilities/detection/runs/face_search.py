"""The faces that a head is trained on: found in real videos, cut out, with the mesh's points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.datasets.leakage import join_look_alikes
from cinemill.capabilities.detection.datasets.picture_hash import hash_picture
from cinemill.capabilities.detection.datasets.records import VideoKey, VideoRecord
from cinemill.capabilities.detection.detector import CROP_VERSION
from cinemill.capabilities.detection.runs.face_store import FaceList, FaceStore, FoundFace
from cinemill.capabilities.detection.runs.pictures import hash_content, open_pictures
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.training.feature_store import feature_key
from cinemill.capabilities.detection.training.pair_schedule import FaceReference
from cinemill.core.faces import FaceBox
from cinemill.errors import CommandFailed, InputRejected
from cinemill.inference.faces.crops import SCALE, crop_face, find_center, find_side
from cinemill.inference.faces.detector import open_face_detector
from cinemill.inference.faces.mesh import open_face_mesh
from cinemill.inference.faces.scan import ScannedFrame, scan_frames
from cinemill.inference.faces.tracks import find_size

if TYPE_CHECKING:
    from cinemill.capabilities.detection.training.face_area import Landmarks
    from cinemill.core.frames import Pixels

SEARCH_VERSION = "faces/4"
"""Part of every key; raise it when other faces would be found in the same video, or other frames
hashed."""
_HASH_SIDE = 128
NO_USABLE_FACE = "no_usable_face"
NO_MESH = "no_face_mesh"


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What faces are looked for."""

    frames: int
    """Of each video."""
    sizes: tuple[int, ...]
    """Sides of the crops in pixels: those that the models take."""


@dataclass(frozen=True, slots=True)
class FoundFaces:
    """The faces of all videos."""

    store: FaceStore
    references: tuple[FaceReference, ...]
    lists: Mapping[VideoKey, FaceList]
    """Of the videos that have faces."""
    content_hashes: Mapping[VideoKey, str]
    keys: Mapping[VideoKey, str]
    identities: Mapping[str, str]
    """Those that the records name, to those that count: look-alikes are one person."""
    skipped: Mapping[str, int]
    """Videos without a face to train on, by reason."""

    def load(self, face: FaceReference, size: int) -> tuple[Pixels, Landmarks]:
        """Return a face's crop and its points. Raises WorkFailed (``training_store_damaged``)."""
        number = self.lists[face.video].times_ms.index(face.time_ms)
        return self.store.load(self.keys[face.video], number, size)


def search_faces(
    bench: Workbench, records: Sequence[VideoRecord], plan: SearchPlan, store: FaceStore
) -> FoundFaces:
    """Find the largest usable face of each frame; what an earlier run found is not sought again.

    A video that cannot be read is passed over and counted. Raises ToolMissing, CommandStalled.
    """
    lists: dict[VideoKey, FaceList] = {}
    hashes: dict[VideoKey, str] = {}
    keys: dict[VideoKey, str] = {}
    skipped: Counter[str] = Counter()
    for number, record in enumerate(records, start=1):
        key = record.key
        hashes[key] = hash_content(record.path)
        parts = (SEARCH_VERSION, str(CROP_VERSION), str(plan.frames), str(plan.sizes))
        keys[key] = feature_key(hashes[key], *parts)
        found = store.find(keys[key])
        is_reused = found is not None
        try:
            found = found or _search_video(bench, record, plan, store, keys[key])
        except (InputRejected, CommandFailed) as unreadable:
            skipped[unreadable.code] += 1
        if found is not None and found.times_ms:
            lists[key] = found
        elif found is not None:
            skipped[NO_USABLE_FACE] += 1
        sentence = f"Finding faces: video {number} of {len(records)}"
        bench.progress.report(number, len(records), sentence, is_reused=is_reused)
    identities = join_look_alikes(
        [(one.identity, lists[one.key].hashes) for one in records if one.key in lists]
    )
    references = tuple(
        FaceReference(record.key, identities[record.identity], time_ms)
        for record in records
        if record.key in lists
        for time_ms in lists[record.key].times_ms
    )
    return FoundFaces(store, references, lists, hashes, keys, identities, dict(skipped))


def _search_video(
    bench: Workbench, record: VideoRecord, plan: SearchPlan, store: FaceStore, key: str
) -> FaceList:
    detector, mesh = open_face_detector(bench.models_dir), open_face_mesh(bench.models_dir)
    source = open_pictures(bench, record.path, plan.frames, finds_shots=False)
    faces: list[FoundFace] = []
    hashes: list[int] = []
    for scanned in scan_frames(detector, source.read()):
        pixels = scanned.frame.pixels
        hashes.extend(hash_face_frame(scanned))
        box = choose_face(scanned)
        points = mesh.locate(pixels, box) if box else None
        if box is not None and points is not None:
            faces.append(_cut_out(scanned.frame.time_ms, pixels, box, points, plan.sizes))
    return store.save(key, faces, hashes)


def choose_face(scanned: ScannedFrame) -> FaceBox | None:
    """Return the largest usable face: the video is named after one person."""
    usable = [face.box for face in scanned.faces if not face.flaw]
    return max(usable, key=find_size, default=None)


def hash_face_frame(scanned: ScannedFrame) -> list[int]:
    """Return the hash of a frame, or nothing for a flat one and for one without a usable face.

    Many videos of one person or program begin with the same title, and different people follow it.
    A title shows no face that could be trained on, however long it lasts and however much moves in
    it, so faces separate titles from footage better than a number of frames would.
    """
    if scanned.exclusion:
        return []
    found = hash_frame(scanned.frame.pixels)
    return [] if found is None else [found]


def hash_frame(pixels: Pixels) -> int | None:
    """Return the hash of a frame, or None for a flat one."""
    step = max(1, max(pixels.shape[:2]) // _HASH_SIDE)
    return hash_picture(pixels[::step, ::step])


def _cut_out(
    time_ms: int,
    pixels: Pixels,
    box: FaceBox,
    points: NDArray[np.float32],
    sizes: Sequence[int],
) -> FoundFace:
    side = find_side(box) * SCALE
    corner = np.array(find_center(box)) - side / 2
    return FoundFace(
        time_ms,
        {size: crop_face(pixels, box, size=size) for size in sizes},
        {size: ((points - corner) * (size / side)).astype(np.float32) for size in sizes},
    )
