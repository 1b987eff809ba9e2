"""Searches over HTTP on a real server, with the real embedding model and without it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.api.conftest import RunningApi, StartApi
from tests.integration.storage.intelligence_rows import find_things

from cinemill.storage.database import Database

pytestmark = pytest.mark.usefixtures("library")


def search(api: RunningApi, **query: Any) -> dict[str, Any]:
    response = api.http.get("/api/v1/search", params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_search_returns_moments_in_seconds(api: RunningApi) -> None:
    found = search(api, q="Who inaugurated the flower park?")
    hit = found["hits"][0]
    assert (hit["asset_id"], hit["title"]) == ("garden", "garden.mp4")
    assert 0 <= hit["start"] <= 10 < hit["end"] <= 40
    assert 0 < hit["score"] <= 1
    assert "opened the rose garden" in hit["text"]
    assert found["vectors"] == "used"
    assert found["nothing_found"] is False


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "graph"])
def test_nothing_of_another_owner_is_returned(api: RunningApi, mode: str) -> None:
    for query in ("Alice Walker", "password of the vault swordfish", "sold in secret"):
        found = search(api, q=query, mode=mode, asset=["theirs", "garden"])
        assets = {one["asset_id"] for one in [*found["hits"], *found["nearest"]]}
        assert "theirs" not in assets
        assert "swordfish" not in json.dumps(found["hits"] + found["nearest"])


def test_filters_narrow_the_search(api: RunningApi) -> None:
    everything = search(api, q="rose garden and wind farm", limit=50)
    assert {one["asset_id"] for one in everything["hits"]} == {"garden", "bank"}
    for filters in ({"collection": "business"}, {"asset": "bank"}):
        found = search(api, q="rose garden and wind farm", **filters)
        assert {one["asset_id"] for one in found["hits"]} == {"bank"}
    assert search(api, q="rose garden", track="text", asset="garden")["hits"] == []
    assert search(api, q="rose garden", asset="garden", start=35)["hits"] == []
    late = search(api, q="weather", asset="garden", start=30.5, end=31)
    assert {one["start"] for one in late["hits"]} == {30.0}


def test_nothing_found_shows_what_is_nearest(api: RunningApi) -> None:
    found = search(api, q="quantum chromodynamics lattice")
    assert found["nothing_found"] is True
    assert found["hits"] == []
    assert found["nearest"]


def test_question_is_found_only_where_it_is_answered(api: RunningApi) -> None:
    missed = search(api, q="Who demolished the rose garden?")
    assert (missed["nothing_found"], missed["hits"]) == (True, [])
    assert "rose garden" in missed["nearest"][0]["text"]
    relevance = missed["relevance"]
    assert relevance["probability"] < relevance["threshold"]
    assert relevance["is_fitted"] is False
    found = search(api, q="Who opened the rose garden?")
    assert (found["nothing_found"], found["nearest"]) == (False, [])
    assert found["relevance"]["probability"] >= found["relevance"]["threshold"]


def test_query_of_ten_thousand_characters_is_searched(api: RunningApi) -> None:
    words = ("rose garden " * 1000)[:10_000]
    found = api.http.post("/api/v1/search", json={"q": words, "limit": 1})
    assert found.json()["hits"][0]["asset_id"] == "garden"
    refused = api.http.post("/api/v1/search", json={"q": "x" * 10_001})
    assert (refused.status_code, refused.json()["code"]) == (413, "query_too_long")
    refused = api.http.get("/api/v1/search", params={"q": words})
    assert (refused.status_code, refused.json()["code"]) == (414, "target_too_long")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "parameters_invalid"),
        ({"q": "  "}, "query_empty"),
        ({"q": "a\x00b"}, "query_invalid"),
        ({"q": "rose", "limit": 0}, "parameters_invalid"),
        ({"q": "rose", "limit": 101}, "parameters_invalid"),
        ({"q": "rose", "mode": "magic"}, "parameters_invalid"),
        ({"q": "rose", "hops": 3}, "parameters_invalid"),
        ({"q": "rose", "start": -1}, "parameters_invalid"),
        ({"q": "rose", "asset": ["a"] * 201}, "parameters_invalid"),
        ({"q": "rose", "asset": ["a\x00"]}, "parameters_invalid"),
        ({"q": "rose", "created_from": "yesterday"}, "parameters_invalid"),
    ],
)
def test_impossible_search_is_refused(api: RunningApi, query: dict[str, Any], code: str) -> None:
    refused = api.http.post("/api/v1/search", json=query)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_stranger_may_not_search(api: RunningApi) -> None:
    assert api.stranger.get("/api/v1/search", params={"q": "rose"}).status_code == 401
    assert api.stranger.post("/api/v1/ask", json={"question": "Who?"}).status_code == 401


def test_server_without_the_embedding_model_says_so(start_api: StartApi, library: Database) -> None:
    api = start_api()
    found = search(api, q="rose garden")
    assert found["hits"][0]["asset_id"] == "garden"
    assert found["vectors"] == "model_missing"
    assert "cinemill models fetch" in found["vectors_hint"]


def test_filters_by_what_a_passage_has(api: RunningApi, library: Database) -> None:
    find_things(library, "garden")  # a car in the first moment, a person from the 12th second on
    everywhere = "news about the rose garden and the wind farm"
    car = search(api, q=everywhere, label="car")
    assert {(one["asset_id"], one["start"]) for one in car["hits"]} == {("garden", 0.0)}
    assert search(api, q=everywhere, label="car", confidence=0.9)["hits"] == []
    person = search(api, q=everywhere, label="person")
    assert {one["start"] for one in person["hits"] + person["nearest"]} == {10.0}
    assert search(api, q=everywhere, language="de")["hits"] == []
    with library.begin() as connection:
        connection.execute(
            text("UPDATE passage SET speaker = 'Ann' WHERE asset_id = 'garden' AND number = 1")
        )
    said = search(api, q=everywhere, speaker="Ann")
    assert {one["start"] for one in said["hits"] + said["nearest"]} == {10.0}
    assert search(api, q=everywhere, speaker="Bob")["hits"] == []
    (oslo,) = (
        one
        for one in api.http.get("/api/v1/entities", params={"name": "Oslo"}).json()["entities"]
        if one["score"] == 1
    )
    named = search(api, q=everywhere, entity=oslo["id"])
    assert {(one["asset_id"], one["start"]) for one in named["hits"]} == {("garden", 10.0)}
    assert search(api, q=everywhere, created_to="2000-01-01T00:00:00Z")["hits"] == []
    assert search(api, q=everywhere, created_from="2000-01-01T00:00:00Z")["hits"]
