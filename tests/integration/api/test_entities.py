"""Entities and findings over HTTP on a real server."""

from __future__ import annotations

import json

import pytest
from tests.integration.api.conftest import RunningApi
from tests.integration.storage.intelligence_rows import find_things, mention, register, save, tell

from cinemill.core.job import DEFAULT_OWNER
from cinemill.storage.database import Database
from cinemill.storage.findings.gaps import Gap, save_gap
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.knowledge.scenes import Scene, SceneObject, SceneRelation, save_scenes
from cinemill.storage.media.assets import delete_asset

pytestmark = pytest.mark.usefixtures("library")


def test_entity_is_read_with_its_evidence(api: RunningApi) -> None:
    listed = api.http.get("/api/v1/entities", params={"name": "ALICE walker"}).json()
    assert [(one["name"], one["score"]) for one in listed["entities"]][:1] == [
        ("Alice Walker", 1.0)
    ]
    entity = api.http.get(f"/api/v1/entities/{listed['entities'][0]['id']}").json()
    assert entity["names"] == ["Alice Walker"]
    relation = entity["relations"][0]
    assert (relation["predicate"], relation["entity"]["name"]) == ("open", "Oslo")
    statement = entity["statements"][0]
    assert (statement["asset_id"], statement["start"], statement["end"]) == ("garden", 10, 20)
    assert "opened the rose garden" in statement["text"]
    assert [one["asset_id"] for one in entity["moments"]] == ["garden"]
    assert entity["co_occurrences"][0]["entity"]["name"] == "Oslo"
    assert "Vienna" not in json.dumps(entity)


def test_misspelled_entity_is_suggested(api: RunningApi) -> None:
    listed = api.http.get("/api/v1/entities", params={"name": "Alise Walker"}).json()
    assert listed["entities"][0]["name"] == "Alice Walker"
    assert listed["entities"][0]["score"] < 1


def test_another_owners_entity_does_not_exist(api: RunningApi, library: Database) -> None:
    with library.begin() as connection:
        (theirs,) = find_entities(connection, "bob", ["Vienna"])["Vienna"]
    assert api.http.get("/api/v1/entities", params={"name": "Vienna"}).json()["entities"] == []
    for identity in (theirs, "no-id"):
        gone = api.http.get(f"/api/v1/entities/{identity}")
        assert (gone.status_code, gone.json()["code"]) == (404, "entity_not_found")


def test_moments_are_paged(api: RunningApi, library: Database) -> None:
    (entity,) = api.http.get("/api/v1/entities", params={"name": "Oslo"}).json()["entities"]
    address = f"/api/v1/entities/{entity['id']}"
    assert api.http.get(address, params={"limit": 1}).json()["next"] is None
    refused = api.http.get(address, params={"cursor": "x"})
    assert refused.json()["code"] == "cursor_invalid"


def test_evidence_of_a_relation_is_paged(api: RunningApi) -> None:
    (found, *_) = api.http.get("/api/v1/entities", params={"name": "Alice Walker"}).json()[
        "entities"
    ]
    address = f"/api/v1/entities/{found['id']}"
    relation = api.http.get(address).json()["relations"][0]
    names = ("predicate", "kind", "is_subject", "is_negated", "is_possible")
    query = {"other": relation["entity"]["id"], **{name: relation[name] for name in names}}
    page = api.http.get(f"{address}/evidence", params=query).json()
    assert len(page["statements"]) == relation["weight"]
    assert page["next"] is None
    (statement, *_) = page["statements"]
    assert {statement["subject_id"], statement["object_id"]} == {
        found["id"], relation["entity"]["id"],
    }  # fmt: skip
    denied = api.http.get(f"{address}/evidence", params={**query, "is_negated": True})
    assert denied.json()["statements"] == []
    for wrong in ({"cursor": "x"}, {"kind": "rumour"}, {"limit": 0}):
        refused = api.http.get(f"{address}/evidence", params={**query, **wrong})
        assert refused.status_code == 422
    gone = api.http.get("/api/v1/entities/no-id/evidence", params=query)
    assert (gone.status_code, gone.json()["code"]) == (404, "entity_not_found")


