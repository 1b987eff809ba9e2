"""What the steps of a render find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from cinemill.core.text.subtitles import Subtitles
from cinemill.jobs.results import ResultOf, Seconds
from cinemill.steps.source.results import StoredMedia


def _read_subtitles(value: Any) -> Subtitles:
    return value if isinstance(value, Subtitles) else Subtitles.from_json(value)


StoredSubtitles = Annotated[
    Subtitles, PlainValidator(_read_subtitles), PlainSerializer(Subtitles.to_json)
]
"""As their ``to_json`` writes them."""


@dataclass(frozen=True, slots=True)
class FoundSource:
    """A source in the store.

    A still or an audio file is no asset: it is kept with the first clip's video.
    """

    asset_id: str
    sha256: str
    media: StoredMedia


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Sources by their number in the timeline."""

    sources: Mapping[int, FoundSource]
    seconds: Seconds = None


@dataclass(frozen=True, slots=True)
class ValidateResult:
    """A timeline that can be rendered."""

    asset_ids: tuple[str, ...]
    """Of its videos, in order."""
    subtitles: StoredSubtitles | None = None
    seconds: Seconds = None


@dataclass(frozen=True, slots=True)
class PieceFacts:
    """What pieces must share to be joined, and how long each is."""

    frames: int
    delay: int
    """The most frames by which one is shown later than it is stored."""
    settings: str


@dataclass(frozen=True, slots=True)
class PieceResult:
    """A piece in the store."""

    key: str
    sha256: str
    facts: PieceFacts
    reused: bool
    copied_frames: int = 0
    """As they were in a clip's source; 0 where the piece was reused."""
    hardware: str | None = None
    """The family of the encoder; None for software."""
    changes: tuple[str, ...] = ()
    """Why it was encoded in software, where hardware was asked for."""


@dataclass(frozen=True, slots=True)
class PiecesResult:
    """One step's pieces, in order."""

    pieces: tuple[PieceResult, ...]
    cpu_seconds: float = 0.0
    seconds: Seconds = None


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """The mix in the store."""

    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class MixResult:
    """The audio of the whole timeline."""

    sound: StoredAudio | None
    """None where no clip has any."""
    changes: tuple[str, ...] = ()
    """What becomes of the channels of its sources, where they do not keep their places."""
    reused: bool = False
    seconds: Seconds = None


@dataclass(frozen=True, slots=True)
class JoinResult:
    """Of a join that left pieces to be encoded again in software."""

    changes: tuple[str, ...] = ()


FETCHED = ResultOf("gather-", FetchResult)
VALIDATED = ResultOf("open", ValidateResult)
RENDERED = ResultOf("render-", PiecesResult)
REMADE = ResultOf("remake-", PiecesResult)
MIXED = ResultOf("mix", MixResult)
JOINED = ResultOf("join", JoinResult)
