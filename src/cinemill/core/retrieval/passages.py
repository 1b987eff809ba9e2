"""Passages: the units of retrieval, about ten seconds of a video each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PassageTrack(StrEnum):
    """What a passage is made of. The passages of one track do not overlap."""

    SPEECH = "speech"
    TEXT = "text"
    """Read in the picture."""
    PICTURE = "picture"
    """Names of what is seen: tags and objects."""
    KEYFRAME = "keyframe"
    """Pictures themselves: these passages have a moment instead of a text."""
    DESCRIPTION = "description"
    """What happens, in the sentences of a model that watched."""


# New tracks come last: ids of passages have the position of their track.
IN_SENTENCES = frozenset({PassageTrack.SPEECH, PassageTrack.DESCRIPTION})
"""Tracks whose texts are sentences. The others' are words and names in a row."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A range of a video's time with its text or picture. Milliseconds, half-open."""

    number: int
    """From 0, in order of time within its video and track."""
    track: PassageTrack
    start_ms: int
    end_ms: int
    text: str
    language: str = ""
    """ISO 639; empty where it is not known."""
    speaker: str = ""
    """Whom a person's captions name; empty where nobody named one: no step finds out who speaks."""
    frame_ms: int | None = None
    """Of the track ``keyframe``, and only of it: when the picture is shown that stands for the
    passage. It may be outside of the passage, where an earlier shot shows the same."""
    unsure_words: tuple[str, ...] | None = None
    """Words that a speech model heard with a probability under 0.5, in order. None where no model
    heard the text, or it gave no probabilities."""
