"""The request for ingest, and its plan."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from cinemill.core.media import AudioStream, SpriteLayout
from cinemill.media.verify.expected_output import PlannedOutput


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """Options of ingest besides the source itself."""

    thumbnail_seconds: Fraction | None = None
    """Creates a still at this time, counted from the first frame."""
    proxy_height: int = 480
    proxy_fps: int = 10
    poster_height: int = 720
    sprite_interval_seconds: Fraction | None = None
    """Time between two tiles; None chooses at least one second and at most 100 tiles."""
    sprite_tile_height: int = 90
    sprite_columns: int = 10
    sprite_tiles_at_most: int = 100
    model_frames_per_second: int = 1
    best_effort: bool = False
    """Creates what can be created of a damaged video, and says what is missing."""


@dataclass(frozen=True, slots=True)
class PreparePlan:
    arguments: tuple[str, ...]
    """FFmpeg's arguments, inputs and outputs; output names are relative to the private folder."""
    outputs: tuple[PlannedOutput, ...]
    sprite: SpriteLayout
    audio: AudioStream | None
    changes: tuple[str, ...]
    """What becomes of the audio's channels, where they do not keep their places."""
    warnings: tuple[str, ...]
    has_measured_end: bool = False
    """Whether the outputs end when an earlier decode has shown that the last frame does."""
