"""One statement gathers what vectors, words, similar words and the graph find, within its scope."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import (
    activate,
    begin_model,
    fill,
    find_things,
    make_vector,
    mention,
    register,
    relation,
    save,
    tell,
    without_models,
)

from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import Candidate, SearchFilters, SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.errors import InputRejected, NotFound
from cinemill.storage.database import Database
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.retrieval import search, text_search
from cinemill.storage.retrieval.filters import compose_conditions
from cinemill.storage.retrieval.models import EmbeddingModel

ANN = SearchScope("ann")
TALKS = [
    "After two years of negotiations, the United States has a deal.",
    "Zarif speaks about the weather in Vienna.",
    "Nobody knows what the bananas cost.",
]
NEWS = ["The negotiators met in Lausanne.", "Bananas, bananas and more bananas in Vienna."]


@pytest.fixture
def model(library: Database) -> Iterator[EmbeddingModel]:
    with without_models(library):
        begun = begin_model(library)
        fill(library, begun)
        yield activate(library, begun)


@pytest.fixture
def library(database: Database) -> Database:
    register(database, "talks", collection="politics")
    register(database, "news", collection="daily")
    register(database, "theirs", owner="bob")
    talks = tell(database, "talks", TALKS, speaker="Obama")
    news = tell(database, "news", NEWS)
    theirs = tell(database, "theirs", TALKS)
    tell(database, "news", ["Verhandlungen in Wien"], track=PassageTrack.TEXT, language="de")
    find_things(database, "talks", label="Car")
    for video, ids in (("talks", talks), ("theirs", theirs)):
        evidence = [
            PassageEvidence(
                ids[1],
                [mention("Zarif"), mention("Vienna", EntityKind.PLACE)],
                [relation("Zarif", "speak in", "Vienna")],
            )
        ]
        save(database, video, evidence)
    evidence = [PassageEvidence(news[1], [mention("Vienna", EntityKind.PLACE)])]
    save(database, "news", evidence)
    return database


def find(database: Database, scope: SearchScope = ANN, **query: Any) -> list[Candidate]:
    with database.begin() as connection:
        return search.find_candidates(connection, CandidateQuery(scope, **query))


def texts(candidates: list[Candidate]) -> set[str]:
    return {candidate.text for candidate in candidates}


def best(candidates: list[Candidate], score: str) -> str:
    return max(candidates, key=lambda one: getattr(one.scores, score) or 0.0).text


def find_entity(database: Database, name: str, owner: str = "ann") -> str:
    with database.begin() as connection:
        return find_entities(connection, owner, [name])[name][0]


def test_words_are_found_in_any_inflection(library: Database) -> None:
    found = find(library, text="Where do they negotiate?")
    assert texts(found) == {TALKS[0], NEWS[0]}
    assert all(one.scores.text and one.scores.vector is None for one in found)


def test_candidate_says_where_it_was_found(library: Database) -> None:
    (found,) = find(library, text="United States")
    assert (found.asset_id, found.track, found.number) == ("talks", PassageTrack.SPEECH, 0)
    assert (found.start_ms, found.end_ms) == (0, 10_000)
    assert (found.text, found.language, found.speaker) == (TALKS[0], "en", "Obama")


def test_rare_word_counts_more_than_a_common_one(database: Database) -> None:
    register(database, "film")
    tell(database, "film", [*(f"The weather is number {n}." for n in range(300)), "A heron flew."])
    with database.begin() as connection:
        connection.execute(text("ANALYZE passage"))
    found = find(database, text="the heron and the weather", limit=20)
    assert best(found, "text") == "A heron flew."


def test_passage_with_all_words_is_best(library: Database) -> None:
    assert best(find(library, text="bananas in Vienna"), "text") == NEWS[1]


def test_quoted_words_are_found_in_this_order_only(library: Database) -> None:
    assert texts(find(library, text='"two years of negotiations"')) == {TALKS[0]}
    assert texts(find(library, text='"years two negotiations"')) == set()
    assert texts(find(library, text='"..." negotiations')) == {TALKS[0], NEWS[0]}


def test_words_of_other_languages_are_found_as_they_are(library: Database) -> None:
    assert texts(find(library, text="Verhandlungen")) == {"Verhandlungen in Wien"}


@pytest.mark.parametrize(
    "words",
    ["", "   ", "'\"\\ & | ! ( ) :* <->", "\\' OR 1=1", '"', "a" * 10_000, "é́" * 90],
)
def test_strange_texts_find_nothing_and_break_nothing(library: Database, words: str) -> None:
    assert find(library, text=words) == []


def test_stop_words_are_found_where_there_is_nothing_else(library: Database) -> None:
    assert texts(find(library, text="the of")) == {*TALKS, NEWS[0]}
    assert texts(find(library, text="the of bananas")) == {TALKS[2], NEWS[1]}


def test_long_text_is_searched_by_its_first_words(library: Database) -> None:
    assert texts(find(library, text="negotiations " * 1000)) == {TALKS[0], NEWS[0]}


@pytest.fixture
def talkative(library: Database) -> Database:
    """600 short passages with two words each, and three long ones with a rare one."""
    register(library, "long")
    rare = [f"storm {' '.join(f'w{n}x{word}' for word in range(300))}" for n in range(3)]
    tell(library, "long", [*(f"People say time {n}" for n in range(600)), *rare])
    with library.begin() as connection:
        connection.execute(text("ANALYZE passage"))
    return library


COMMON_AND_RARE = "people or time or storm"


def test_common_word_is_left_out_where_rarer_ones_find_enough(
    talkative: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find(talkative, text=COMMON_AND_RARE, limit=3)
    assert {one.text[:6] for one in found} == {"People"}  # shorter passages are better
    monkeypatch.setattr(text_search, "COMMON_ROWS", 100)
    found = find(talkative, text=COMMON_AND_RARE, limit=3)
    assert [one.text[:6] for one in found] == ["storm "] * 3


def test_common_words_fill_up_what_rarer_ones_find(
    talkative: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "COMMON_ROWS", 100)
    found = find(talkative, text=COMMON_AND_RARE, limit=50)
    assert len(found) == 50
    found = find(talkative, text="people or time", limit=50)
    assert len(found) == 50


def count_gathered(database: Database, table: str, words: str, *, limit: int = 20) -> int:
    """How many passages a part of the statement gathers to be ranked."""
    conditions = compose_conditions(ANN, SearchFilters())
    query = CandidateQuery(ANN, text=words, limit=limit)
    tables, values = text_search.compose_text_search(query, conditions)
    statement = text(f"WITH {tables} SELECT count(*) FROM {table}")
    with database.begin() as connection:
        rows = connection.execute(statement, {"limit": limit, **conditions.values, **values})
        return int(rows.scalar_one())


def test_passages_that_are_ranked_are_bounded(
    talkative: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert count_gathered(talkative, "with_all", "people time") == 600
    assert count_gathered(talkative, "with_rare", "people time", limit=20) == 40
    assert count_gathered(talkative, "with_two", "people time storm") == 150
    monkeypatch.setattr(text_search, "MOST_WITH_ALL", 30)
    assert count_gathered(talkative, "with_all", "people time") == 30


def test_common_words_are_looked_for_in_a_number_of_passages(
    talkative: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "COMMON_ROWS", 100)
    assert len(find(talkative, text="people time", limit=700)) == 600
    monkeypatch.setattr(text_search, "MOST_SCANNED", 30)
    assert 10 <= len(find(talkative, text="people time", limit=700)) <= 30
    found = find(talkative, text=COMMON_AND_RARE, limit=700)
    assert [one.text.startswith("storm") for one in found].count(True) == 3
    assert 10 <= len(found) <= 33


def test_two_rare_words_of_several_are_found_among_many_with_one(library: Database) -> None:
    register(library, "long")
    single = [f"{word} {n}" for word in ("volcano", "harpsichord") for n in range(300)]
    tell(library, "long", [*single, "A harpsichord on a volcano"])
    with library.begin() as connection:
        connection.execute(text("ANALYZE passage"))
    found = find(library, text="harpsichord volcano zebra", limit=5)
    assert best(found, "text") == "A harpsichord on a volcano"


def test_vectors_are_found_by_their_cosine(library: Database, model: EmbeddingModel) -> None:
    vector = make_vector(TALKS[2]).tolist()
    found = find(library, vector=vector, model_id=model.id, limit=3)
    assert len(found) == 3
    assert best(found, "vector") == TALKS[2]
    assert max(one.scores.vector or 0 for one in found) == pytest.approx(1, abs=1e-3)


def test_exact_search_and_index_find_the_same(
    library: Database, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = make_vector("anything").tolist()
    query: dict[str, Any] = {"vector": vector, "model_id": model.id, "limit": 4}
    exact = find(library, **query)
    monkeypatch.setattr(search, "is_index_better", lambda *_: True)
    assert find(library, **query) == exact
    assert len(exact) == 4


def test_vectors_that_the_index_does_not_reach_are_compared_exactly(
    library: Database, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passages of a speaker that are far from a query lie behind all others."""
    monkeypatch.setattr(search, "is_index_better", lambda *_: True)
    query = CandidateQuery(
        ANN,
        SearchFilters(speakers=("Obama",)),
        vector=(-make_vector(TALKS[0])).tolist(),
        model_id=model.id,
        limit=3,
    )
    with library.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL hnsw.max_scan_tuples = 1")
        monkeypatch.setattr(search, "LEAST_EF_SEARCH", 1)
        monkeypatch.setattr(search, "MOST_EF_SEARCH", 1)
        found = search.find_candidates(connection, query)
    assert texts(found) == set(TALKS)


