"""Where a damaged video is damaged: which of its streams lack what, and when.

A video that FFmpeg could not decode whole is decoded once more, in a process of its own that notes
the time of everything that is missing. It costs as much as the first time, and only damaged videos
pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinemill.core.documents import JsonObject
from cinemill.core.media import MediaInfo, SourceFormat
from cinemill.errors import CommandFailed
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.python_child import ChildCrashed, ChildLimits, run_python_child
from cinemill.media.ffmpeg.sandbox import Sandbox

SEARCH_SECONDS = 60.0
"""For which a video is looked through; what comes after that is not known."""
GRACE_SECONDS = 30.0
MOST_RANGES = 200
RANGES_SAID = 3
_MODULE = "cinemill.media.verify.damage_child"
_MEMORY_BYTES = 2 * 1024**3
_ANSWER_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class DamagedRange:
    """A part of a stream that cannot be decoded. Seconds count from the first frame."""

    stream: int
    """Index in the file."""
    kind: str
    """``picture`` or ``sound``."""
    start_seconds: float
    end_seconds: float

    def describe(self) -> str:
        """Return its times in words."""
        if not self.end_seconds:
            return "the beginning"
        return f"{format_clock(self.start_seconds)}–{format_clock(self.end_seconds)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "stream": self.stream,
            "kind": self.kind,
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Damage:
    ranges: tuple[DamagedRange, ...] = ()
    searched_seconds: float | None = None
    """How far the video was looked through; None: to its end."""

    def describe(self) -> str:
        """Return the ranges in words, stream by stream; empty if there are none."""
        streams = dict.fromkeys((one.kind, one.stream) for one in self.ranges)
        said = [self._describe_stream(kind, stream) for kind, stream in streams]
        if not said:
            return ""
        words = "; ".join(said)
        end = self.searched_seconds
        return words if end is None else f"{words} (of the first {format_clock(end)})"

    def _describe_stream(self, kind: str, stream: int) -> str:
        ranges = [one for one in self.ranges if one.stream == stream]
        words = ", ".join(one.describe() for one in ranges[:RANGES_SAID])
        more = len(ranges) - RANGES_SAID
        places = f" and in {more} more place{'s' if more > 1 else ''}" if more > 0 else ""
        return f"{kind} (stream {stream}) at {words}{places}"


NOTHING = Damage()


def find_damage(
    path: Path,
    info: MediaInfo,
    limits: Limits,
    *,
    sandbox: Sandbox,
    should_stop: Callable[[], Exception | None],
) -> Damage:
    """Return what of the video's picture and sound cannot be decoded.

    Nothing if that cannot be found out either. Raises what ``should_stop`` returns.
    """
    request: JsonObject = {
        "path": str(path.absolute()),
        "format": info.format.value,
        "max_pixels": limits.max_pixels,
        "video": info.video.index,
        "audio": [track.index for track in info.audio],
        "start_seconds": info.start_seconds,
        # Matroska's tags state when a track ends, not how long it is.
        "clock_start_seconds": (
            info.clock_start_seconds
            if info.format is SourceFormat.MATROSKA or not info.video.duration_seconds_from_header
            else None
        ),
        "declared_seconds": _declared_seconds(info),
        "is_variable_rate": info.video.is_variable_rate,
        "seconds": SEARCH_SECONDS,
    }
    seconds = SEARCH_SECONDS + GRACE_SECONDS
    try:
        return run_python_child(
            _MODULE,
            request,
            read=_read_answer,
            limits=ChildLimits(
                min(_MEMORY_BYTES, limits.memory_bytes), int(seconds), seconds, _ANSWER_BYTES
            ),
            sandbox=sandbox,
            readable=[path.absolute()],
            should_stop=should_stop,
        )
    except (ChildCrashed, CommandFailed):
        return NOTHING


def _declared_seconds(info: MediaInfo) -> float:
    """Return until when there must be frames: a last one that is held is not missing afterwards."""
    declared = info.video.duration_seconds_from_header or info.duration_seconds_from_header
    held = info.video.last_frame_seconds if info.video.holds_last_frame else 0.0
    return max(0.0, declared - held)


def _read_answer(answer: Any) -> Damage:
    ranges = tuple(
        DamagedRange(
            int(one["stream"]),
            "picture" if one["is_picture"] else "sound",
            float(one["start"]),
            float(one["end"]),
        )
        for one in answer["ranges"][:MOST_RANGES]
    )
    searched = answer["searched"]
    return Damage(ranges, None if searched is None else float(searched))


def format_clock(seconds: float) -> str:
    """Return a time such as ``0:03.2`` or ``1:00:03.2``."""
    tenths = round(max(0.0, seconds) * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    ending = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{ending}" if hours else f"{minutes}:{ending}"
