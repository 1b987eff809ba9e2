"""The override tags of an ASS event, read as libass reads them and written again. Pure.

A renderer must never see a tag that we did not: libass skips spaces and tabs before a name, takes
values in parentheses or without, does not need a closing parenthesis, and knows a name by its
beginning. So a text is read by the same rules (``ass_parse.c`` of libass 0.17), and only what is
understood is written, in one form, with numbers in bounds. Fonts are left out, as are unknown tags
and comments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

_SPACES = " \t"
_MOST_ARGUMENTS = 7
_NAME_END = re.compile(r"[(\\]")
_ARGUMENT_END = re.compile(r"[,\\)]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_COLOUR = re.compile(r"[&Hh]*([0-9A-Fa-f]{1,8})")
_BRACE = re.compile(r"\\[{}]|\{")
_DRAWING = re.compile(r"[^mnlbspc0-9.+ -]")
_LARGEST = 99_999.0
_BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("bord", "xbord", "ybord", "shad"), (0, 1000)),
    **dict.fromkeys(("xshad", "yshad"), (-1000, 1000)),
    **dict.fromkeys(("fscx", "fscy", "fs"), (0, 10_000)),
    **dict.fromkeys(("fax", "fay"), (-10, 10)),
    **dict.fromkeys(("frx", "fry", "frz", "fr", "pbo"), (-_LARGEST, _LARGEST)),
    **dict.fromkeys(("kt", "kf", "K", "ko", "k"), (0, _LARGEST)),
    "fsp": (-1000, 1000),
    "blur": (0, 100),
}
_WHOLE: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("i", "u", "s"), (0, 1)),
    "be": (0, 127),
    "an": (0, 9),
    "a": (0, 11),
    "b": (0, 900),
    "q": (0, 3),
    "p": (0, 20),
}
_COLOURS = ("alpha", *(f"{number}{kind}" for kind in "ca" for number in range(1, 5)), "c")
_POINTS = {"move": (4, 6), "pos": (2,), "fade": (2, 7), "fad": (2, 7), "org": (2,)}
_CLIPS = ("iclip", "clip")
# By their beginnings, in libass' order: "\board5" is a \b, "\testing(" a \t.
_ORDER = (
    *("xbord", "ybord", "xshad", "yshad", "fax", "fay", "iclip", "blur", "fscx", "fscy", "fsc"),
    *("fsp", "fs", "bord", "move", "frx", "fry", "frz", "fr", "fn", "alpha", "an", "a", "pos"),
    *("fade", "fad", "org", "t", "clip", "c", "1c", "2c", "3c", "4c", "1a", "2a", "3a", "4a"),
    *("r", "be", "b", "i", "kt", "kf", "K", "ko", "k", "shad", "s", "u", "pbo", "p", "q"),
)
_NAME = re.compile("|".join(_ORDER))


@dataclass(frozen=True, slots=True)
class Tag:
    """An override that is understood, with what it says as we write it."""

    name: str
    value: str = ""
    """Empty: back to what the style says."""
    numbers: tuple[float, ...] = ()
    drawing: str = ""
    """Of a clip that is no rectangle."""
    transform: tuple[float, ...] | None = None
    r"""The arguments of the ``\t`` that it is in; None outside of one."""

    def write(self) -> str:
        return f"\\{self.name}{self.value}"


@dataclass(frozen=True, slots=True)
class Span:
    """Tags, and the text after them; in drawings, the text is commands for the pen."""

    tags: tuple[Tag, ...]
    text: str
    is_drawing: bool = field(default=False)


def read_spans(text: str, styles: Collection[str]) -> Iterator[Span]:
    r"""Yield an event's text in parts; ``styles`` are the names that ``\r`` may name."""
    at, scale, tags = 0, 0.0, list[Tag]()
    while at < len(text):
        end = text.find("}", at) if text[at] == "{" else -1
        if end >= 0:
            found = list(_read_block(text[at + 1 : end], styles))
            tags += found
            scales = [tag.numbers[0] for tag in found if tag.name == "p" and tag.numbers]
            scale = scales[-1] if scales else scale
            at = end + 1
            continue
        end = _find_text_end(text, at, is_drawing=scale > 0)
        words = text[at:end]
        yield Span(tuple(tags), _DRAWING.sub(" ", words) if scale > 0 else words, scale > 0)
        at, tags = end, []
    if tags:
        yield Span(tuple(tags), "", scale > 0)


def _find_text_end(text: str, at: int, *, is_drawing: bool) -> int:
    """Return where the next block begins; a brace that is never closed is text."""
    last = text.rfind("}")
    if is_drawing:
        end = text.find("{", at + 1, last)
        return len(text) if end < 0 else end
    for found in _BRACE.finditer(text, at, max(at, last)):
        if found[0] == "{":
            return found.start()
    return len(text)


def write_spans(spans: Iterator[Span] | Collection[Span]) -> str:
    """Return the text that means what these parts mean."""
    return "".join(_write_tags(span.tags) + span.text for span in spans)


def _write_tags(tags: Collection[Tag]) -> str:
    parts: list[str] = []
    opened: tuple[float, ...] | None = None
    for tag in tags:
        if opened is not None and tag.transform != opened:
            parts.append(")")
            opened = None
        if opened is None and tag.transform is not None:
            parts.append("\\t(" + "".join(f"{_format(one)}," for one in tag.transform))
            opened = tag.transform
        parts.append(tag.write())
        if opened is not None and parts[-1].endswith(")"):
            # A transform ends at the first closing parenthesis, whosever it is.
            parts.append(")")
            opened = None
    if opened is not None:
        parts.append(")")
    return f"{{{''.join(parts)}}}" if parts else ""


