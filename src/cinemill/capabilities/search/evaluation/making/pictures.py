"""Signs and shapes as subtitles: libass draws both, with the font that comes with the package."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from cinemill.capabilities.search.evaluation.plan.records import Picture, Scene
from cinemill.core.text.ass import (
    EVENT_HEAD,
    escape_text,
    make_default_style,
    write_clock,
    write_head,
)

WIDTH, HEIGHT = 640, 360
_SIGN_PIXELS = 48
_SHAPE_PIXELS = 80
_SHAPES_TOP = 90
_SHAPES_STEP = 112
_SIGN_BAND_TOP = 268

Point = tuple[float, float]


def draw_signs(scenes: Sequence[Scene], frames: Sequence[int], fps: int) -> str:
    """Return an ASS file with each scene's sign and shapes for as many frames as it has."""
    style = replace(
        make_default_style(HEIGHT), fontsize=str(_SIGN_PIXELS), bold="-1", outline="2", marginv="22"
    )
    lines = [*write_head([style], (WIDTH, HEIGHT)), EVENT_HEAD]
    first = 0
    for scene, length in zip(scenes, frames, strict=True):
        clock = f"{write_clock(first, Fraction(fps))},{write_clock(first + length, Fraction(fps))}"
        first += length
        lines += [
            f"Dialogue: {layer},{clock},{style.name},,0,0,0,,{text}"
            for layer, text in enumerate(_draw_scene(scene))
        ]
    return "\n".join([*lines, ""])


def _draw_scene(scene: Scene) -> Iterator[str]:
    """Yield a scene's events, the lowest first: a darker band, the shapes, the sign on the band."""
    band: list[Point] = [(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)]
    yield _draw(band, (0, _SIGN_BAND_TOP), r"\1c&H000000&\1a&H60&\bord0")
    yield from _draw_shapes(scene.picture)
    yield escape_text(scene.sign)


def _draw_shapes(picture: Picture) -> Iterator[str]:
    if not picture.shape:
        return
    outline = _OUTLINES[picture.shape]
    first = (WIDTH - _SHAPES_STEP * (picture.count - 1) - _SHAPE_PIXELS) // 2
    for number in range(picture.count):
        at = (first + number * _SHAPES_STEP, _SHAPES_TOP)
        yield _draw([(x * _SHAPE_PIXELS, y * _SHAPE_PIXELS) for x, y in outline], at, r"\bord2")


def _draw(points: Sequence[Point], at: tuple[int, int], tags: str) -> str:
    """Return a filled outline whose top left corner is ``at``."""
    (x, y), *rest = points
    path = f"m {x:.0f} {y:.0f}" + "".join(f" l {x:.0f} {y:.0f}" for x, y in rest)
    return rf"{{\an7\pos({at[0]},{at[1]})\shad0{tags}\p1}}{path}{{\p0}}"


def _ring(count: int, *radii: float) -> list[Point]:
    """Return points around the middle of a unit square, with these radii in turn, from the top."""
    return [
        (
            0.5 + radii[n % len(radii)] * math.sin(2 * math.pi * n / count),
            0.5 - radii[n % len(radii)] * math.cos(2 * math.pi * n / count),
        )
        for n in range(count)
    ]


_OUTLINES: dict[str, list[Point]] = {
    "star": _ring(10, 0.5, 0.2),
    "circle": _ring(36, 0.5),
    "square": [(0.05, 0.05), (0.95, 0.05), (0.95, 0.95), (0.05, 0.95)],
    "triangle": [(0.5, 0), (1, 0.95), (0, 0.95)],
    "diamond": [(0.5, 0), (0.9, 0.5), (0.5, 1), (0.1, 0.5)],
    "arrow": [(0, 0.35), (0.55, 0.35), (0.55, 0.1), (1, 0.5), (0.55, 0.9), (0.55, 0.65), (0, 0.65)],
}
"""By name, in a unit square from the top left."""
