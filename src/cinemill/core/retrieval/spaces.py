"""Spaces of vectors: those of one can be compared with each other, and have one active model."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from cinemill.core.retrieval.passages import PassageTrack


class Space(StrEnum):
    """What is compared; the words are stored."""

    TEXT = "text"
    """Meanings of texts."""
    PICTURE = "picture"
    """What pictures show."""
    MOMENT = "moment"
    """What is shown, together with what is said and written meanwhile."""


EMBEDDED_TRACKS: Mapping[Space, tuple[PassageTrack, ...]] = MappingProxyType(
    {
        Space.TEXT: (
            PassageTrack.SPEECH,
            PassageTrack.TEXT,
            PassageTrack.PICTURE,
            PassageTrack.DESCRIPTION,
        ),
        Space.PICTURE: (PassageTrack.KEYFRAME,),
        Space.MOMENT: (PassageTrack.KEYFRAME,),
    }
)
"""Whose passages have a vector. Key frames have no text that could have a meaning."""