def _read_block(block: str, styles: Collection[str]) -> Iterator[Tag]:
    r"""Yield the tags between two braces. What is in a ``\t`` ends at the first ``)``."""
    at, until = 0, 0
    transform: tuple[float, ...] | None = None
    while (at := block.find("\\", at)) >= 0:
        if transform is not None and at >= until:
            transform = None
        limit = until if transform is not None else len(block)
        start = _skip_spaces(block, at + 1, limit)
        end = _find(_NAME_END, block, start, limit)
        at = end
        if end == start:
            continue
        written = block[start:end]
        arguments, inside, closing = _read_arguments(block, end, limit)
        named = _NAME.match(written)
        name = named[0] if named else ""
        if name == "t" and inside >= 0:
            transform, until, at = _read_transform(arguments[:-1]), closing, inside
            continue
        at = max(end, closing)
        rest = written[len(name) :].strip(_SPACES)
        tag = _make_tag(name, arguments, rest, styles, transform)
        if tag is not None:
            yield tag


def _read_arguments(block: str, at: int, limit: int) -> tuple[list[str], int, int]:
    """Return what is in the parentheses at ``at``, where tags begin in it, and where it ends.

    The second is -1 where there are no tags; the third is that of the closing parenthesis, or where
    it is missing ``limit``.
    """
    arguments: list[str] = []
    if at >= limit or block[at] != "(":
        return arguments, -1, at
    at += 1
    while True:
        at = _skip_spaces(block, at, limit)
        end = _find(_ARGUMENT_END, block, at, limit)
        if end >= limit or block[end] != ",":
            break
        _keep(arguments, block[at:end])
        at = end + 1
    inside = at if end < limit and block[end] == "\\" else -1
    if inside >= 0:
        closing = block.find(")", end, limit)
        end = limit if closing < 0 else closing
    _keep(arguments, block[at:end])
    return arguments, inside, end


def _keep(arguments: list[str], written: str) -> None:
    value = written.rstrip(_SPACES)
    if value and len(arguments) <= _MOST_ARGUMENTS:
        arguments.append(value)


def _read_transform(arguments: list[str]) -> tuple[float, ...]:
    numbers = tuple(_clamp(_parse(one), -10.0 * _LARGEST, 10.0 * _LARGEST) for one in arguments)
    return numbers if 1 <= len(numbers) <= 3 else ()


def _make_tag(
    name: str,
    arguments: list[str],
    rest: str,
    styles: Collection[str],
    transform: tuple[float, ...] | None,
) -> Tag | None:
    first = arguments[0] if arguments else rest
    if name in _BOUNDS or name in _WHOLE:
        return _make_number(name, first, transform)
    if name in _COLOURS:
        found = _COLOUR.match(first)
        return Tag(name, f"&H{found[1].upper()}&" if found else "", transform=transform)
    if name in _POINTS:
        numbers = tuple(_clamp(_parse(one), -_LARGEST, _LARGEST) for one in arguments)
        if len(numbers) not in _POINTS[name]:
            return None
        return Tag(name, f"({','.join(map(_format, numbers))})", numbers, transform=transform)
    if name in _CLIPS:
        return _make_clip(name, arguments, transform)
    if name == "r":
        return Tag("r", first if first in styles else "", transform=transform)
    if name == "fsc":
        return Tag("fsc", transform=transform)
    return None


def _make_number(name: str, written: str, transform: tuple[float, ...] | None) -> Tag:
    if not written:
        return Tag(name, transform=transform)
    value = _parse(written)
    if name == "fs" and written[0] in "+-":
        value = _clamp(value, -9.0, 100.0)
        return Tag(name, f"{'+' if value >= 0 else ''}{_format(value)}", (value,), "", transform)
    value = _clamp(value, *(_WHOLE.get(name) or _BOUNDS[name]))
    if name in _WHOLE:
        value = float(int(value))
    return Tag(name, _format(value), (value,), transform=transform)


def _make_clip(name: str, arguments: list[str], transform: tuple[float, ...] | None) -> Tag | None:
    if len(arguments) == 4:
        numbers = tuple(_clamp(_parse(one), -_LARGEST, _LARGEST) for one in arguments)
        return Tag(name, f"({','.join(map(_format, numbers))})", numbers, transform=transform)
    if len(arguments) not in (1, 2):
        return None
    scale = _clamp(_parse(arguments[0]), 1, 20) if len(arguments) == 2 else 1.0
    drawing = _DRAWING.sub(" ", arguments[-1])
    return Tag(name, f"({int(scale)},{drawing})", (float(int(scale)),), drawing, transform)


def _parse(written: str) -> float:
    """Return the number that a text begins with, as C does; 0 if it is none."""
    found = _NUMBER.match(written.lstrip(_SPACES))
    return _clamp(float(found[0]), -1e9, 1e9) if found else 0.0


def _clamp(value: float, lowest: float, highest: float) -> float:
    return max(lowest, min(highest, value))


def _format(value: float) -> str:
    written = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def _skip_spaces(text: str, at: int, limit: int) -> int:
    while at < limit and text[at] in _SPACES:
        at += 1
    return at


def _find(pattern: re.Pattern[str], text: str, at: int, limit: int) -> int:
    found = pattern.search(text, at, limit)
    return found.start() if found else limit
