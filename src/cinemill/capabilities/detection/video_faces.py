"""The faces of a video with their features: what is cached, and what heads run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from cinemill.capabilities.detection.verdict.evidence import FaceCounts
from cinemill.core.faces import FaceBox, FaceTrack, TrackedFace
from cinemill.storage.cache.embeddings import Embeddings

Levels = Mapping[str, NDArray[np.float16]]
"""By level of a model, one row for each face."""
LEAST_INTERVAL_MS = 1000


@dataclass(frozen=True, slots=True)
class ExaminedFrame:
    """A frame, and why no face in it was examined; empty if one was."""

    time_ms: int
    pts: int
    exclusion: str


@dataclass(frozen=True, slots=True)
class ExaminedFace:
    """A face that was examined. Its box is in pixels of the video as it is displayed."""

    time_ms: int
    pts: int
    track: int
    box: FaceBox


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is known of the faces of a video, without their features."""

    frames: tuple[ExaminedFrame, ...]
    faces: tuple[ExaminedFace, ...]
    """In the order of the rows of features: by track, then by time."""
    flaws: Mapping[str, int]
    """Faces that were found and not examined, by flaw."""
    bits_per_pixel: float | None
    """Of the video's encoding, None if it is unknown."""
    device: str = ""
    """What the models ran on, such as ``cpu``."""

    def count_faces(self) -> FaceCounts:
        return FaceCounts(
            frames=len(self.frames),
            frames_without_face=sum(frame.exclusion == "no_face" for frame in self.frames),
            usable=len(self.faces),
            excluded=dict(self.flaws),
        )

    def list_tracks(self) -> list[tuple[FaceTrack, slice]]:
        """Return the tracks, each with its rows of features."""
        starts = [n for n, face in enumerate(self.faces) if n == 0 or self._is_first(n)]
        ranges = pairwise([*starts, len(self.faces)])
        return [(self._make_track(self.faces[a:b]), slice(a, b)) for a, b in ranges]

    @property
    def interval_ms(self) -> int:
        """Return the usual distance between examined frames, at least a second."""
        times = [frame.time_ms for frame in self.frames]
        gaps = sorted(b - a for a, b in pairwise(times))
        return max(LEAST_INTERVAL_MS, gaps[len(gaps) // 2] if gaps else 0)

    def _is_first(self, number: int) -> bool:
        return self.faces[number].track != self.faces[number - 1].track

    @staticmethod
    def _make_track(faces: Sequence[ExaminedFace]) -> FaceTrack:
        seen = tuple(TrackedFace(face.time_ms, face.box) for face in faces)
        return FaceTrack(faces[0].track, seen)


_FACTS = TypeAdapter(VideoFacts)


@dataclass(frozen=True, slots=True, eq=False)
class VideoFaces:
    """The faces of a video and their features by each model."""

    facts: VideoFacts
    features: Mapping[str, Levels]
    """By the name of the model's card."""

    def to_embeddings(self) -> Embeddings:
        arrays = {
            f"{model}/{level}": rows
            for model, levels in self.features.items()
            for level, rows in levels.items()
        }
        return Embeddings(tuple(self.features), arrays, {"video": asdict(self.facts)})


def read_embeddings(embeddings: Embeddings) -> VideoFaces | None:
    """Return what :meth:`VideoFaces.to_embeddings` wrote; None for anything else."""
    try:
        facts = _FACTS.validate_python(embeddings.facts.get("video"))
    except ValidationError:
        return None
    features: dict[str, dict[str, Any]] = {model: {} for model in embeddings.models}
    for name, rows in embeddings.arrays.items():
        model, _, level = name.partition("/")
        if model not in features or rows.ndim != 2 or len(rows) != len(facts.faces):
            return None
        features[model][level] = rows
    return VideoFaces(facts, features)
