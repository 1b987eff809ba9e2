"""FFmpeg's filters from a source's colors to an output's, stated on every frame.

Everything is explicit: what a source does not state is stated for it (:func:`declare`), and no
filter or encoder is left to guess. FFmpeg's versions differ in what they take from frames, from
pixel formats and from options; they agree on this.

::

    frames ─► declare ─► … ─► scale_to ─► encoder
"""

from __future__ import annotations

from dataclasses import replace

from cinemill.media.color.spaces import BT709, LINEAR_TRANSFERS, SD_MATRICES, ColorSpace
from cinemill.media.color.tonemap import convert_light, tonemap

_SCALER_NAMES = {"bt709": "bt709", "fcc": "fcc", "smpte240m": "smpte240m", "bt2020nc": "bt2020"}
_SCALER_NAMES |= dict.fromkeys(SD_MATRICES, "bt601")
"""Matrices that FFmpeg's ``scale`` knows. It fails on frames that state another."""
_UNKNOWN_TO_ZSCALE = frozenset({"smpte240m"})
"""Of FFmpeg 5; ``scale`` converts it on the way."""
_WIDE = frozenset({"bt2020", "smpte431", "smpte432"})
"""Primaries of which a display of BT.709's shows other colors. All others look the same on it."""
_PLAYED_MATRICES = frozenset({"bt709", "bt2020nc"}) | SD_MATRICES
_PLAYED_PRIMARIES = frozenset({"bt709", "bt470bg", "smpte170m", "bt2020", "smpte432"})
_PLAYED_TRANSFERS = frozenset({"bt709", "bt470m", "bt470bg", "smpte170m", "iec61966-2-1"})
_PLAYED_TRANSFERS |= {"bt2020-10", "bt2020-12"}
_EXACT = "+accurate_rnd+full_chroma_int"
"""The fast conversion through RGB darkens by one level, but does nothing where none is needed."""


def choose_playable(source: ColorSpace, *, keeps_hdr: bool) -> ColorSpace:
    """Return the color space of a video made of such a source: its own if players know it.

    It has limited range. What they do not know becomes BT.709, and so does HDR unless it is kept.
    """
    if source.is_hdr:
        matrix = source.matrix if source.matrix in _PLAYED_MATRICES else "bt2020nc"
        return replace(source, matrix=matrix, range="tv") if keeps_hdr else BT709
    is_played = (
        source.matrix in _PLAYED_MATRICES
        and source.primaries in _PLAYED_PRIMARIES
        and source.transfer in _PLAYED_TRANSFERS
    )
    return replace(source, range="tv") if is_played else BT709


def name_colors(color: ColorSpace) -> str:
    """Return what a color space is called in a sentence: by its matrix, or RGB."""
    return "RGB" if color.is_rgb else color.matrix


def declare(source: ColorSpace) -> str:
    """Return the filter that comes before all others and states a source's color space.

    What ``scale`` does not take is called BT.709, and :func:`scale_to` does not forget what it is.
    """
    return state(_as_scaled(source))


def state(color: ColorSpace) -> str:
    """Return the filter that states the color space of frames, and changes no number in them."""
    return (
        f"setparams=color_primaries={color.primaries}:color_trc={color.transfer}"
        f":colorspace={color.matrix}:range={color.range}"
    )


def scale_to(
    size: tuple[int, int],
    source: ColorSpace,
    target: ColorSpace,
    pixels: str,
    *,
    can_tonemap: bool,
    flags: str = "bicubic",
) -> list[str]:
    """Return filters from declared frames to this size, color space and pixel format.

    ``pixels`` is FFmpeg's name of the format. Frames have square pixels afterwards. Without
    ``can_tonemap`` (FFmpeg's filters ``zscale`` and ``tonemap``) HDR and primaries are not
    converted.
    """
    if not (can_tonemap and _needs_light(source, target)):
        return _finish(target, pixels, _scale(source, target, size, flags), "setsar=1")
    stored = _as_scaled(source)
    if source.matrix in _UNKNOWN_TO_ZSCALE:
        source = replace(source, matrix=BT709.matrix)
    plain = source if source.is_rgb else replace(_as_scaled(source), range="tv")
    filters = [_scale(stored, plain, size, flags), "setsar=1"]
    has_alpha = pixels.startswith("yuva")
    if source.is_hdr and not target.is_hdr:
        filters += tonemap(source, has_alpha=has_alpha)
        middle = BT709
    else:
        middle = target if target.range == "tv" else BT709
        filters += convert_light(source, middle, has_alpha=has_alpha)
    if middle == target:
        return _finish(target, pixels, *filters)
    return _finish(target, pixels, *filters, state(middle), _scale(middle, target, None, flags))


def _finish(target: ColorSpace, pixels: str, *filters: str) -> list[str]:
    return [*filters, state(target), f"format={pixels}"]


def _needs_light(source: ColorSpace, target: ColorSpace) -> bool:
    """Check whether more is to be converted than ``scale`` can: matrix and range."""
    if not source.is_rgb and source.matrix not in _SCALER_NAMES:
        return True
    if source.is_hdr or target.is_hdr:
        return not target.is_hdr
    is_wide = source.primaries in _WIDE and source.primaries != target.primaries
    return is_wide or source.transfer in LINEAR_TRANSFERS


def _as_scaled(source: ColorSpace) -> ColorSpace:
    """Return what is stated of a source while it is scaled: what ``scale`` does not fail on."""
    is_known = source.is_rgb or source.matrix in _SCALER_NAMES
    is_shown = source.transfer not in LINEAR_TRANSFERS
    return replace(
        source,
        matrix=source.matrix if is_known else BT709.matrix,
        transfer=source.transfer if is_shown else BT709.transfer,
    )


def _scale(source: ColorSpace, target: ColorSpace, size: tuple[int, int] | None, flags: str) -> str:
    is_changed = (_name(source), source.range) != (_name(target), target.range)
    options = [f"{size[0]}:{size[1]}"] if size else []
    options.append(f"flags={flags}{_EXACT if is_changed else ''}")
    if not source.is_rgb:
        options.append(f"in_color_matrix={_name(source)}:in_range={source.range}")
    if not target.is_rgb:
        options.append(f"out_color_matrix={_name(target)}:out_range={target.range}")
    return f"scale={':'.join(options)}"


def _name(color: ColorSpace) -> str:
    return "gbr" if color.is_rgb else _SCALER_NAMES.get(color.matrix, BT709.matrix)
