"""What the encoding of a video shows about how it came to be. Never part of a detector's score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from cinemill.core.documents import JsonObject

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class FindingStrength(StrEnum):
    """How much a finding says."""

    NOTE = "note"
    """A fact for the record; nothing is unusual about it."""
    WEAK = "weak"
    """Processing leaves such a trace, and so do ordinary causes, which the sentence names."""
    STRONG = "strong"
    """Hard to explain without the processing that the sentence names."""


class FindingCode(StrEnum):
    """What was found. Stable: part of the public contract."""

    ENCODER_NAMED = "encoder_named"
    REWRITTEN = "rewritten"
    ENCODED_AGAIN = "encoded_again"
    JOINED = "joined"
    CONFIGURATION_CHANGES = "configuration_changes"
    STRUCTURE_CHANGES = "structure_changes"
    KEY_FRAME_OFF_BEAT = "key_frame_off_beat"
    TIME_GAP = "time_gap"
    TIME_OVERLAP = "time_overlap"
    FRAMES_HIDDEN = "frames_hidden"
    RATE_DIFFERS = "rate_differs"
    BITRATE_DIFFERS = "bitrate_differs"
    COUNT_DIFFERS = "count_differs"
    DURATIONS_DIFFER = "durations_differ"
    SETTINGS_CONTRADICTED = "settings_contradicted"


class ForensicsState(StrEnum):
    """Whether a video could be examined."""

    EXAMINED = "examined"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


FactValue = bool | int | float | str


@dataclass(frozen=True, slots=True)
class ForensicsFinding:
    """One observation, at a time or about the whole video."""

    code: FindingCode
    strength: FindingStrength
    sentence: str
    time_ms: int | None = None
    """Milliseconds after the first frame; None where it is about the whole video."""
    facts: Mapping[str, FactValue] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "code": self.code.value,
            "strength": self.strength.value,
            "sentence": self.sentence,
            "time_ms": self.time_ms,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class ForensicsReport:
    """Findings of a video, the strongest first, and what was not examined."""

    state: ForensicsState
    reason: str = ""
    """A sentence on why it is unsupported or failed."""
    codec: str = ""
    frames: int = 0
    """Number of frames whose packets were examined."""
    seconds: float = 0.0
    """Time from the first to the last of them."""
    is_whole: bool = True
    """All of the video was examined, and not only its beginning."""
    findings: tuple[ForensicsFinding, ...] = ()
    not_examined: tuple[str, ...] = ()
    """Sentences on what could not be examined in this video."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **asdict(self),
            "state": self.state.value,
            "findings": [finding.to_json() for finding in self.findings],
            "not_examined": list(self.not_examined),
            "limits": LIMITS,
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> ForensicsReport:
        """Return the report of a document that :meth:`to_json` wrote. Raises ValueError."""
        return _adapter().validate_python(document)


@cache
def _adapter() -> TypeAdapter[ForensicsReport]:
    from pydantic import TypeAdapter  # the process that reads hostile files does without

    return TypeAdapter(ForensicsReport)


LIMITS = (
    "These are traces of encoding, cutting and joining, which are ordinary: nearly every video on "
    "the internet was encoded more than once. They do not show whether a face was altered, and "
    "they are not part of the score. The absence of traces shows nothing: a video that was encoded "
    "again with the same key frames, at a low quality, or as one whole leaves none."
)
