"""How much it takes to draw subtitles, before anything is drawn. Pure.

libass keeps one bitmap for each run of letters, one for its border and one for its shadow, as large
as what is blurred. A few hundred bytes can ask for gigabytes of them, and what moves is drawn again
for each frame. The unit is the picture: 1 is as many pixels as a picture of 16:9 has.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cinemill.core.text.ass import Style
from cinemill.core.text.ass_tags import Span, Tag

MOST_AT_ONCE = 128.0
"""At 1080 lines, some 250 MiB of bitmaps."""
MOST_MOVING_AT_ONCE = 32.0
"""Drawn again for each frame: at 1080 lines, 70 million pixels."""
LEAST = 1 / 16
"""Of each subtitle: also those without a letter have to be placed."""
_ASPECT = 16 / 9
_LETTER_WIDTH, _LETTER_HEIGHT = 0.65, 1.3
"""Of one letter of our font, for each unit of its size."""
_USUAL_WIDTH = 0.5
"""Of the letters of a whole line, on average."""
_BLUR_REACH = 3.0
_BE_REACH = 16.0
_CAMERA = 312.5
"""How far libass' eye is from the plane of the picture, in pixels of the video."""
_USUAL_HEIGHT = 1080
"""Blurs and that distance are in pixels of the video, whatever the file's own units are: this many
lines are taken for it."""
_BOX = 3
"""The style of border that is a box behind each letter; newer versions of libass scale it twice."""
_MOST_GROWTH = 64.0
"""Of the area of letters that are turned out of the plane, towards that eye or past it."""
_CENTRED = {"an": ((2, 5, 8), (4, 5, 6)), "a": ((2, 6, 10), (9, 10, 11))}
"""Alignments that put a text's middle at its place: across and along the picture's height."""
_READING_COST = 1 / 4096
"""Of each tag, and each character that is no pen's: they are read and placed for each frame."""
_MISSING_COST = 1 / 64
"""Of each character that our font lacks: libass looks for another one each time, for 30 µs."""
_CURVE_COST = 1 / 16
"""Of each curve of a drawing with a border: to stroke one may take a mebibyte."""
_LARGEST_DRAWING = 1e6
_JOINER = "\u2060"
"""It has no width. A space has one, and belongs to the bitmap of the letters around it."""
_NUMBERS = re.compile(r"[+-]?\d+\.?\d*", re.ASCII)
_PEN = re.compile(r"[mnlbspc]")
_CURVES = re.compile(r"([bspc])([^mnlbspc]*)")
_MISSING = re.compile(r"[^\x00-\u052f\u1e00-\u22ff]+")
"""Of scripts other than Latin, Greek and Cyrillic, without punctuation."""
_LINE_END = re.compile(r"\\[Nn]")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one subtitle while it is there, in pictures."""

    pictures: float
    is_moving: bool


@dataclass(frozen=True, slots=True)
class _State:
    """What decides on the size of a letter's bitmaps, in the file's own units."""

    fontsize: float = 18.0
    scale_x: float = 1.0
    scale_y: float = 1.0
    spacing: float = 0.0
    border_x: float = 1.0
    border_y: float = 1.0
    shadow: float = 0.0
    blur: float = 0.0
    be: float = 0.0
    fax: float = 0.0
    fay: float = 0.0
    turn: float = 0.0
    tilt_x: float = 0.0
    tilt_y: float = 0.0
    is_turning: bool = False
    drawing_scale: float = 0.0
    is_boxed: bool = False
    pixel: float = 1.0
    """Of the video, in the file's units."""
    stretch: float = 1.0
    """By how much newer versions draw borders, drawings and spaces wider than high."""


def measure_cost(
    spans: Iterable[Span], style: Style, styles: Mapping[str, Style], size: tuple[int, int]
) -> Cost:
    """Return the cost of one subtitle; lengths are relative to a picture of ``size``."""
    first = _start(style, size)
    state, pixels, is_moving = first, 0.0, False
    tags, parts = list[Tag](), list[tuple[Span, _State]]()
    for span in spans:
        for tag in span.tags:
            tags.append(tag)
            is_moving |= tag.transform is not None or tag.name == "move"
            if tag.name == "r":
                state = _start(styles.get(tag.value, style), size)
            elif tag.name in ("clip", "iclip"):
                clip = math.prod(_measure_drawing(tag.drawing, tag.numbers[0]))
                pixels += first.stretch * clip
            else:
                state = _apply(state, first, tag)
        parts.append((span, state))
    reach = _measure_reach(parts, tags, style)
    pixels += sum(_measure_span(span, state, reach) for span, state in parts)
    pictures = pixels / (size[1] * size[1] * _ASPECT)
    pictures += len(tags) * _READING_COST + sum(_measure_reading(*part) for part in parts)
    return Cost(LEAST + pictures, is_moving)


