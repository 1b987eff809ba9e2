"""Shapes of documents of searches, answers, entities and findings, which are JSON as received."""

from __future__ import annotations

from typing import Any, TypedDict


class HitDocument(TypedDict, total=False):
    """A moment of a video; ``start`` and ``end`` are seconds."""

    asset_id: str
    title: str
    start: float
    end: float
    text: str
    score: float
    scores: dict[str, float | None]
    passage_ids: list[str]
    passage_id: str
    """Of a citation, which is one passage and has no score."""


class SearchDocument(TypedDict, total=False):
    query: str
    mode: str
    hits: list[HitDocument]
    nothing_found: bool
    nearest: list[HitDocument]
    """Where nothing was found: what came nearest."""
    relevance: dict[str, Any]
    tracks: list[str]
    rules: list[str]
    entities: list[EntityDocument]
    vectors: str
    vectors_hint: str


class PictureMomentDocument(TypedDict, total=False):
    """A moment whose picture was found; ``start``, ``end`` and ``picture_time`` are seconds."""

    asset_id: str
    start: float
    end: float
    picture_time: float
    """May be outside of the moment, where an earlier one shows the same."""
    picture_url: str
    score: float
    """Cosine, −1 to 1; comparable within one search only."""
    passage_id: str


class PictureSearchDocument(TypedDict, total=False):
    moments: list[PictureMomentDocument]
    """The most similar first."""


class AnswerDocument(TypedDict, total=False):
    answer: str
    citations: list[HitDocument]
    """The first is ``[1]`` in the answer."""
    moments: list[HitDocument]
    question: str
    is_follow_up: bool
    mode: str
    abstained: bool
    abstain_reason: str | None
    model: str
    model_error: str
    dropped: dict[str, int]
    conversation_id: str | None
    vectors: str
    vectors_hint: str


class ConversationDocument(TypedDict, total=False):
    id: str
    used_at: str
    turn_count: int
    question: str


class EntityDocument(TypedDict, total=False):
    """An entity; what is found by a name has ``score``, one read by itself all else."""

    id: str
    kind: str
    name: str
    score: float
    names: list[str]
    mention_count: int
    asset_count: int
    relations: list[dict[str, Any]]
    statements: list[dict[str, Any]]
    co_occurrences: list[dict[str, Any]]
    moments: list[dict[str, Any]]
    next: str | None


class FindingDocument(TypedDict, total=False):
    kind: str
    start: float
    end: float
    label: str
    confidence: float | None
    box: dict[str, float] | None
    track: int | None
    details: dict[str, Any]
