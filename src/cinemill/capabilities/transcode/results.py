"""What the steps of a transcode find."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.jobs.results import ResultOf, Seconds


@dataclass(frozen=True, slots=True)
class CutResult:
    """How a video was cut, where chunks of it are encoded apart."""

    chunks: int = 0
    """0 where it was encoded whole."""
    changes: tuple[str, ...] = ()
    """Why it was not done in hardware, where that was asked for."""


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """A chunk in the store."""

    key: str
    sha256: str
    frames: int
    delay: int
    """Frames by which one is shown later than it is stored, at the most."""
    settings: str
    """What chunks must share to be joined."""
    is_whole: bool
    """Whether all frames came that were counted."""
    reused: bool
    cpu_seconds: float = 0.0
    seconds: Seconds = None


@dataclass(frozen=True, slots=True)
class TracksResult:
    """Audio and subtitles in the store."""

    key: str
    sha256: str
    seconds: Seconds = None


CUT = ResultOf("encode", CutResult)
CHUNKS = ResultOf("chunk-", ChunkResult)
TRACKS = ResultOf("tracks", TracksResult)