def test_vector_of_another_dimension_is_rejected(library: Database, model: EmbeddingModel) -> None:
    with pytest.raises(InputRejected) as wrong:
        find(library, vector=[0.5] * 9, model_id=model.id)
    assert wrong.value.code == "embedding_invalid"
    with pytest.raises(NotFound):
        find(library, vector=[0.5] * 8, model_id=model.id + 1)


def test_similar_words_are_found_for_unknown_ones(library: Database) -> None:
    found = find(library, unknown_words=["Zareef", "Lausane"])
    assert texts(found) == {TALKS[1], NEWS[0]}
    assert best(found, "trigram") == NEWS[0]
    assert find(library, unknown_words=["xyzzy"]) == []


def test_entity_leads_to_its_passages_and_to_those_of_its_relations(library: Database) -> None:
    zarif = find_entity(library, "Zarif")
    assert texts(find(library, entity_ids=[zarif], hops=0)) == {TALKS[1]}
    found = find(library, entity_ids=[zarif], hops=1)
    assert texts(found) == {TALKS[1], NEWS[1]}
    assert best(found, "graph") == TALKS[1]
    assert {one.scores.graph for one in found} == {1.0, 0.5}
    assert texts(find(library, entity_ids=[zarif], hops=2)) == texts(found)


def test_mention_whose_passage_is_gone_takes_no_place(library: Database) -> None:
    register(library, "former")
    save(library, "former", [PassageEvidence(None, [mention("Zarif")])])
    found = find(library, entity_ids=[find_entity(library, "Zarif")], hops=1, limit=2)
    assert texts(found) == {TALKS[1], NEWS[1]}


