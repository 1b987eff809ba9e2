"""A small library of videos with what ingestion stores of them, for specifications of searches."""

from __future__ import annotations

from pathlib import Path

from tests.integration.storage.intelligence_rows import register, save, tell

from cinemill.capabilities.search.runtime.resources import SearchResources
from cinemill.capabilities.search.runtime.vectors import SPACE
from cinemill.core.knowledge.graph import (
    EntityKind,
    Mention,
    Modality,
    Relation,
    RelationKind,
)
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.spaces import EMBEDDED_TRACKS, Space
from cinemill.inference.models.catalog import find_card
from cinemill.inference.text.onnx_embedder import open_text_embedder
from cinemill.storage.database import Database
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.retrieval.models import activate_model, build_index, register_model
from cinemill.storage.retrieval.vectors import fill_model

TEXT_MODEL = "minilm-l6-v2-int8"
VIDEOS = ("garden", "bank", "theirs")
GARDEN = (
    "Welcome to the evening news from the north.",
    "Alice Walker opened the rose garden in Oslo on the ninth of March.",
    "She thanked the neighbours who had planted two hundred roses.",
    "Now to the weather, with rain along the coast.",
)
BANK = (
    "Harbor Bank will spend forty-two million euros on the wind farm.",
    "Thomas Rossi leads the negotiations with the fishermen.",
)
SIGNS = ("Ferry terminal closed until Monday",)
OTHERS = (
    "Alice Walker sold the rose garden in Oslo to her sister in secret.",
    "The password of the vault is swordfish.",
)


def fill_library(database: Database, owner: str) -> None:
    """Store two videos of this owner, what is said and seen in them and whom they mention."""
    register(database, "garden", owner=owner)
    register(database, "bank", owner=owner, collection="business")
    said = tell(database, "garden", GARDEN)
    save(database, "garden", [_mention(said[1], 10_000, "Alice Walker", "Oslo", "open")])
    said = tell(database, "bank", BANK)
    save(database, "bank", [_mention(said[1], 10_000, "Thomas Rossi", "Harbor Bank", "work for")])
    tell(database, "bank", SIGNS, track=PassageTrack.TEXT)


def fill_others(database: Database, owner: str) -> None:
    """Store a video of somebody else that says the same words."""
    register(database, "theirs", owner=owner)
    said = tell(database, "theirs", OTHERS)
    save(database, "theirs", [_mention(said[0], 0, "Alice Walker", "Vienna", "hide in")])


def _mention(
    passage_id: str, start_ms: int, person: str, place: str, predicate: str
) -> PassageEvidence:
    end_ms = start_ms + 10_000
    mentions = [
        Mention(name, kind, Modality.SPEECH, start_ms, end_ms)
        for name, kind in ((person, EntityKind.PERSON), (place, EntityKind.PLACE))
    ]
    relation = Relation(person, predicate, place, RelationKind.STATED, start_ms, end_ms)
    return PassageEvidence(passage_id, mentions, [relation])


def index_library(database: Database, models_dir: Path) -> None:
    """Embed every passage with the real model, and make the index the one that searches use."""
    card = find_card(TEXT_MODEL, models_dir)
    embedder = open_text_embedder(TEXT_MODEL, models_dir)
    with database.begin() as connection:
        model = register_model(
            connection,
            space=SPACE,
            name=card.name,
            revision=card.revision,
            dimension=embedder.dimension,
            tracks=EMBEDDED_TRACKS[Space.TEXT],
        )
    fill_model(database, model.id, lambda batch: list(embedder.embed([one.text for one in batch])))
    build_index(database, model)
    with database.begin() as connection:
        activate_model(connection, model.id)


def open_resources(database: Database, models_dir: Path, owner: str = "ann") -> SearchResources:
    """Return what searches of this owner work with, without a language model."""
    return SearchResources(database, models_dir, TEXT_MODEL, owner)
