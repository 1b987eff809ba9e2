"""Searches over a real database with the real embedding model, and without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.search.library import open_resources
from tests.qdrant_servers import NO_INDEXES, open_closed, open_local, project

from cinemill.capabilities.search.relevance import open_fitted_model, save_model
from cinemill.capabilities.search.routing import RouteOverrides
from cinemill.capabilities.search.runtime.answers import Question, answer_query
from cinemill.capabilities.search.runtime.documents import write_search
from cinemill.capabilities.search.runtime.requests import SearchMode, SearchRequest, SearchResult
from cinemill.capabilities.search.runtime.resources import RELEVANCE_FILE
from cinemill.capabilities.search.runtime.search import (
    graph_traversal_search,
    hybrid_search,
    run_search,
    semantic_search,
)
from cinemill.capabilities.search.runtime.vectors import VectorState, find_model
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.errors import InputRejected, TooLarge
from cinemill.storage.database import Database
from cinemill.storage.retrieval import search as candidate_search


def list_assets(result: SearchResult) -> set[str]:
    return {hit.asset_id for hit in result.ranked}


def test_hybrid_search_finds_a_paraphrase(indexed: Database, models_dir: Path) -> None:
    result = hybrid_search(
        open_resources(indexed, models_dir), SearchRequest("Who inaugurated the flower park?")
    )
    best = result.hits[0]
    assert (best.asset_id, best.scores.text) == ("garden", None)
    assert "opened the rose garden" in best.text
    assert (best.start_ms, best.end_ms) == (10_000, 30_000)
    assert result.vectors is VectorState.USED
    assert result.titles == {one: f"{one}.mp4" for one in list_assets(result)}


def test_passages_in_a_row_are_one_hit(indexed: Database, models_dir: Path) -> None:
    words = "neighbours planted two hundred roses Alice Walker Oslo"
    result = hybrid_search(open_resources(indexed, models_dir), SearchRequest(words))
    assert len(result.hits[0].passage_ids) >= 2
    passages = [key for hit in result.ranked for key in hit.passage_ids]
    assert len(passages) == len(set(passages))


@pytest.mark.parametrize("mode", list(SearchMode))
@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("Alice Walker sold the rose garden", SearchFilters()),
        ("the password of the vault", SearchFilters()),
        ("swordfish", SearchFilters(asset_ids=("theirs",))),
        ("Vienna", SearchFilters()),
    ],
)
def test_nothing_of_another_owner_is_found(
    indexed: Database, models_dir: Path, mode: SearchMode, query: str, filters: SearchFilters
) -> None:
    result = run_search(
        open_resources(indexed, models_dir), SearchRequest(query, filters=filters), mode
    )
    assert "theirs" not in list_assets(result)
    assert not {entity.name for entity in result.entities} & {"Vienna"}
    owner = run_search(
        open_resources(indexed, models_dir, "bob"), SearchRequest("Alice Walker"), mode
    )
    assert list_assets(owner) == {"theirs"}


def test_semantic_search_uses_vectors_alone(indexed: Database, models_dir: Path) -> None:
    result = semantic_search(
        open_resources(indexed, models_dir), SearchRequest("money for turbines")
    )
    assert result.hits[0].asset_id == "bank"
    assert {hit.scores.text for hit in result.ranked} == {None}
    assert {hit.scores.graph for hit in result.ranked} == {None}


def test_graph_search_finds_entities_and_what_is_related(
    indexed: Database, models_dir: Path
) -> None:
    result = graph_traversal_search(
        open_resources(indexed, models_dir), SearchRequest("alice walker")
    )
    assert [(hit.asset_id, hit.start_ms) for hit in result.hits] == [("garden", 10_000)]
    assert [entity.name for entity in result.entities] == ["Alice Walker"]
    assert result.vectors is VectorState.NOT_USED


def test_search_without_the_model_goes_on_by_words(indexed: Database, tmp_path: Path) -> None:
    resources = open_resources(indexed, tmp_path)
    result = hybrid_search(resources, SearchRequest("rose garden"))
    assert result.hits[0].asset_id == "garden"
    assert result.vectors is VectorState.MODEL_MISSING
    assert "cinemill models fetch minilm-l6-v2-int8" in result.vectors_hint
    assert semantic_search(resources, SearchRequest("rose garden")).ranked == ()


def test_search_without_an_index_goes_on_by_words(unindexed: Database, models_dir: Path) -> None:
    result = hybrid_search(open_resources(unindexed, models_dir), SearchRequest("rose garden"))
    assert result.hits[0].asset_id == "garden"
    assert result.vectors is VectorState.NOT_INDEXED
    assert result.vectors_hint


def test_empty_library_finds_nothing(indexed: Database, models_dir: Path) -> None:
    for mode in SearchMode:
        result = run_search(
            open_resources(indexed, models_dir, "carol"), SearchRequest("rose garden"), mode
        )
        assert result.is_nothing_found
        assert result.ranked == ()


def test_what_only_is_nearest_is_not_a_hit(indexed: Database, models_dir: Path) -> None:
    result = hybrid_search(
        open_resources(indexed, models_dir), SearchRequest("quantum chromodynamics lattice")
    )
    assert result.is_nothing_found
    assert result.nearest
    assert not result.is_fitted


def test_fitted_relevance_decides_whether_anything_was_found(
    indexed: Database, models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "minilm-l6-v2-int8").symlink_to(models_dir / "minilm-l6-v2-int8")
    resources = open_resources(indexed, tmp_path)
    request = SearchRequest("rose garden")
    for bias, is_found in ((-50.0, False), (50.0, True)):
        model = open_fitted_model().model_copy(update={"bias": bias, "threshold": 0.5})
        save_model(model, tmp_path / RELEVANCE_FILE)
        result = hybrid_search(resources, request)
        assert result.is_fitted
        assert bool(result.hits) is is_found
    (tmp_path / RELEVANCE_FILE).write_text("{}")
    assert not hybrid_search(resources, request).is_fitted


@pytest.mark.parametrize(
    "question",
    [
        "Who demolished the rose garden?",
        "Who opened the rose garden in Vienna?",
        "How many people work for Harbor Bank?",
        "When did Thomas Rossi open the wind farm?",
    ],
)
def test_question_that_only_shares_words_is_not_answered_by_any_hit(
    indexed: Database, models_dir: Path, question: str
) -> None:
    result = hybrid_search(open_resources(indexed, models_dir), SearchRequest(question))
    assert not result.is_fitted
    assert result.hits == ()
    assert any(hit.scores.text is not None for hit in result.nearest)


@pytest.mark.parametrize(
    "question",
    ["Who opened the rose garden in Oslo?", "Who leads the talks?", "Who demolished the garden?"],
)
def test_search_and_answer_agree_on_a_question(
    indexed: Database, models_dir: Path, question: str
) -> None:
    resources = open_resources(indexed, models_dir)
    found = hybrid_search(resources, SearchRequest(question))
    answer = answer_query(resources, Question(question)).finish()
    assert found.is_nothing_found is (answer.done.abstained is not None)


def test_keywords_are_found_by_a_word_alone(indexed: Database, models_dir: Path) -> None:
    result = hybrid_search(
        open_resources(indexed, models_dir), SearchRequest("demolished rose garden")
    )
    assert not result.relevance.is_answerable
    assert "rose garden" in result.hits[0].text


def test_misspelled_name_is_found(indexed: Database, models_dir: Path) -> None:
    result = hybrid_search(open_resources(indexed, models_dir), SearchRequest("Wallker"))
    assert result.hits[0].asset_id == "garden"
    assert result.hits[0].scores.trigram is not None


def test_sign_is_found_first_where_a_query_asks_for_one(
    indexed: Database, models_dir: Path
) -> None:
    resources = open_resources(indexed, models_dir)
    sign = hybrid_search(resources, SearchRequest("a sign that says ferry closed"))
    assert sign.route.preferred == (PassageTrack.TEXT,)
    assert "Ferry terminal closed" in sign.hits[0].text
    filters = SearchFilters(asset_ids=("garden",))
    other = hybrid_search(
        resources, SearchRequest("the rose garden on the screen", filters=filters)
    )
    assert other.hits[0].asset_id == "garden"
    overrides = RouteOverrides(tracks=(PassageTrack.TEXT,))
    kept = SearchRequest("the rose garden on the screen", filters=filters, overrides=overrides)
    assert hybrid_search(resources, kept).ranked == ()


def test_no_track_is_preferred_where_the_request_names_tracks(
    indexed: Database, models_dir: Path
) -> None:
    resources = open_resources(indexed, models_dir)
    filters = SearchFilters(tracks=(PassageTrack.SPEECH,))
    found = [
        hybrid_search(resources, SearchRequest(f"{asked} two hundred roses", filters=filters))
        for asked in ("the banner says", "the speaker says")
    ]
    assert [one.route.preferred for one in found] == [(), ()]
    assert [write_search(one)["tracks"] for one in found] == [[], []]
    # The best of a single retriever has 1; a preference for signs would make it 0.7.
    words = hybrid_search(
        open_resources(indexed, models_dir / "none"),
        SearchRequest("the banner says two hundred roses", filters=filters),
    )
    assert words.ranked[0].score == 1.0


@pytest.mark.parametrize(
    "query", ["the banner says two hundred roses", "show me the neighbours who planted roses"]
)
def test_rule_hides_no_track(indexed: Database, models_dir: Path, query: str) -> None:
    """A library with signs has something for every vector; what is said must be found all the same.

    Of the signs none has to do with the query.
    """
    result = hybrid_search(open_resources(indexed, models_dir), SearchRequest(query))
    assert result.route.preferred
    assert "two hundred roses" in result.hits[0].text


def test_filters_narrow_a_search(indexed: Database, models_dir: Path) -> None:
    resources = open_resources(indexed, models_dir)
    request = SearchRequest("news about the wind farm and the rose garden")
    assert list_assets(hybrid_search(resources, request)) == {"garden", "bank"}
    narrowed = replace(request, collections=("business",))
    assert list_assets(hybrid_search(resources, narrowed)) == {"bank"}
    of_garden = replace(request, filters=SearchFilters(asset_ids=("garden",)))
    assert list_assets(hybrid_search(resources, of_garden)) == {"garden"}


def test_query_of_ten_thousand_characters_is_searched(indexed: Database, models_dir: Path) -> None:
    resources = open_resources(indexed, models_dir)
    words = "rose garden " * 1000
    assert hybrid_search(resources, SearchRequest(words[:10_000])).hits[0].asset_id == "garden"
    with pytest.raises(TooLarge, match="10001 characters") as refused:
        hybrid_search(resources, SearchRequest("x" * 10_001))
    assert refused.value.code == "query_too_long"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (SearchRequest("  "), "query_empty"),
        (SearchRequest("a\x00b"), "query_invalid"),
        (SearchRequest("rose", limit=0), "search_invalid"),
        (SearchRequest("rose", limit=101), "search_invalid"),
        (SearchRequest("rose", hops=3), "search_invalid"),
    ],
)
def test_impossible_search_is_rejected(
    indexed: Database, models_dir: Path, request_: SearchRequest, code: str
) -> None:
    with pytest.raises(InputRejected) as refused:
        hybrid_search(open_resources(indexed, models_dir), request_)
    assert refused.value.code == code


@pytest.mark.filterwarnings(NO_INDEXES)
def test_search_goes_on_and_says_so_where_qdrant_does_not_respond(
    indexed: Database, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_search, "FEW_ROWS", -1)
    resources = open_resources(indexed, models_dir)
    asked = SearchRequest("Who inaugurated the flower park?")
    alone = hybrid_search(resources, asked)
    with indexed.begin() as connection:
        model = find_model(connection)
        assert model is not None
    project(indexed, server := open_local(), model)
    try:
        with_qdrant = hybrid_search(replace(resources, qdrant=server), asked)
        with open_closed() as away:
            without = hybrid_search(replace(resources, qdrant=away), asked)
    finally:
        with indexed.begin() as connection:
            connection.execute(text("DELETE FROM vector_projection"))
    assert alone.hits == with_qdrant.hits == without.hits
    assert (with_qdrant.vectors, with_qdrant.vectors_hint) == (VectorState.USED, "")
    assert without.vectors is VectorState.USED
    assert "CINEMILL_QDRANT_URL" in without.vectors_hint
