"""What is looked for in single frames: by which model, and what the sightings amount to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from cinemill.capabilities.analysis.faces import FACE_MODEL, find_faces, link_faces
from cinemill.capabilities.analysis.objects import OBJECT_MODEL, find_objects, link_objects
from cinemill.capabilities.analysis.sampled_frames import SampledFrame
from cinemill.capabilities.analysis.tags import TAG_MODEL, find_tags, group_tags
from cinemill.capabilities.analysis.text_in_frames import TEXT_MODEL, group_text, read_text
from cinemill.core.findings.finding import Finding, FindingKind, FindingModel
from cinemill.core.frames import Shot
from cinemill.inference.faces.detector import open_face_detector
from cinemill.inference.objects.detector import use_object_detector
from cinemill.inference.ocr.reader import open_text_reader
from cinemill.inference.tags.tagger import open_tagger
from cinemill.steps.ingestion.finding_work import FindingWork

LookAt = Callable[[SampledFrame], list[Finding]]
"""Returns what one frame shows."""


@dataclass(frozen=True, slots=True)
class VideoFrames:
    """The frames that were looked at."""

    shots: Sequence[Shot]
    times_ms: Sequence[int]
    aspect: float
    """Width of the picture divided by its height."""


@dataclass(frozen=True, slots=True)
class FrameModel:
    """A model that looks at frames."""

    kind: FindingKind
    model: FindingModel
    cards: tuple[str, ...]
    """Names of the models that are fetched if they are missing."""
    open: Callable[[Path], AbstractContextManager[LookAt]]
    """The argument is the folder of models."""
    merge: Callable[[Sequence[Finding], VideoFrames], list[Finding]]

    @property
    def work(self) -> FindingWork:
        return FindingWork(self.kind, self.model)


@contextmanager
def _read_texts(folder: Path) -> Iterator[LookAt]:
    yield partial(read_text, reader=open_text_reader(folder))


@contextmanager
def _find_tags(folder: Path) -> Iterator[LookAt]:
    yield partial(find_tags, tagger=open_tagger(folder))


@contextmanager
def _find_faces(folder: Path) -> Iterator[LookAt]:
    yield partial(find_faces, detector=open_face_detector(folder))


@contextmanager
def _find_objects(folder: Path) -> Iterator[LookAt]:
    with use_object_detector(folder) as detector:
        yield partial(find_objects, detector=detector)


FRAME_MODELS: Mapping[FindingKind, FrameModel] = MappingProxyType(
    {
        FindingKind.TEXT: FrameModel(
            FindingKind.TEXT,
            TEXT_MODEL,
            (),
            _read_texts,
            lambda found, frames: group_text(found, frames.times_ms),
        ),
        FindingKind.TAG: FrameModel(
            FindingKind.TAG,
            TAG_MODEL,
            ("efficientnet-lite0", "imagenet-names"),
            _find_tags,
            lambda found, frames: group_tags(found, frames.shots),
        ),
        FindingKind.FACE: FrameModel(
            FindingKind.FACE,
            FACE_MODEL,
            ("centerface",),
            _find_faces,
            lambda found, frames: link_faces(found, frames.shots, aspect=frames.aspect),
        ),
        FindingKind.OBJECT: FrameModel(
            FindingKind.OBJECT,
            OBJECT_MODEL,
            ("nanodet",),
            _find_objects,
            lambda found, frames: link_objects(found, frames.shots, aspect=frames.aspect),
        ),
    }
)
