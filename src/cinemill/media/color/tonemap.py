"""Color conversions that need linear light: HDR to SDR, and other primaries."""

from __future__ import annotations

from cinemill.media.color.spaces import ColorSpace

_SIGNALS = frozenset({"linear", "log100", "log316", "smpte2084", "arib-std-b67"})
"""Transfers that are converted as what they are. All others are shown by the same display, so they
count as one, and their numbers stay."""
_PRIMARIES = frozenset(
    {"bt709", "bt470m", "bt470bg", "smpte170m", "smpte240m", "film", "bt2020", "smpte431"}
) | {"smpte432", "ebu3213"}


def tonemap(color: ColorSpace, *, has_alpha: bool = False) -> list[str]:
    """Return filters from BT.2100, limited range, to BT.709: Hable's curve on linear light.

    Without chroma subsampling on either side, because zscale rejects odd sizes otherwise.
    """
    alpha = "a" if has_alpha else ""
    return [
        _full_chroma(color, has_alpha),
        f"zscale={_describe_input(color)}:t=linear:npl=100",
        f"format=gbr{alpha}pf32le",
        "zscale=p=bt709",
        "tonemap=hable:desat=0",
        "zscale=t=bt709:m=bt709:r=tv",
        f"format=yuv{alpha}444p",
    ]


def convert_light(color: ColorSpace, target: ColorSpace, *, has_alpha: bool = False) -> list[str]:
    """Return filters from one space to another of limited range, in ten bits a sample.

    Both must be SDR, or have the same transfer. RGB has full range; all else is limited.
    """
    into = f"m={target.matrix}:p={target.primaries}:t={_name_transfer(target)}:r=tv"
    return [
        _full_chroma(color, has_alpha),
        f"zscale={_describe_input(color)}:{into}",
        _full_chroma(target, has_alpha),
    ]


def _full_chroma(color: ColorSpace, has_alpha: bool) -> str:
    if color.is_rgb:
        return f"format=gbr{'a' if has_alpha else ''}p10le"
    return f"format=yuv{'a' if has_alpha else ''}444p10le"


def _describe_input(color: ColorSpace) -> str:
    primaries = color.primaries if color.primaries in _PRIMARIES else "bt709"
    span = "pc" if color.is_rgb else "tv"
    return f"tin={_name_transfer(color)}:pin={primaries}:min={color.matrix}:rin={span}"


def _name_transfer(color: ColorSpace) -> str:
    return color.transfer if color.transfer in _SIGNALS else "bt709"
