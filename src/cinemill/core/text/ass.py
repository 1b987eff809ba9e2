"""The parts of an ASS file that we write: heads, styles, clocks. Pure.

The format is described in libass' wiki and in Aegisub's manual; a style's members are written in
one fixed order, each checked, so that a user's file can put nothing else into ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

FONT = "Source Sans Pro"
"""Comes with the package; nothing is drawn with a font that the machine may lack."""
DEFAULT_STYLE = "Default"
EVENT_HEAD = (
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
)
_FONT_SHARE = Fraction(1, 16)
_MARGIN_SHARE = Fraction(1, 20)
_OUTLINE_SHARE = Fraction(1, 400)
_NUMBER = re.compile(r"^-?\d{1,5}(\.\d{1,3})?$")
_COLOUR = re.compile(r"^&H[0-9A-Fa-f]{1,8}&?$")
_NAME = re.compile(r"^[\w .+-]{1,64}$")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FORMAT = (
    *("Name", "Fontname", "Fontsize", "PrimaryColour", "SecondaryColour", "OutlineColour"),
    *("BackColour", "Bold", "Italic", "Underline", "StrikeOut", "ScaleX", "ScaleY", "Spacing"),
    *("Angle", "BorderStyle", "Outline", "Shadow", "Alignment", "MarginL", "MarginR", "MarginV"),
    "Encoding",
)


@dataclass(frozen=True, slots=True)
class Style:
    """A style's members as ASS writes them, by their names in lower case; the font is ours."""

    name: str = DEFAULT_STYLE
    fontsize: str = "18"
    primarycolour: str = "&H00FFFFFF"
    secondarycolour: str = "&H000000FF"
    outlinecolour: str = "&H00000000"
    backcolour: str = "&H80000000"
    bold: str = "0"
    italic: str = "0"
    underline: str = "0"
    strikeout: str = "0"
    scalex: str = "100"
    scaley: str = "100"
    spacing: str = "0"
    angle: str = "0"
    borderstyle: str = "1"
    outline: str = "1"
    shadow: str = "0"
    alignment: str = "2"
    marginl: str = "10"
    marginr: str = "10"
    marginv: str = "10"


def make_default_style(height: int) -> Style:
    """White with a black edge, at the bottom, in proportion to the picture."""
    margin = str(round(height * _MARGIN_SHARE))
    return Style(
        fontsize=str(max(6, round(height * _FONT_SHARE))),
        outline=f"{max(0.5, float(height * _OUTLINE_SHARE)):.2f}",
        marginl=margin,
        marginr=margin,
        marginv=margin,
    )


def read_styles(lines: Sequence[str]) -> tuple[Style, ...]:
    """Return the styles of a ``[V4+ Styles]`` section; an invalid member keeps its default."""
    return tuple({style.name: style for style in _read_each(lines)}.values())


def _read_each(lines: Sequence[str]) -> Iterator[Style]:
    names: list[str] = []
    for line in lines:
        kind, _, value = line.partition(":")
        values = [one.strip() for one in value.split(",")]
        if kind.strip().lower() == "format":
            names = [one.lower() for one in values]
        elif kind.strip().lower() == "style":
            member = dict(zip(names, values, strict=False))
            name = member.get("name", "").lstrip("*")
            if _NAME.match(name):
                yield Style(name=name, **_check_members(member))


def _check_members(member: Mapping[str, str]) -> dict[str, str]:
    known = {name: value for name, value in asdict(Style()).items() if name != "name"}
    return {
        name: member[name]
        for name in known
        if (_COLOUR if name.endswith("colour") else _NUMBER).match(member.get(name, ""))
    }


def escape_text(text: str) -> str:
    """Escape characters that mean something to ASS, so that they are drawn.

    A backslash is separated from the next character by a zero-width joiner.
    """
    text = drop_controls(text).replace("\\", "\\\u2060")
    return text.replace("{", "\\{").replace("}", "\\}")


def drop_controls(text: str) -> str:
    """Without characters that no text has; tabs and line ends stay."""
    return _CONTROLS.sub("", text)


def write_head(styles: Sequence[Style], size: tuple[int, int]) -> Iterator[str]:
    yield "[Script Info]"
    yield "ScriptType: v4.00+"
    yield f"PlayResX: {size[0]}"
    yield f"PlayResY: {size[1]}"
    # Colors mean what they say. Without this line they are those of old players, which took every
    # video for BT.601.
    yield "YCbCr Matrix: None"
    yield "WrapStyle: 0"
    yield "ScaledBorderAndShadow: yes"
    yield "[V4+ Styles]"
    yield f"Format: {', '.join(_FORMAT)}"
    for style in styles:
        members = {**asdict(style), "fontname": FONT, "encoding": "1"}
        yield "Style: " + ",".join(members[name.lower()] for name in _FORMAT)


def write_clock(frame: int, fps: Fraction) -> str:
    """Return the time half a frame before ``frame``, in hundredths of a second.

    Half a frame early, so that rounding shifts nothing by a frame.
    """
    hundredths = max(0, round((frame - Fraction(1, 2)) / fps * 100))
    seconds, rest = divmod(hundredths, 100)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{rest:02d}"