def test_relation_of_a_collection_out_of_scope_leads_nowhere(library: Database) -> None:
    zarif = find_entity(library, "Zarif")
    daily = SearchScope("ann", ("daily",))
    assert find(library, daily, entity_ids=[zarif], hops=2) == []
    both = SearchScope("ann", ("daily", "politics"))
    assert len(find(library, both, entity_ids=[zarif], hops=2)) == 2


def test_no_retriever_finds_what_belongs_to_another_owner(
    library: Database, model: EmbeddingModel
) -> None:
    ours = find_entity(library, "Zarif")
    query: dict[str, Any] = {
        "text": "negotiations Zarif weather",
        "vector": make_vector(TALKS[1]).tolist(),
        "model_id": model.id,
        "unknown_words": ["Zareef"],
        "entity_ids": [ours],
    }
    theirs = find(library, SearchScope("bob"), **query)
    assert {one.asset_id for one in theirs} == {"theirs"}
    assert {one.scores.graph for one in theirs} == {None}
    assert {one.asset_id for one in find(library, **query)} == {"talks", "news"}
    assert find(library, SearchScope("eve"), **query) == []
    filters = SearchFilters(asset_ids=("talks",), entity_ids=(ours,))
    assert find(library, SearchScope("bob"), filters=filters, **query) == []


