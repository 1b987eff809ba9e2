"""Videos examined exactly as an analysis examines them, and kept, so that a run can be resumed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import numpy as np
from PIL import Image

from cinemill.capabilities.detection.detector import Detector, identify_model
from cinemill.capabilities.detection.evaluation.reencoding import Reencoding
from cinemill.capabilities.detection.examine import Examination, examine_frames
from cinemill.capabilities.detection.handlers import EXAMINATION_VERSION
from cinemill.capabilities.detection.runs.face_search import hash_frame
from cinemill.capabilities.detection.runs.pictures import (
    NumberedFrames,
    hash_content,
    open_pictures,
)
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.training.degradation import compress_jpeg
from cinemill.capabilities.detection.training.feature_store import feature_key
from cinemill.capabilities.detection.video_faces import VideoFaces, read_embeddings
from cinemill.core.documents import JsonObject
from cinemill.core.frames import Frame
from cinemill.inference.faces.detector import open_face_detector
from cinemill.inference.faces.quality import QUALITY_VERSION
from cinemill.inference.sessions.session_cache import process_sessions
from cinemill.storage.cache.embeddings import LARGEST_ENTRY_BYTES, pack, unpack
from cinemill.storage.cache.entries import EntryDamaged


@dataclass(frozen=True, slots=True, eq=False)
class ExaminedVideo:
    """The faces of a video with their features."""

    sha256: str
    faces: VideoFaces
    frame_hashes: tuple[int | None, ...]
    """One for each frame that was read; None for a flat one."""
    is_reused: bool
    """Found, not examined now."""

    @property
    def hashes(self) -> tuple[int, ...]:
        """Return those of the frames of which a face was examined, to find look-alikes.

        The others may be titles, which videos of different people share.
        """
        frames = zip(self.faces.facts.frames, self.frame_hashes, strict=True)
        return tuple(found for frame, found in frames if not frame.exclusion and found is not None)


class Change(Protocol):
    """What is done to frames before they are examined."""

    @property
    def version(self) -> str:
        """Return what makes it one of its own; part of every key."""
        ...

    def apply(self, frames: NumberedFrames) -> NumberedFrames: ...


@dataclass(frozen=True, slots=True)
class JpegFrames:
    """Saves each frame as a JPEG and reads it again."""

    quality: int

    @property
    def version(self) -> str:
        return f"jpeg {self.quality}"

    def apply(self, frames: NumberedFrames) -> NumberedFrames:
        for frame, shot in frames:
            image = compress_jpeg(Image.fromarray(frame.pixels), self.quality)
            yield replace(frame, pixels=np.asarray(image)), shot


@dataclass(frozen=True, slots=True)
class Examiner:
    """Examines videos with the models of a detector."""

    bench: Workbench
    detector: Detector
    frames: int

    def examine(
        self, path: Path, changes: Sequence[Change] = (), reencoding: Reencoding | None = None
    ) -> ExaminedVideo:
        """Return the faces of a video, a folder of images or an image, after what is done to it.

        Raises MediaRejected, InputRejected, ToolMissing, WorkFailed, CommandFailed.
        """
        sha256 = hash_content(path)
        versions = [change.version for change in changes]
        key = self._key(sha256, [*versions, reencoding.version] if reencoding else versions)
        stored = self._find(key)
        if stored is not None:
            return stored
        with ExitStack() as stack:
            if reencoding is not None:
                self.bench.examined.mkdir(parents=True, exist_ok=True, mode=0o700)
                folder = tempfile.TemporaryDirectory(prefix="reencoded-", dir=self.bench.examined)
                path = reencoding.apply(path, Path(stack.enter_context(folder)))
            examined = self._examine(path, sha256, changes)
        self._store(key, examined)
        return examined

    def _examine(self, path: Path, sha256: str, changes: Sequence[Change]) -> ExaminedVideo:
        hashes: list[int | None] = []
        source = open_pictures(self.bench, path, self.frames)
        frames = source.read()
        for change in changes:
            frames = change.apply(frames)
        examination = Examination(
            detector=open_face_detector(self.bench.models_dir),
            models=self.detector.models,
            sessions=process_sessions(),
            models_dir=self.bench.models_dir,
            on_frame=lambda _number: None,
        )
        faces = examine_frames(
            examination, _hash_each(frames, hashes), source.info, source.bits_per_pixel
        )
        return ExaminedVideo(sha256, faces, tuple(hashes), is_reused=False)

    def _key(self, sha256: str, changes: Sequence[str]) -> str:
        models = [repr(identify_model(card)) for card in self.detector.models]
        versions = [str(EXAMINATION_VERSION), str(QUALITY_VERSION), str(self.frames), *models]
        return feature_key(sha256, *versions, *changes)

    def _path(self, key: str) -> Path:
        return self.bench.examined / key[:2] / key

    def _find(self, key: str) -> ExaminedVideo | None:
        path = self._path(key)
        try:
            if path.stat().st_size > 2 * LARGEST_ENTRY_BYTES:
                return None
            found = unpack(key, path.read_bytes())
        except (OSError, EntryDamaged):
            return None
        faces, sha256, hashes = (
            read_embeddings(found),
            found.facts.get("sha256"),
            found.facts.get("hashes"),
        )
        if faces is None or not isinstance(sha256, str) or not isinstance(hashes, list):
            return None
        if len(hashes) != len(faces.facts.frames):
            return None
        read = tuple(None if one is None else int(str(one)) for one in hashes)
        return ExaminedVideo(sha256, faces, read, is_reused=True)

    def _store(self, key: str, examined: ExaminedVideo) -> None:
        embeddings = examined.faces.to_embeddings()
        more: JsonObject = {"sha256": examined.sha256, "hashes": list(examined.frame_hashes)}
        data = pack(key, replace(embeddings, facts={**embeddings.facts, **more}))
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{key}.{uuid4().hex}")
        try:
            draft.write_bytes(data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _hash_each(frames: NumberedFrames, hashes: list[int | None]) -> Iterator[tuple[Frame, int]]:
    for frame, shot in frames:
        hashes.append(hash_frame(frame.pixels))
        yield frame, shot
