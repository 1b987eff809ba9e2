"""Pictures that may be transparent, for outputs that cannot be: put over black, on purpose.

Without that, whatever color lies hidden in the transparent parts would show.
"""

from __future__ import annotations

from cinemill.core.media import MediaInfo

OVER_BLACK = "transparent parts were put over black"
"""What is said of an output that lost its transparency."""
_LUMA_FORMATS = ("yuva444p", "yuva444p10le", "yuva444p12le", "yuva444p16le")
_RGB_FORMATS = ("gbrap", "gbrap10le", "gbrap12le", "gbrap16le")


def flatten(info: MediaInfo) -> list[str]:
    """Return filters that put the picture over black; none where it cannot be transparent.

    They come before scaling, which would mix hidden colors into the edges.
    """
    return put_over_black(info.video.pixel_format) if info.video.has_alpha else []


def put_over_black(pixel_format: str) -> list[str]:
    """Return filters that put frames of a format with an alpha channel over black."""
    # The nearest of those that the filter takes, with the samples of one pixel in one place.
    formats = _LUMA_FORMATS if pixel_format.startswith("yuva") else _RGB_FORMATS
    return [f"format={'|'.join(formats)}", "premultiply=inplace=1"]
