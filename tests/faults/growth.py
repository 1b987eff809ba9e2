"""Growth of what is measured again and again: its slope by least squares, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

WARM_UP_SHARE = 0.4
"""Of the time that is left out: caches fill, pools open connections, modules are imported."""
FEWEST_SAMPLES = 8
"""After the warm-up; fewer say nothing about a slope."""
CERTAIN = 4.0
"""A slope counts that is so many times its standard error."""
SHARE = 0.03
"""A rise in the measured time of less than this share of the mean is none."""
MIB = 1024.0 * 1024.0
LEAST_RISES: Mapping[str, float] = {
    "RSS": 6 * MIB,
    "PSS": 6 * MIB,
    "files": 4,
    "threads": 3,
    "keys": 30,
    "memory": 1 * MIB,
    "table": 1 * MIB,
    "indexes": 1 * MIB,
    "folder": 3 * MIB,
}
"""A smaller rise in the measured time is none: an allocator's page, a cache's entry."""
BYTES = frozenset({"RSS", "PSS", "memory", "table", "indexes", "folder"})


@dataclass(frozen=True, slots=True)
class Trend:
    """How one measure of one thing changed."""

    subject: str
    measure: str
    samples: int
    mean: float
    per_hour: float
    rise: float
    """In the measured time, by the fitted line."""
    verdict: str
    """``steady``, ``grows``, ``shrinks``, or ``unknown`` with too few samples."""


@dataclass
class Series:
    """Samples of many measures, by subject and measure: (hours, value)."""

    samples: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, hours: float, values: Mapping[tuple[str, str], float]) -> None:
        for key, value in values.items():
            self.samples.setdefault(key, []).append((hours, value))

    def trends(self) -> list[Trend]:
        """Return the trend of each, those that grow first."""
        ends = [points[-1][0] for points in self.samples.values()]
        began = WARM_UP_SHARE * max(ends, default=0.0)
        found = [
            fit(subject, measure, [point for point in points if point[0] >= began])
            for (subject, measure), points in self.samples.items()
        ]
        return sorted(found, key=lambda one: (one.verdict != "grows", one.subject, one.measure))


def fit(subject: str, measure: str, points: Sequence[tuple[float, float]]) -> Trend:
    """Fit a line to (hours, value) by least squares, and judge its slope."""
    count = len(points)
    mean = sum(value for _, value in points) / count if count else 0.0
    if count < FEWEST_SAMPLES:
        return Trend(subject, measure, count, mean, 0.0, 0.0, "unknown")
    middle = sum(hours for hours, _ in points) / count
    spread = sum((hours - middle) ** 2 for hours, _ in points)
    slope = sum((hours - middle) * (value - mean) for hours, value in points) / spread
    left = sum((value - mean - slope * (hours - middle)) ** 2 for hours, value in points)
    error = math.sqrt(left / (count - 2) / spread)
    rise = slope * (points[-1][0] - points[0][0])
    is_large = abs(rise) > max(LEAST_RISES[measure], SHARE * abs(mean))
    is_certain = abs(slope) > CERTAIN * error
    verdict = "steady" if not (is_large and is_certain) else "grows" if slope > 0 else "shrinks"
    return Trend(subject, measure, count, mean, slope, rise, verdict)


def render(trends: Iterable[Trend]) -> str:
    """Return the trends as a table; bytes are shown in MiB."""
    lines = [
        f"{'of':42} {'measure':8} {'n':>4} {'mean':>10} {'per hour':>10} {'rise':>9}  verdict",
        "-" * 95,
    ]
    for one in trends:
        unit = MIB if one.measure in BYTES else 1.0
        lines.append(
            f"{one.subject[:42]:42} {one.measure:8} {one.samples:4} {one.mean / unit:10.1f}"
            f" {one.per_hour / unit:+10.2f} {one.rise / unit:+9.2f}  {one.verdict}"
        )
    return "\n".join(lines)
