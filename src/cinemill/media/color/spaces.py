"""Color spaces: matrix, primaries, transfer and range, by FFmpeg's names (ITU-T H.273)."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

MATRICES = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m"}
MATRICES |= {8: "ycgco", 9: "bt2020nc", 10: "bt2020c", 11: "smpte2085"}
MATRICES |= {12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp"}
PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film"}
PRIMARIES |= {9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}
TRANSFERS = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear"}
TRANSFERS |= {9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1"}
TRANSFERS |= {14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428"}
TRANSFERS |= {18: "arib-std-b67"}
RANGES = {1: "tv", 2: "pc"}
UNKNOWN = "unknown"
"""What a stream does not state, or states by a number that is reserved."""

HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})
"""PQ and HLG (BT.2100)."""
LINEAR_TRANSFERS = frozenset({"linear", "log100", "log316"})
"""Of numbers that no display shows as they are."""
SD_MATRICES = frozenset({"smpte170m", "bt470bg"})
"""BT.601: one matrix under two names."""


@dataclass(frozen=True, slots=True)
class ColorSpace:
    """What the numbers of a picture mean. Each name may be ``unknown`` where it is what is said."""

    matrix: str
    """``gbr`` for RGB."""
    primaries: str
    transfer: str
    range: str
    """``tv`` (limited) or ``pc`` (full)."""

    @property
    def is_hdr(self) -> bool:
        return self.transfer in HDR_TRANSFERS

    @property
    def is_rgb(self) -> bool:
        return self.matrix == "gbr"


BT709 = ColorSpace("bt709", "bt709", "bt709", "tv")
JFIF = ColorSpace("bt470bg", "bt709", "iec61966-2-1", "pc")
"""Of JPEG files (ITU-T T.871): the matrix of BT.601 and full range, whatever the picture's size."""


def read_stated(frame: Any, codec: Any) -> ColorSpace:
    """Return what a decoded frame (PyAV's) states: of the bitstream, else of the container.

    ``codec`` is the stream's own context, which has what the container states. A decoder that was
    created beside it, for the sake of transparency, was not told.
    """
    pairs = zip(astuple(_read_names(frame)), astuple(_read_names(codec)), strict=True)
    return ColorSpace(*(coded if coded != UNKNOWN else stated for coded, stated in pairs))


def _read_names(described: Any) -> ColorSpace:
    return ColorSpace(
        MATRICES.get(int(described.colorspace), UNKNOWN),
        PRIMARIES.get(int(described.color_primaries), UNKNOWN),
        TRANSFERS.get(int(described.color_trc), UNKNOWN),
        RANGES.get(int(described.color_range), UNKNOWN),
    )
