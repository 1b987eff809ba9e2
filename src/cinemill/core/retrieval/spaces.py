"""Spaces of vectors: those of one can be compared with each other, and have one active model."""

from __future__ import annotations

from enum import StrEnum


class Space(StrEnum):
    """What is compared; the words are stored."""

    TEXT = "text"
    """Meanings of texts."""
    PICTURE = "picture"
    """What pictures show."""
    MOMENT = "moment"
    """What is shown, together with what is said and written meanwhile."""
