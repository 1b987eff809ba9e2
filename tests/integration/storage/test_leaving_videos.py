"""A video that is about to be deleted: nothing leads to it, and an undo brings all of it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.storage.intelligence_rows import (
    activate,
    begin_model,
    fill,
    make_vector,
    mention,
    register,
    relation,
    save,
    tell,
    without_models,
)

from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.database import Connection, Database
from cinemill.storage.knowledge.entities import find_entities, list_moments
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.knowledge.statements import list_statements
from cinemill.storage.media import deletions
from cinemill.storage.media.collections import list_collections
from cinemill.storage.retrieval.context_passages import read_passages
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.search import find_candidates

ANN = SearchScope("ann")
WORDS = "Zarif speaks about bananas in Vienna."


@pytest.fixture
def library(database: Database) -> Database:
    for video in ("kept", "leaving"):
        register(database, video, collection=video)
        (passage,) = tell(database, video, [WORDS])
        people = [mention("Zarif"), mention("Vienna", EntityKind.PLACE)]
        relations = [relation("Zarif", "speak in", "Vienna")]
        save(database, video, [PassageEvidence(passage, people, relations)])
    return database


@pytest.fixture
def model(library: Database) -> Iterator[EmbeddingModel]:
    with without_models(library):
        begun = begin_model(library)
        fill(library, begun)
        yield activate(library, begun)


def list_found(connection: Connection, model: EmbeddingModel) -> dict[str, set[str]]:
    """Return the videos that each way leads to."""
    (zarif,) = find_entities(connection, "ann", ["Zarif"])["Zarif"]
    queries = {
        "text": CandidateQuery(ANN, text="bananas"),
        "vector": CandidateQuery(ANN, model_id=model.id, vector=make_vector(WORDS).tolist()),
        "trigram": CandidateQuery(ANN, unknown_words=("bannanas",)),
        "graph": CandidateQuery(ANN, entity_ids=(zarif,), hops=1),
    }
    found = {
        name: {one.asset_id for one in find_candidates(connection, query)}
        for name, query in queries.items()
    }
    moments = list_moments(connection, ANN, zarif)
    statements = list_statements(connection, ANN, zarif, limit=10)
    return {
        **found,
        "moments": {one.asset_id for one in moments},
        "statements": {one.asset_id for one in statements},
        "collections": {one.name for one in list_collections(connection, "ann")},
    }


def test_nothing_leads_to_a_video_that_is_about_to_be_deleted(
    library: Database, model: EmbeddingModel
) -> None:
    with library.begin() as connection:
        before = list_found(connection, model)
        ids = [
            one.passage_id for one in find_candidates(connection, CandidateQuery(ANN, text=WORDS))
        ]
        deletions.mark(connection, "leaving", undo_seconds=10)
        meanwhile = list_found(connection, model)
        # What an earlier answer has quoted is asked for by its id.
        quoted = {one.asset_id for one in read_passages(connection, ANN, ids)}
        assert deletions.unmark(connection, "leaving")
        after = list_found(connection, model)
    assert set(map(frozenset, before.values())) == {frozenset({"kept", "leaving"})}
    assert set(map(frozenset, meanwhile.values())) == {frozenset({"kept"})}
    assert quoted == {"kept"}
    assert after == before
