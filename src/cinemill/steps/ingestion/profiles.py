"""Profiles: how much an ingestion finds out about a video."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cinemill.core.findings.finding import FindingKind


class Profile(StrEnum):
    """What is found out, from little to much."""

    QUICK = "quick"
    """Shots, key frames and speech; search by words and meaning."""
    STANDARD = "standard"
    """Also kinds of sound, text in the picture, tags, faces, names and who does what."""
    FULL = "full"
    """Also objects, where they are to each other, and search by pictures."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a profile includes."""

    frames: frozenset[FindingKind]
    """What is looked for in key frames."""
    has_sound: bool
    """Whether speech, singing and music are told apart, so that music is not transcribed."""
    has_knowledge: bool
    """Entities and relations."""
    has_scenes: bool
    """Scene graphs."""
    has_pictures: bool = False
    """Search by pictures: vectors of key frames, alone and with what is said meanwhile."""


_IN_FRAMES = frozenset({FindingKind.TEXT, FindingKind.TAG, FindingKind.FACE})
CONTENTS = {
    Profile.QUICK: Contents(frozenset(), False, False, False),
    Profile.STANDARD: Contents(_IN_FRAMES, True, True, False),
    Profile.FULL: Contents(_IN_FRAMES | {FindingKind.OBJECT}, True, True, True, True),
}
