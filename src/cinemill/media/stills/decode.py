"""A JPEG or PNG file as an array. Untrusted ones are decoded in the process of ``child`` only."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import av

from cinemill.core.media import MaterialFormat
from cinemill.errors import InputRejected, MediaRejected, TooLarge
from cinemill.media.frames.open_video import PROBLEMS
from cinemill.media.frames.pixels import PixelConverter, SizeBound
from cinemill.media.probe.sniff import HEAD_BYTES, sniff_material

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

FORMATS = (MaterialFormat.JPEG, MaterialFormat.PNG)


class PictureUnreadable(InputRejected):
    """The bytes are no picture that can be shown."""

    code = "picture_unreadable"
    hint = "Send a JPEG or PNG picture that other programs can open."


class PictureTooLarge(TooLarge):
    """The picture has more bytes or pixels than are read."""

    code = "picture_too_large"
    hint = "Send it smaller: far fewer pixels are compared."


def decode_picture(data: bytes, *, max_width: int, max_pixels: int, most_pixels: int) -> Pixels:
    """Return a JPEG or PNG picture, height × width × 3: upright, at most so wide and so large.

    It is never enlarged. ``most_pixels`` is how large the file's own picture may be.

    Raises PictureUnreadable (``picture_unreadable``), PictureTooLarge (``picture_too_large``).
    """
    format_name = find_format(data).value
    options = {"format_whitelist": format_name, "max_pixels": str(most_pixels)}
    try:
        with av.open(io.BytesIO(data), "r", format=format_name, options=options) as container:
            stream = container.streams.video[0]
            if stream.width * stream.height > most_pixels:
                raise PictureTooLarge(
                    f"The picture has {stream.width} × {stream.height} pixels; at most "
                    f"{most_pixels} are read."
                )
            frame = next(iter(container.decode(video=0)), None)
            if frame is None:
                raise PictureUnreadable("The picture cannot be decoded.")
            return PixelConverter(stream, SizeBound(max_width, max_pixels)).convert(frame)
    except (*PROBLEMS, IndexError, MediaRejected) as broken:
        raise PictureUnreadable("The picture cannot be decoded.") from broken


def find_format(data: bytes) -> MaterialFormat:
    """Return whether this is JPEG or PNG, by its first bytes. Raises PictureUnreadable."""
    try:
        found = sniff_material(data[:HEAD_BYTES])
    except MediaRejected as unknown:
        raise PictureUnreadable("The bytes are no JPEG or PNG picture.") from unknown
    if found not in FORMATS:
        raise PictureUnreadable("The bytes are no JPEG or PNG picture.")
    return MaterialFormat(found.value)
