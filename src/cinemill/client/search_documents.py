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
    track: str
    """Of a citation: ``speech``, ``text``, ``picture`` or ``description``."""


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
    """Statements of the model that were left out, by reason."""
    hidden_passages: int
    """Not shown to the model, since they read like instructions to it."""
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
    relations: list[RelationDocument]
    statements: list[StatementDocument]
    co_occurrences: list[dict[str, Any]]
    moments: list[dict[str, Any]]
    next: str | None


class RelationDocument(TypedDict, total=False):
    """A relation of an entity, with how much evidence there is; its members name it."""

    entity: EntityDocument
    """The other one."""
    predicate: str
    kind: str
    is_subject: bool
    """Whether the entity that was asked for is the subject."""
    is_negated: bool
    is_possible: bool
    weight: int
    """Pieces of evidence."""
    asset_count: int


class StatementDocument(TypedDict, total=False):
    """Evidence of a relation: a moment of a video that says or shows it."""

    asset_id: str
    start: float
    end: float
    subject_id: str
    subject: str
    """As it is named there."""
    predicate: str
    object_id: str
    object: str
    kind: str
    is_negated: bool
    is_possible: bool
    according_to: str
    passage_id: str | None
    text: str


class SceneObjectDocument(TypedDict, total=False):
    label: str
    start: float
    end: float
    confidence: float | None


class SceneRelationDocument(TypedDict, total=False):
    """Where two things of a scene are to each other; they are named by their indexes in it."""

    subject: int
    predicate: str
    object: int
    start: float
    end: float


class SceneDocument(TypedDict, total=False):
    """The things of one shot, and where they are to each other."""

    start: float
    end: float
    objects: list[SceneObjectDocument]
    relations: list[SceneRelationDocument]


class ChapterDocument(TypedDict, total=False):
    start: float
    end: float
    title: str
    words: list[str]


class KeyMomentDocument(TypedDict, total=False):
    """A passage in which much is named for the first time, or stated."""

    start: float
    end: float
    text: str
    passage_id: str
    names: list[str]
    statement_count: int


class ChaptersDocument(TypedDict, total=False):
    chapters: list[ChapterDocument]
    key_moments: list[KeyMomentDocument]
    track: str | None
    """What they were made of: ``speech``, ``description`` or ``text``."""
    comparison: str | None
    """``meaning``, or ``words`` where a passage has no vector."""


class CollectionDocument(TypedDict, total=False):
    name: str
    asset_count: int


class FindingDocument(TypedDict, total=False):
    kind: str
    start: float
    end: float
    label: str
    confidence: float | None
    box: dict[str, float] | None
    track: int | None
    details: dict[str, Any]
