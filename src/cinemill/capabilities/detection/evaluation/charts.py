"""Charts as SVG: drawn by hand, without a script, a font or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from cinemill.capabilities.detection.evaluation.reliability import Reliability
from cinemill.capabilities.detection.evaluation.risk_coverage import RiskCoverage

_SIDE = 260
_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 12, 12, 40
_WIDTH, _HEIGHT = _SIDE + _LEFT + _RIGHT, _SIDE + _TOP + _BOTTOM
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST_POINTS = 400


def draw_reliability(reliability: Reliability) -> str:
    """Return the plot of observed shares over probabilities, with 95 % intervals."""
    most = max((one.count for one in reliability.bins), default=1)
    marks = ['<path class="ideal" d="M' + _at(0, 0) + "L" + _at(1, 1) + '"/>']
    for one in reliability.bins:
        x = one.mean_probability
        marks.append(
            f'<path class="range" d="M{_at(x, one.share_lower)}L{_at(x, one.share_upper)}"/>'
        )
        left, top = _at(x, one.share_fake).split()
        radius = 2.5 + 4 * (one.count / most) ** 0.5
        marks.append(
            f'<circle class="mark" cx="{left}" cy="{top}" r="{radius:.1f}"><title>'
            f"{one.lower:.1f}–{one.upper:.1f}: {one.count} videos, {one.share_fake:.0%} fake "
            "with classes of equal weight"
            "</title></circle>"
        )
    label = f"Reliability plot; expected calibration error {reliability.expected_error:.3f}"
    return _frame(label, "probability of being manipulated", "share that is fake", marks)


def draw_risk_coverage(curve: RiskCoverage) -> str:
    """Return the plot of the error rate over the share of videos that get a verdict."""
    points = [(one.coverage, one.risk) for one in curve.points]
    if len(points) > _MOST_POINTS:
        step = len(points) / _MOST_POINTS
        points = [points[int(number * step)] for number in range(_MOST_POINTS)] + [points[-1]]
    path = "L".join(_at(x, y) for x, y in points)
    marks = [f'<path class="line" d="M{path}"/>'] if len(points) > 1 else []
    if len(points) == 1:
        left, top = _at(*points[0]).split()
        marks.append(f'<circle class="mark" cx="{left}" cy="{top}" r="4"/>')
    label = f"Risk over coverage; area {curve.area:.3f}"
    return _frame(label, "share of videos with a verdict", "share of wrong verdicts", marks)


def _frame(label: str, x_title: str, y_title: str, marks: Sequence[str]) -> str:
    grid = "".join(
        f'<path class="grid" d="M{_at(tick, 0)}L{_at(tick, 1)}M{_at(0, tick)}L{_at(1, tick)}"/>'
        for tick in _TICKS
    )
    bottom, middle = _TOP + _SIDE, _TOP + _SIDE / 2
    numbers = "".join(
        f'<text x="{_LEFT + tick * _SIDE:.0f}" y="{bottom + 15}" text-anchor="middle">'
        f"{tick:g}</text>"
        f'<text x="{_LEFT - 6}" y="{bottom - tick * _SIDE + 4:.0f}" text-anchor="end">'
        f"{tick:g}</text>"
        for tick in _TICKS
    )
    titles = (
        f'<text x="{_LEFT + _SIDE / 2:.0f}" y="{bottom + 32}" text-anchor="middle">'
        f"{escape(x_title)}</text>"
        f'<text transform="translate(12 {middle:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>"
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{grid}{numbers}{titles}{"".join(marks)}</svg>'
    )


def _at(x: float, y: float) -> str:
    return f"{_LEFT + x * _SIDE:.1f} {_TOP + (1 - y) * _SIDE:.1f}"
