"""Videos of a data set: what each is, who is in it, and what makes it one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cinemill.errors import InputRejected

VIDEO_SUFFIXES = frozenset({".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".webm", ".wmv"})
IMAGE_SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp"})


class DatasetInvalid(InputRejected):
    """A folder is not laid out as the data set is published, or its metadata is damaged."""

    code = "dataset_invalid"
    hint = (
        "Give the folder into which the data set was unpacked, unchanged; "
        "docs/reference/detection-datasets.md shows each layout. 'folder' takes your own videos."
    )


@dataclass(frozen=True, slots=True, order=True)
class VideoKey:
    """What makes a video one of its own: ``000_003.mp4`` exists once for every method."""

    dataset: str
    method: str
    """``real`` for untouched footage, else what made the fake."""
    name: str
    """Path inside the method's folder, without suffix."""


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """A video of a data set, or a folder with its frames."""

    key: VideoKey
    path: Path
    """A video file, an image, or a folder of images in order of their names."""
    is_fake: bool
    identity: str
    """The person whose footage it is; unique over data sets."""
    other_identities: frozenset[str] = frozenset()
    """Whose face was put in."""
    source: str = ""
    """The footage that it was made from; untouched footage names itself."""
    split: str = ""
    """``train``, ``val`` or ``test`` as published; empty if it is not."""

    @property
    def identities(self) -> frozenset[str]:
        """Return everyone in the video: none of them may be in both training and test."""
        return self.other_identities | {self.identity}


@dataclass(frozen=True, slots=True)
class DatasetListing:
    """The videos found, and what was passed over and why."""

    records: tuple[VideoRecord, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Number of files by a sentence that says why they are not used."""
    notes: tuple[str, ...] = ()
    """What the data set does not say, in sentences for the report."""