def test_one_statement_gives_all_scores_of_a_passage(
    library: Database, model: EmbeddingModel
) -> None:
    found = find(
        library,
        text="Zarif",
        vector=make_vector(TALKS[1]).tolist(),
        model_id=model.id,
        unknown_words=["Zareef"],
        entity_ids=[find_entity(library, "Zarif")],
    )
    scores = next(one.scores for one in found if one.text == TALKS[1])
    assert None not in (scores.vector, scores.text, scores.trigram, scores.graph)
    assert len({one.passage_id for one in found}) == len(found)


NOW = datetime.now(UTC)
FILTERS = {
    "asset": (SearchFilters(asset_ids=("news",)), {"news"}),
    "track": (SearchFilters(tracks=(PassageTrack.TEXT,)), {"news"}),
    "language": (SearchFilters(languages=("en", "fr")), {"talks", "news"}),
    "speaker": (SearchFilters(speakers=("Obama",)), {"talks"}),
    "no speaker is none": (SearchFilters(speakers=("",)), set()),
    "label": (SearchFilters(labels=("cAR",)), {"talks"}),
    "label, too uncertain": (SearchFilters(labels=("car",), least_confidence=0.8), set()),
    "label, certain": (SearchFilters(labels=("car",), least_confidence=0.75), {"talks"}),
    "created": (SearchFilters(created_from=NOW - timedelta(days=1)), {"talks", "news"}),
    "created later": (SearchFilters(created_from=NOW + timedelta(days=1)), set()),
    "created before": (SearchFilters(created_to=NOW - timedelta(days=1)), set()),
    "time": (SearchFilters(start_ms=10_000, end_ms=20_000), {"talks", "news"}),
    "time after all": (SearchFilters(start_ms=30_000), set()),
    "unreadable entity": (SearchFilters(entity_ids=("x",)), set()),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_hold_for_words_and_vectors(
    library: Database, model: EmbeddingModel, name: str
) -> None:
    filters, expected = FILTERS[name]
    vector = make_vector("anything").tolist()
    by_vector = find(library, filters=filters, vector=vector, model_id=model.id)
    assert {one.asset_id for one in by_vector} == expected
    words = "negotiations Vienna Zarif Verhandlungen bananas"
    by_words = find(library, filters=filters, text=words)
    assert {one.asset_id for one in by_words} == expected
    assert {one.passage_id for one in by_words} <= {one.passage_id for one in by_vector}


def test_filter_by_label_finds_passages_at_its_time(library: Database) -> None:
    words = "negotiations weather bananas"
    found = find(library, filters=SearchFilters(labels=("person",)), text=words)
    assert texts(found) == {TALKS[1]}


def test_filter_by_entity_finds_passages_that_mention_it(library: Database) -> None:
    vienna = find_entity(library, "Vienna")
    found = find(library, filters=SearchFilters(entity_ids=(vienna,)), text="bananas weather")
    assert texts(found) == {TALKS[1], NEWS[1]}


def test_collections_limit_every_retriever(library: Database, model: EmbeddingModel) -> None:
    found = find(
        library,
        SearchScope("ann", ("daily",)),
        text="Vienna",
        vector=make_vector("x").tolist(),
        model_id=model.id,
        unknown_words=["Viena"],
        entity_ids=[find_entity(library, "Vienna")],
    )
    assert {one.asset_id for one in found} == {"news"}


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1001}, {"hops": 3}, {"hops": -1}])
def test_bounds_of_a_query_are_checked(library: Database, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        find(library, text="x", **wrong)


def test_empty_query_finds_nothing(library: Database) -> None:
    assert find(library) == []


def test_query_plans_do_not_go_stale_after_many_searches(
    library: Database, model: EmbeddingModel
) -> None:
    """The driver prepares a statement that it sends often; its plan must fit each query."""
    for number in range(12):
        found = find(library, vector=make_vector(str(number)).tolist(), model_id=model.id, limit=2)
        assert len(found) == 2
