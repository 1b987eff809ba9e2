"""The frames of a video file, of a folder of images, or of one image, all read alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from cinemill.capabilities.detection.datasets.records import IMAGE_SUFFIXES
from cinemill.capabilities.detection.examine import number_shots
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.video_examination import FRAME_PIXELS, FRAME_WIDTH
from cinemill.core.frames import Frame, Shot
from cinemill.core.media import NO_PICTURE, MaterialFormat, MediaInfo
from cinemill.errors import MediaRejected, NotFound
from cinemill.media.frames.exact import SHOT_FRAME_SIZE, read_every_frame, read_frames
from cinemill.media.frames.index import FrameIndex, read_index
from cinemill.media.frames.sampling import choose_frames
from cinemill.media.frames.shots import detect_shots
from cinemill.media.probe.probe import probe

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

_IMAGE_INTERVAL_MS = 1000
"""Between numbered images, whose times nobody knows."""
NumberedFrames = Iterator[tuple[Frame, int]]
"""Frames, each with the number of its shot."""


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Frames to examine."""

    info: MediaInfo
    read: Callable[[], NumberedFrames]
    bits_per_pixel: float | None
    """Of the video's encoding; None for images."""


def hash_content(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names.

    Raises NotFound (``file_missing``).
    """
    if not path.exists():
        raise NotFound(f"There is no {path}.", code="file_missing")
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for image in list_images(path):
        digest.update(f"{image.name}\n{hash_content(image)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def list_images(path: Path) -> list[Path]:
    """Return an image, or the images of a folder in the order of their numbers."""
    if path.is_file():
        return [path] if path.suffix.lower() in IMAGE_SUFFIXES else []
    images = (one for one in path.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(images, key=lambda one: (len(one.stem), one.stem))


def open_pictures(
    bench: Workbench, path: Path, count: int, *, finds_shots: bool = True
) -> PictureSource:
    """Return at most ``count`` frames, chosen as an analysis chooses them.

    Without ``finds_shots`` the video is taken for one shot, so it is not decoded as a whole.

    Raises MediaRejected, CommandFailed, CommandStalled.
    """
    images = list_images(path)
    if images:
        return _open_images(images, count)
    info = probe(path, bench.limits, sandbox=bench.sandbox)
    index = read_index(path, bench.limits, sandbox=bench.sandbox)
    shots = _find_shots(bench, path, index) if finds_shots else [Shot(0, index.end_ms)]
    pts = choose_frames(index, shots, count)

    def read() -> NumberedFrames:
        frames = read_frames(
            path,
            index,
            pts,
            limits=bench.limits,
            max_width=FRAME_WIDTH,
            max_pixels=FRAME_PIXELS,
            sandbox=bench.sandbox,
        )
        return number_shots(frames, shots)

    bits_per_pixel = index.bits_per_pixel(info.video.width, info.video.height)
    return PictureSource(info, read, bits_per_pixel)


def _find_shots(bench: Workbench, path: Path, index: FrameIndex) -> Sequence[Shot]:
    width, height = SHOT_FRAME_SIZE
    frames = read_every_frame(
        path, limits=bench.limits, width=width, height=height, sandbox=bench.sandbox
    )
    return detect_shots(((frame.time_ms, frame.pixels) for frame in frames), index.end_ms)


def _open_images(images: Sequence[Path], count: int) -> PictureSource:
    places = np.unique(np.linspace(0, len(images) - 1, min(count, len(images))).round())
    chosen = [(int(place), images[int(place)]) for place in places]
    height, width = read_image(chosen[0][1]).shape[:2]
    size = {"width": width, "height": height, "display_width": width, "display_height": height}
    info = MediaInfo(
        format=MaterialFormat.PNG,
        size_bytes=sum(image.stat().st_size for image in images),
        duration_seconds_from_header=0.0,
        start_seconds=0.0,
        bitrate_bps=0,
        video=replace(NO_PICTURE, **size),
    )

    def read() -> NumberedFrames:
        for place, image in chosen:
            yield Frame(place, place * _IMAGE_INTERVAL_MS, read_image(image)), 0

    return PictureSource(info, read, None)


def read_image(path: Path) -> Pixels:
    """Return an image upright, reduced to what an analysis reads at most.

    Raises MediaRejected (``media_unreadable``).
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as damaged:
        raise MediaRejected(f"The image {path} cannot be read.", code="media_unreadable") from (
            damaged
        )
    image.thumbnail((FRAME_WIDTH, FRAME_WIDTH))
    return np.asarray(image)