def test_later_pages_of_moments_have_moments_only(api: RunningApi, library: Database) -> None:
    register(library, "parks", owner=DEFAULT_OWNER)
    (passage,) = tell(library, "parks", ["Alice Walker walks."])
    people = [mention("Alice Walker"), mention("Alice Walker", start_ms=5000)]
    save(library, "parks", [PassageEvidence(passage, people, [])])
    (found, *_) = api.http.get("/api/v1/entities", params={"name": "Alice Walker"}).json()[
        "entities"
    ]
    address = f"/api/v1/entities/{found['id']}"
    first = api.http.get(address, params={"limit": 1}).json()
    second = api.http.get(address, params={"limit": 5, "cursor": first["next"]}).json()
    assert first["relations"]
    assert len(second["moments"]) == first["mention_count"] - 1
    assert (second["relations"], second["statements"], second["co_occurrences"]) == ([], [], [])
    with library.begin() as connection:
        delete_asset(connection, "parks")


def test_findings_are_paged_with_gaps(api: RunningApi, library: Database) -> None:
    find_things(library, "garden")
    with library.begin() as connection:
        save_gap(connection, "garden", Gap("face", "model_missing", "No model.", "Fetch it."))
    address = "/api/v1/assets/garden/findings"
    first = api.http.get(address, params={"limit": 1}).json()
    assert first["findings"][0]["box"] == {
        "left": 0.1,
        "top": 0.2,
        "width": 0.3,
        "height": 0.4,
    }
    second = api.http.get(address, params={"cursor": first["next"]}).json()
    assert [one["label"] for one in first["findings"] + second["findings"]] == [
        "car",
        "Person",
    ]
    assert second["next"] is None
    assert first["models"]["object"]["name"] == "nanodet"
    assert [one["subject"] for one in first["gaps"]] == ["face"]
    assert api.http.get(address, params={"kind": "shot"}).json()["findings"] == []
    for query in ({"kind": "speech"}, {"cursor": "x"}):
        assert api.http.get(address, params=query).status_code == 422
    other = api.http.get(address, params={"cursor": first["next"], "kind": "shot"})
    assert other.json()["code"] == "cursor_invalid"


def test_scenes_are_paged_by_shots(api: RunningApi, library: Database) -> None:
    car, dog = (SceneObject(name, 1, 0, 900, 0.75) for name in ("car", "dog"))
    left = SceneRelation(0, "left of", 1, 0, 400, None)
    shots = [
        Scene(0, 900, [car, dog], [left]),
        Scene(900, 1500, [], []),
        Scene(1500, 2000, [dog], []),
    ]
    with library.begin() as connection:
        save_scenes(connection, "garden", shots)
    address = "/api/v1/assets/garden/scenes"
    first = api.http.get(address, params={"limit": 2}).json()
    second = api.http.get(address, params={"limit": 2, "cursor": first["next"]}).json()
    found = first["scenes"] + second["scenes"]
    assert [(one["start"], one["end"]) for one in found] == [(0, 0.9), (0.9, 1.5), (1.5, 2)]
    assert [one["label"] for one in found[0]["objects"]] == ["car", "dog"]
    assert found[0]["relations"] == [
        {"subject": 0, "predicate": "left of", "object": 1, "start": 0, "end": 0.4}
    ]
    assert second["next"] is None
    assert api.http.get(address, params={"cursor": "x"}).json()["code"] == "cursor_invalid"


def test_findings_of_a_range_are_returned_alone(api: RunningApi, library: Database) -> None:
    find_things(library, "garden")  # a car until 0.04 s, and a person from 12 s to 13 s
    address = "/api/v1/assets/garden/findings"

    def find(**query: float) -> list[str]:
        found = api.http.get(address, params=query)
        assert found.status_code == 200, found.text
        return [one["label"] for one in found.json()["findings"]]

    assert find(start=0.04) == ["Person"]
    assert find(end=12) == ["car"]
    assert find(start=12.999, end=20) == ["Person"]
    assert find(start=13, end=20) == []
    first = api.http.get(address, params={"start": 0, "end": 13, "limit": 1}).json()
    rest = api.http.get(address, params={"end": 12, "cursor": first["next"]}).json()
    assert rest["findings"] == []
    for wrong in ({"start": -1}, {"end": "nan"}, {"end": 1e10}):
        assert api.http.get(address, params=wrong).json()["code"] == "parameters_invalid"


@pytest.mark.parametrize("asset_id", ["theirs", "none"])
def test_findings_of_no_video_of_ours_are_refused(api: RunningApi, asset_id: str) -> None:
    refused = api.http.get(f"/api/v1/assets/{asset_id}/findings")
    assert (refused.status_code, refused.json()["code"]) == (404, "asset_not_found")
