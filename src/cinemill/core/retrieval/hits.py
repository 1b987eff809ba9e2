"""Filters of a search, what it finds, and what an answer cites."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cinemill.core.retrieval.passages import PassageTrack


@dataclass(frozen=True, slots=True)
class SearchScope:
    """Whose videos a search sees. It is never optional: nothing is found outside of it."""

    owner: str
    collections: tuple[str, ...] = ()
    """Empty: all of this owner's."""


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What else a hit must fulfil; an empty field excludes nothing."""

    asset_ids: tuple[str, ...] = ()
    tracks: tuple[PassageTrack, ...] = ()
    languages: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    entity_ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """Of findings that overlap with the passage."""
    created_from: datetime | None = None
    created_to: datetime | None = None
    """Of the video; half-open."""
    start_ms: int | None = None
    end_ms: int | None = None
    """Within the video; half-open."""
    least_confidence: float | None = None
    """Of the findings that ``labels`` names."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Why a passage was found; None where a retriever did not find it."""

    vector: float | None = None
    """Cosine, −1 to 1."""
    text: float | None = None
    """Rank of the full-text index, 0 and up."""
    trigram: float | None = None
    """Share of a word's trigrams, 0 to 1."""
    graph: float | None = None
    """Of an entity that the passage mentions, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that a retriever found, before fusion."""

    passage_id: str
    asset_id: str
    track: PassageTrack
    number: int
    start_ms: int
    end_ms: int
    text: str
    language: str
    speaker: str
    scores: Scores
    frame_ms: int | None = None
    """When the picture of a key frame's passage is shown."""
    unsure_words: tuple[str, ...] | None = None
    """See :class:`~cinemill.core.retrieval.passages.Passage`."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment of a video that answers a search: one passage, or several in a row."""

    asset_id: str
    passage_ids: tuple[str, ...]
    start_ms: int
    end_ms: int
    text: str
    score: float
    """0 to 1, comparable within one search only."""
    scores: Scores


@dataclass(frozen=True, slots=True)
class Citation:
    """The moment of a video behind a statement of an answer."""

    asset_id: str
    passage_id: str
    track: PassageTrack
    """Whether this is said, read, seen or described there."""
    start_ms: int
    end_ms: int
    text: str