def find_overload(
    cues: Sequence[tuple[int, int, Cost]],
) -> tuple[int, float, float] | None:
    """Return the first moment (ms) at which too much is to be drawn, or None.

    ``cues`` are start, end and cost. With it come the cost of all that is there then, and the most
    that is allowed of it: of everything, or of what moves.
    """
    totals = {False: 0.0, True: 0.0}
    ends: list[tuple[int, float, bool]] = []
    for start, end, cost in sorted(cues, key=lambda cue: cue[0]):
        while ends and ends[0][0] <= start:
            _, pictures, is_moving = heapq.heappop(ends)
            totals[is_moving] -= pictures
        heapq.heappush(ends, (end, cost.pictures, cost.is_moving))
        totals[cost.is_moving] += cost.pictures
        if totals[True] > MOST_MOVING_AT_ONCE:
            return start, totals[True], MOST_MOVING_AT_ONCE
        if sum(totals.values()) > MOST_AT_ONCE:
            return start, sum(totals.values()), MOST_AT_ONCE
    return None


def _start(style: Style, size: tuple[int, int]) -> _State:
    width, height = size
    outline = abs(float(style.outline))
    return _State(
        fontsize=abs(float(style.fontsize)),
        scale_x=abs(float(style.scalex)) / 100,
        scale_y=abs(float(style.scaley)) / 100,
        spacing=float(style.spacing),
        border_x=outline,
        border_y=outline,
        shadow=abs(float(style.shadow)),
        turn=float(style.angle),
        is_boxed=int(float(style.borderstyle)) == _BOX,
        pixel=height / _USUAL_HEIGHT,
        stretch=max(1.0, height * _ASPECT / width),
    )


def _apply(state: _State, first: _State, tag: Tag) -> _State:
    """Return the state after a tag; in a transform, the larger of the two that it is between."""
    changes: dict[str, Any] = {**_find_changes(state, first, tag)}
    if tag.transform is not None:
        changes = {name: _larger(getattr(state, name), value) for name, value in changes.items()}
        if changes.keys() & {"turn", "tilt_x", "tilt_y"}:
            state = replace(state, is_turning=True)
    return replace(state, **changes)


def _larger(one: float, other: float) -> float:
    return one if abs(one) > abs(other) else other


_FIELDS: dict[str, Collection[str]] = {
    "fs": ("fontsize",),
    "fscx": ("scale_x",),
    "fscy": ("scale_y",),
    "fsc": ("scale_x", "scale_y"),
    "fsp": ("spacing",),
    "bord": ("border_x", "border_y"),
    "xbord": ("border_x",),
    "ybord": ("border_y",),
    "shad": ("shadow",),
    "xshad": ("shadow",),
    "yshad": ("shadow",),
    "blur": ("blur",),
    "be": ("be",),
    "fax": ("fax",),
    "fay": ("fay",),
    "frz": ("turn",),
    "fr": ("turn",),
    "frx": ("tilt_x",),
    "fry": ("tilt_y",),
    "p": ("drawing_scale",),
}


def _find_changes(state: _State, first: _State, tag: Tag) -> dict[str, float]:
    fields = _FIELDS.get(tag.name, ())
    if not tag.numbers:
        return {name: getattr(first, name) for name in fields}
    value = tag.numbers[0]
    if tag.name == "fs" and tag.value[0] in "+-":
        value = state.fontsize * (1 + value / 10)
    if tag.name == "fs" and value <= 0:
        value = first.fontsize
    if tag.name in ("fscx", "fscy"):
        value /= 100
    if tag.name in ("xshad", "yshad"):
        value = max(abs(value), state.shadow)
    return dict.fromkeys(fields, value)


def _measure_reach(
    parts: Collection[tuple[Span, _State]], tags: Sequence[Tag], style: Style
) -> tuple[float, float]:
    """Return how far a text reaches from the point that it is turned around, to each side.

    Endless for drawings, and around a point that the text names.
    """
    if any(tag.name == "org" for tag in tags) or any(span.is_drawing for span, _ in parts):
        return math.inf, math.inf
    widths, height = [0.0], 0.0
    for span, state in parts:
        for number, line in enumerate(_LINE_END.split(span.text)):
            widths += [0.0] if number else []
            widths[-1] += len(line) * _measure_letter(state, _USUAL_WIDTH)[0]
        height = max(height, _measure_letter(state)[1])
    # The first counts.
    named = next((tag for tag in tags if tag.name in _CENTRED and tag.numbers), None)
    name, place = (named.name, named.numbers[0]) if named else ("an", float(style.alignment))
    across, along = _CENTRED[name]
    return (
        max(widths) / (2 if place in across else 1),
        len(widths) * height / (2 if place in along else 1),
    )


