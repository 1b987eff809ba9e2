"""The scores of one face over time, as SVG without a script or a font."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cinemill.capabilities.detection.analysis_report.figures import (
    format_clock,
    format_score,
    format_time,
)
from cinemill.capabilities.detection.html_page import escape_text
from cinemill.storage.analyses.records import FrameScore, SuspiciousRegion

_WIDTH, _HEIGHT = 720, 112
_LEFT, _RIGHT, _TOP, _BOTTOM = 24, 128, 16, 22
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_MOST_TICKS = 8
_LEAST_REGION = 4
"""Width in which a short region can still be seen."""
_LABEL_GAP = 11


@dataclass(frozen=True, slots=True)
class Scale:
    """What all timelines of a video share."""

    end_ms: int
    flag_score: float | None = None
    """The score above which a video is flagged, if it is calibrated."""
    clear_score: float | None = None

    def x(self, time_ms: int) -> float:
        share = min(1.0, max(0.0, time_ms / max(1, self.end_ms)))
        return _LEFT + share * _PLOT_WIDTH


def draw_timeline(
    face_number: int,
    frames: Sequence[FrameScore],
    regions: Sequence[tuple[int, SuspiciousRegion]],
    scale: Scale,
) -> str:
    """Return the timeline of a face; ``regions`` are those of this face, with their numbers."""
    label = f"Scores of face {face_number} over time, {len(frames)} examined frames"
    marks = "".join(
        (
            *_draw_grid(scale),
            *(_draw_region(number, region, scale) for number, region in regions),
            *_draw_limits(scale),
            *(_draw_frame(one, scale) for one in frames),
        )
    )
    return (
        f'<svg class="timeline" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape_text(label)}">{marks}</svg>'
    )


def choose_ticks(end_ms: int) -> list[int]:
    """Return the seconds that are labelled: at most nine, from 0, on round numbers."""
    seconds = end_ms // 1000
    fitting = (step for step in _STEPS_SECONDS if seconds / step <= _MOST_TICKS)
    step = next(fitting, -(-seconds // _MOST_TICKS) or 1)
    return list(range(0, seconds + 1, step))


def _draw_grid(scale: Scale) -> Iterator[str]:
    bottom = _TOP + _PLOT_HEIGHT
    for second in choose_ticks(scale.end_ms):
        x = f"{scale.x(second * 1000):.1f}"
        yield f'<path class="grid" d="M{x} {_TOP}V{bottom}"/>'
        yield f'<text x="{x}" y="{bottom + 15}" text-anchor="middle">{format_clock(second)}</text>'
    for value in (0, 1):
        y = _y(value) + 4
        yield f'<text x="{_LEFT - 8}" y="{y:.1f}" text-anchor="end">{value}</text>'
    yield f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_LEFT + _PLOT_WIDTH}"/>'


def _draw_region(number: int, region: SuspiciousRegion, scale: Scale) -> str:
    left, right = scale.x(region.start_ms), scale.x(region.end_ms)
    width = max(_LEAST_REGION, right - left)
    times = f"{format_time(region.start_ms)} to {format_time(region.end_ms)}"
    return (
        f'<rect class="range" x="{left:.1f}" y="{_TOP}" width="{width:.1f}" '
        f'height="{_PLOT_HEIGHT}"><title>Region {number}: {times}</title></rect>'
        f'<text x="{left + width / 2:.1f}" y="{_TOP - 4}" text-anchor="middle">R{number}</text>'
    )


def _draw_limits(scale: Scale) -> Iterator[str]:
    named = [("flagged above", scale.flag_score), ("cleared below", scale.clear_score)]
    limits = [(name, score) for name, score in named if score is not None]
    labels = [_y(score) + 4 for _, score in limits]
    if len(labels) == 2 and abs(labels[0] - labels[1]) < _LABEL_GAP:
        middle = sum(labels) / 2
        labels = [middle - _LABEL_GAP / 2, middle + _LABEL_GAP / 2]
    for (name, score), label in zip(limits, labels, strict=True):
        right = _LEFT + _PLOT_WIDTH
        yield f'<path class="limit" d="M{_LEFT} {_y(score):.1f}H{right}"/>'
        yield f'<text x="{right + 6}" y="{label:.1f}">{name} {score:.2f}</text>'


def _draw_frame(frame: FrameScore, scale: Scale) -> str:
    x = scale.x(frame.time_ms)
    when = format_time(frame.time_ms)
    if frame.score is None:
        return (
            f'<circle class="open" cx="{x:.1f}" cy="{_TOP + _PLOT_HEIGHT - 5}" r="3">'
            f"<title>{when}: no score ({escape_text(frame.exclusion)})</title></circle>"
        )
    y = f"{_y(frame.score):.1f}"
    is_high = scale.flag_score is not None and frame.score > scale.flag_score
    return (
        f'<path class="stem" d="M{x:.1f} {_TOP + _PLOT_HEIGHT}V{y}"/>'
        f'<circle class="dot{" high" if is_high else ""}" cx="{x:.1f}" cy="{y}" r="3">'
        f"<title>{when}: {format_score(frame.score)}</title></circle>"
    )


def _y(score: float) -> float:
    return _TOP + (1 - min(1.0, max(0.0, score))) * _PLOT_HEIGHT
