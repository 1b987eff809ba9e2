"""Key frames as JPEG files that people can download, and that models look at again later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import Finding
from cinemill.core.frames import Frame
from cinemill.core.media import Artifact, ArtifactKind, name_keyframe
from cinemill.errors import InputRejected, TooLarge
from cinemill.media.frames.jpeg import encode_small_jpeg
from cinemill.media.stills.decode import decode_picture
from cinemill.storage.media.files import LocalFiles

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

MAX_WIDTH_PX = 960
MAX_PIXELS = 960 * 960
MOST_BYTES = 512 * 1024
"""Of one file. There are at most 500 of a video, so that all of them are at most 250 MiB."""
MEDIA_TYPE = "image/jpeg"


def list_pts(keyframes: Sequence[Finding]) -> list[int]:
    """Return the timestamps of key frames in their stream."""
    return [_read_pts(one.details) for one in keyframes]


def store_pictures(files: LocalFiles, frames: Iterable[Frame], *, stem: str) -> dict[str, Artifact]:
    """Store each frame as a JPEG file; return what they are, by variant.

    One frame is held at a time. ``stem`` begins the names that people see. Rows that point at the
    files are written afterwards. Raises DiskFull, and what reading the frames raises.
    """
    artifacts = {}
    for frame in frames:
        height, width = frame.pixels.shape[:2]
        with files.receive() as incoming:
            incoming.write(encode_small_jpeg(frame.pixels, MOST_BYTES))
            stored = incoming.commit()
        seconds = round(frame.time_ms / 1000, 3)
        artifacts[name_keyframe(frame.time_ms)] = Artifact(
            kind=ArtifactKind.KEYFRAME,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            filename=f"{stem}-{seconds:.3f}s.jpg",
            media_type=MEDIA_TYPE,
            facts={"width": width, "height": height, "seconds": seconds},
        )
    return artifacts


def has_all_pictures(
    files: LocalFiles, artifacts: Mapping[str, Artifact], keyframes: Sequence[Finding]
) -> bool:
    """Check whether each key frame has its file, and there is no other."""
    if set(artifacts) != {name_keyframe(one.start_ms) for one in keyframes}:
        return False
    return all(files.exists(one.sha256) for one in artifacts.values())


def read_picture(files: LocalFiles, artifact: Artifact | None) -> Pixels | None:
    """Return a key frame from its file; None where it is missing or damaged.

    It was written by :func:`store_pictures`, and so is decoded in this process.
    """
    if artifact is None:
        return None
    try:
        data = Path(files.path(artifact.sha256)).read_bytes()
        return decode_picture(
            data, max_width=MAX_WIDTH_PX, max_pixels=MAX_PIXELS, most_pixels=MAX_PIXELS
        )
    except (OSError, InputRejected, TooLarge):
        return None


def _read_pts(details: JsonObject) -> int:
    return int(str(details["pts"]))