def _measure_letter(state: _State, share: float = _LETTER_WIDTH) -> tuple[float, float]:
    width = share * state.fontsize + abs(state.spacing) * state.stretch
    return width * state.scale_x, _LETTER_HEIGHT * state.fontsize * state.scale_y


def _measure_span(span: Span, state: _State, reach: tuple[float, float]) -> float:
    """Return the pixels of all bitmaps for a text or a drawing, in the file's units squared."""
    if span.is_drawing:
        width, height = _measure_drawing(span.text, state.drawing_scale)
        width *= state.stretch
        return _measure_bitmaps(width * state.scale_x, height * state.scale_y, state, reach)
    letters = len(span.text) - span.text.count(_JOINER)
    return letters * _measure_bitmaps(*_measure_letter(state), state, reach)


def _measure_reading(span: Span, state: _State) -> float:
    """Return the cost, in pictures, of what is done for each character or curve."""
    if not span.is_drawing:
        missing = sum(map(len, _MISSING.findall(span.text)))
        return len(span.text) * _READING_COST + missing * _MISSING_COST
    if not (state.border_x or state.border_y):
        return 0.0
    curves = (
        len(_NUMBERS.findall(numbers)) // (6 if pen == "b" else 2)
        for pen, numbers in _CURVES.findall(span.text)
    )
    return sum(curves) * _CURVE_COST


def _measure_growth(state: _State, reach: tuple[float, float]) -> float:
    """Return by how much the area of letters grows when they are turned out of the plane.

    What comes nearer to the eye grows: by how much on average, if letters are spread evenly from
    as far behind the plane as some are before it.
    """
    across, along = reach
    if math.isinf(across):
        return _MOST_GROWTH
    if state.is_turning and state.turn:
        across = along = math.hypot(across, along)
    else:
        sine, cosine = (abs(one(math.radians(state.turn))) for one in (math.sin, math.cos))
        across, along = across * cosine + along * sine, across * sine + along * cosine
    nearer = across * _find_sine(state.tilt_y, state) + along * _find_sine(state.tilt_x, state)
    share = nearer / (_CAMERA * state.pixel)
    if share >= 1:
        return _MOST_GROWTH
    return min(_MOST_GROWTH, 1 / (1 - share * share) ** 2)


def _find_sine(degrees: float, state: _State) -> float:
    """Return the largest sine of the angles on the way, which may begin at any smaller one."""
    if state.is_turning and abs(degrees) > 90:
        return 1.0
    return abs(math.sin(math.radians(degrees)))


def _measure_bitmaps(
    width: float, height: float, state: _State, reach: tuple[float, float]
) -> float:
    softness = state.pixel * (_BLUR_REACH * state.blur + (_BE_REACH if state.be else 0.0))
    border_x, border_y = state.border_x * state.stretch, state.border_y
    if state.is_boxed:
        again_x, again_y = max(1.0, state.scale_x), max(1.0, state.scale_y)
        width, height = again_x * width, again_y * height
        border_x, border_y = again_x * border_x, again_y * border_y
    width, height = width + abs(state.fax) * height, height + abs(state.fay) * width
    if state.turn or state.tilt_x or state.tilt_y:
        width = height = math.hypot(width, height)
    if state.tilt_x or state.tilt_y:
        growth = math.sqrt(_measure_growth(state, reach))
        width, height = growth * width, growth * height
    layers = 1 + bool(state.border_x or state.border_y) + bool(state.shadow)
    effort = 1 + bool(state.blur) + state.be / 8
    width += 2 * (border_x + softness)
    height += 2 * (border_y + softness)
    return width * height * layers * effort


def _measure_drawing(commands: str, scale: float) -> tuple[float, float]:
    """Return width and height of what a pen draws that starts at 0, 0."""
    groups = [[float(one) for one in _NUMBERS.findall(part)] for part in _PEN.split(commands)]
    numbers = [
        max(-_LARGEST_DRAWING, min(_LARGEST_DRAWING, one)) for group in groups for one in group
    ]
    shrink = 2.0 ** (max(1.0, scale) - 1)
    # Where one number is missing, it is unclear which of the others is a width or a height.
    is_paired = all(len(group) % 2 == 0 for group in groups)
    sides = (numbers[::2], numbers[1::2]) if is_paired else (numbers, numbers)
    width, height = (max(side, default=0.0) - min(side, default=0.0) for side in sides)
    return width / shrink, height / shrink
