"""The tables of passages, models and conversations as SQLAlchemy sees them.

The migrations create them. Those of embeddings are created for each dimension and model.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from cinemill.storage.tables import metadata

_EMPTY = text("''")


def _moment(name: str) -> Column[Any]:
    now = text("clock_timestamp()")
    return Column(name, DateTime(timezone=True), nullable=False, server_default=now)


_WORDS = """
to_tsvector('simple'::regconfig, text) ||
CASE
    WHEN (language = ANY (ARRAY[''::text, 'en'::text])) THEN to_tsvector('english'::regconfig, text)
    ELSE ''::tsvector
END
"""

passage = Table(
    "passage",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), nullable=False),
    Column("owner", Text, nullable=False),
    Column("collection", Text, nullable=False, server_default=_EMPTY),
    Column("track", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("language", Text, nullable=False, server_default=_EMPTY),
    Column("speaker", Text, nullable=False, server_default=_EMPTY),
    Column("frame_ms", BigInteger),
    Column("unsure_words", ARRAY(Text)),
    Column("words", TSVECTOR, Computed(_WORDS, persisted=True)),
    UniqueConstraint("asset_id", "track", "number", name="passage_asset_track_number_key"),
    CheckConstraint(
        "track IN ('speech', 'text', 'picture', 'keyframe', 'description')",
        name="passage_track_check",
    ),
    CheckConstraint(
        "(track = 'keyframe') = (frame_ms IS NOT NULL) AND frame_ms >= 0",
        name="passage_frame_check",
    ),
    CheckConstraint("start_ms >= 0 AND end_ms > start_ms", name="passage_times_check"),
    CheckConstraint("length(text) <= 20000", name="passage_text_check"),
    Index("passage_owner_idx", "owner", "collection"),
    Index("passage_speaker_idx", "owner", "speaker", postgresql_where=text("speaker <> ''")),
    Index("passage_words_idx", "words", postgresql_using="gin"),
)

word = Table(
    "word",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("word", Text, primary_key=True),
    Index(
        "word_trigram_idx",
        "word",
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    ),
)

asset_word = Table(
    "asset_word",
    metadata,
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("word", Text, primary_key=True),
    ForeignKeyConstraint(
        ("owner", "word"), ("word.owner", "word.word"), name="asset_word_word_fkey"
    ),
    Index("asset_word_word_idx", "owner", "word"),
)

embedding_model = Table(
    "embedding_model",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("space", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("revision", Text, nullable=False, server_default=_EMPTY),
    Column("dimension", Integer, nullable=False),
    Column("tracks", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'filling'")),
    _moment("created_at"),
    UniqueConstraint("space", "name", "revision", name="embedding_model_name_key"),
    CheckConstraint("dimension BETWEEN 1 AND 4000", name="embedding_model_dimension_check"),
    CheckConstraint(
        "state IN ('filling', 'active', 'retired')", name="embedding_model_state_check"
    ),
    Index(
        "embedding_model_active_idx",
        "space",
        unique=True,
        postgresql_where=text("state = 'active'"),
    ),
)

conversation = Table(
    "conversation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    _moment("created_at"),
    _moment("used_at"),
    Index("conversation_owner_idx", "owner", text("used_at DESC"), text("id DESC")),
    Index("conversation_used_at_idx", "used_at"),
)

conversation_turn = Table(
    "conversation_turn",
    metadata,
    Column(
        "conversation_id", Uuid, ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("question", Text, nullable=False),
    Column("standalone_question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("context", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _moment("created_at"),
)

turn_asset = Table(
    "turn_asset",
    metadata,
    Column("conversation_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    ForeignKeyConstraint(
        ("conversation_id", "number"),
        ("conversation_turn.conversation_id", "conversation_turn.number"),
        name="turn_asset_turn_fkey",
        ondelete="CASCADE",
    ),
    Index("turn_asset_asset_idx", "asset_id"),
)
