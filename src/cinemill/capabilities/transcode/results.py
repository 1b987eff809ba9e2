"""Results of the steps of a transcode."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.jobs.results import ResultOf, Seconds


@dataclass(frozen=True, slots=True)
class CutResult:
    """How a video was cut, if its chunks are encoded separately."""

    chunks: int = 0
    """0 if it was encoded whole."""
    changes: tuple[str, ...] = ()
    """Why it was not encoded in hardware although that was requested."""


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """A chunk in the store."""

    key: str
    sha256: str
    frames: int
    delay: int
    """Largest number of frames by which one is shown later than it is stored."""
    settings: str
    """Encoder settings that chunks must share to be joined."""
    is_whole: bool
    """Whether all expected frames were encoded."""
    reused: bool
    cpu_seconds: float = 0.0
    seconds: Seconds = None


@dataclass(frozen=True, slots=True)
class TracksResult:
    """Audio and subtitles in the store."""

    key: str
    sha256: str
    changes: tuple[str, ...] = ()
    """What became of the audio, in words."""
    seconds: Seconds = None


CUT = ResultOf("encode", CutResult)
CHUNKS = ResultOf("chunk-", ChunkResult)
TRACKS = ResultOf("tracks", TracksResult)
