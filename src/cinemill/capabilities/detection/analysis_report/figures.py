"""Numbers, times and sizes as a report writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(time_ms: int) -> str:
    """Return a time in a video with its milliseconds: ``0:04.040``, ``1:02:03.500``."""
    seconds, rest = divmod(max(0, time_ms), 1000)
    return f"{format_clock(seconds)}.{rest:03d}"


def format_clock(seconds: int) -> str:
    """Return whole seconds as ``0:04`` or ``1:02:03``."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def format_score(score: float | None) -> str:
    """Return a score of 0 to 1 with two digits, and neither 0 nor 1 for what is not quite that."""
    if score is None:
        return "none"
    if 0 < score < 0.01:
        return "below 0.01"
    if 0.99 < score < 1:
        return "above 0.99"
    return f"{score:.2f}"


def format_moment(moment: datetime | None) -> str:
    """Return a moment in UTC, to the second."""
    if moment is None:
        return "unknown"
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def format_bytes(size_bytes: int) -> str:
    """Return a size as file managers show it, with the exact number."""
    exact = f"{size_bytes:,} bytes"
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f} {name} ({exact})"
    return exact


def format_percent(share: float) -> str:
    return f"{share * 100:.3g}%"
