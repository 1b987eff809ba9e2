"""Chapters, scenes and evidence: from HTTP, the Python client and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.integration.storage.intelligence_rows import (
    mention,
    register,
    relation,
    save,
    tell,
)
from tests.subjects import CHANGE_MS, MONEY, TALK

from cinemill.api.routes.search import entities
from cinemill.cli.commands.search.evidence import MOST_EVIDENCE, MOST_RELATIONS
from cinemill.client import Client, ClientError
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.knowledge.graph import EntityKind
from cinemill.storage.database import Database
from cinemill.storage.knowledge import entities as stored
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.knowledge.scenes import Scene, SceneObject, SceneRelation, save_scenes
from cinemill.storage.media.assets import delete_asset

from .conftest import Cinemill, RunningApi

V1 = "/api/v1"
END_MS = 10_000 * len(TALK)
Print = Callable[..., str]


@pytest.fixture(scope="module")
def database(api: RunningApi) -> Iterator[Database]:
    database = Database(api.database_url)
    yield database
    database.close()


@pytest.fixture(scope="module")
def talk(database: Database) -> Iterator[str]:
    """A talk of two subjects, whose second one states something twice, and shows two shots."""
    asset_id = register(database, "two-subjects", owner=DEFAULT_OWNER)
    ids = tell(database, asset_id, TALK)
    names = [
        mention("Harbor Bank", EntityKind.ORGANIZATION, start_ms=90_000),
        mention("Thomas Rossi", start_ms=90_100),
    ]
    said = relation("Harbor Bank", "trust", "Thomas Rossi")
    save(database, asset_id, [PassageEvidence(ids[at], names, [said]) for at in (9, 14)])
    things = [SceneObject(label, None, 0, 900, 0.9) for label in ("car", "person", "car")]
    places = [
        SceneRelation(0, "left of", 1, 0, 900, None),
        SceneRelation(2, "left of", 1, 0, 9, None),
    ]
    with database.begin() as connection:
        save_scenes(
            connection, asset_id, [Scene(0, 900, things, places), Scene(900, 4_000, [], [])]
        )
    yield asset_id
    with database.begin() as connection:
        delete_asset(connection, asset_id)


@pytest.fixture
def print_out(cinemill: Cinemill) -> Print:
    """Return a function that runs a command, checks its exit code and returns what it prints."""

    def run(*arguments: str, code: int = 0) -> str:
        result = cinemill(*arguments)
        assert result.exit_code == code, result.output
        return result.output

    return run


def test_chapters_and_key_moments_are_returned(api: RunningApi, client: Client, talk: str) -> None:
    found = api.http.get(f"{V1}/assets/{talk}/chapters").json()
    assert (found["track"], found["comparison"]) == ("speech", "words")
    first, second = found["chapters"]
    assert (first["start"], first["end"]) == (0, CHANGE_MS / 1000)
    assert (second["start"], second["end"]) == (CHANGE_MS / 1000, END_MS / 1000)
    assert second["words"][0] == "bank"
    assert "Thomas Rossi" in second["words"]
    assert second["title"] == "B" + ", ".join(second["words"])[1:]
    (moment,) = found["key_moments"]
    assert moment["text"] == MONEY[1]
    assert moment["names"] == ["Harbor Bank", "Thomas Rossi"]
    assert client.chapters(talk) == found


def test_chapters_are_a_file_for_players(api: RunningApi, talk: str) -> None:
    answer = api.http.get(f"{V1}/assets/{talk}/chapters.vtt")
    assert answer.headers["content-type"].startswith("text/vtt")
    head, first, second = answer.text.strip().split("\n\n")
    assert head == "WEBVTT"
    assert first.splitlines()[0] == "00:00:00.000 --> 00:01:20.000"
    assert second.splitlines()[0] == "00:01:20.000 --> 00:02:40.000"
    assert second.splitlines()[1].startswith("Bank, ")


def test_hostile_words_do_not_end_their_cue(api: RunningApi, database: Database) -> None:
    asset_id = register(database, "hostile", owner=DEFAULT_OWNER)
    try:
        ids = tell(database, asset_id, TALK)
        name = "<v Bob>\n\n1 --> 2"
        save(database, asset_id, [PassageEvidence(ids[0], [mention(name)] * 9, [])])
        text = api.http.get(f"{V1}/assets/{asset_id}/chapters.vtt").text
        assert len(text.strip().split("\n\n")) == 3
        assert "&lt;v Bob&gt; 1 --&gt; 2" in text
    finally:
        with database.begin() as connection:
            delete_asset(connection, asset_id)


def test_video_of_which_nothing_is_known_has_none(api: RunningApi, database: Database) -> None:
    asset_id = register(database, "unknown", owner=DEFAULT_OWNER)
    found = api.http.get(f"{V1}/assets/{asset_id}/chapters").json()
    assert found == {"chapters": [], "key_moments": [], "track": None, "comparison": None}
    assert api.http.get(f"{V1}/assets/{asset_id}/chapters.vtt").text.strip() == "WEBVTT"
    with database.begin() as connection:
        delete_asset(connection, asset_id)
    missing = api.http.get(f"{V1}/assets/{asset_id}/chapters")
    assert (missing.status_code, missing.json()["code"]) == (404, "asset_not_found")


def test_chapters_command_shows_both_lists(print_out: Print, talk: str) -> None:
    shown = print_out("chapters", talk)
    assert "00:01:20" in shown
    assert "names Harbor Bank, Thomas Rossi; states 1 relation" in shown
    assert json.loads(print_out("chapters", talk, "--json"))["chapters"][1]["start"] == 80
    assert "asset_not_found" in print_out("chapters", "none", code=2)


def test_chapters_command_says_why_there_are_none(print_out: Print, database: Database) -> None:
    asset_id = register(database, "short", owner=DEFAULT_OWNER)
    try:
        shown = print_out("chapters", asset_id)
        assert "Too little is known" in shown
        assert f"cinemill ingest {asset_id}" in shown
        assert f"cinemill ingest {asset_id} --profile full" in print_out("scenes", asset_id)
        tell(database, asset_id, TALK[:5])
        assert "it has one subject, or is too short" in print_out("chapters", asset_id)
    finally:
        with database.begin() as connection:
            delete_asset(connection, asset_id)


def test_scenes_are_read_by_the_client_and_the_command(
    client: Client, print_out: Print, talk: str
) -> None:
    scenes = list(client.scenes(talk))
    assert [(one["start"], one["end"]) for one in scenes] == [(0, 0.9), (0.9, 4)]
    assert [one["label"] for one in scenes[0]["objects"]] == ["car", "person", "car"]
    shown = print_out("scenes", talk)
    assert "2 × car, person" in shown
    assert shown.count("car left of person") == 1
    assert json.loads(print_out("scenes", talk, "--json")) == scenes
    with pytest.raises(ClientError) as refused:
        list(client.scenes("none"))
    assert refused.value.code == "asset_not_found"


def test_evidence_is_read_by_the_client_and_the_command(
    client: Client, print_out: Print, talk: str
) -> None:
    (bank,) = (one for one in client.entities("Harbor Bank") if one["score"] == 1)
    entity = client.entity(bank["id"])
    (trust,) = (one for one in entity["relations"] if one["predicate"] == "trust")
    statements = list(client.evidence(bank["id"], trust))
    assert [one["text"] for one in statements] == [TALK[9], TALK[14]]
    assert list(client.evidence(bank["id"], trust, collections=["none"])) == []
    with pytest.raises(ClientError) as refused:
        list(client.evidence("none", trust))
    assert refused.value.code == "entity_not_found"
    shown = print_out("graph", "harbor bank", "--with", "thomas rossi")
    assert "Harbor Bank · trust · Thomas Rossi" in shown
    assert shown.count("two-subjects.mp4") == 2
    (found,) = json.loads(print_out("graph", "Harbor Bank", "--with", "Thomas Rossi", "--json"))
    assert found == {"relation": trust, "statements": statements}
    (reverse,) = json.loads(print_out("graph", "Thomas Rossi", "--with", bank["id"], "--json"))
    assert reverse["relation"]["is_subject"] is False
    refusal = print_out("graph", "Harbor Bank", "--with", "Oslo", code=2)
    assert "relation_not_found" in refusal
    assert "It has relations with: Thomas Rossi." in refusal
    # With the whole id, which other commands take.
    assert talk in shown


def test_evidence_is_found_with_each_entity_of_a_name(
    print_out: Print, database: Database, talk: str
) -> None:
    """The one that is mentioned less has the relation."""
    asset_id = register(database, "washington", owner=DEFAULT_OWNER)
    try:
        ids = tell(database, asset_id, TALK[:2])
        place, person, bank = (
            mention(name, kind)
            for name, kind in (
                ("Washington", EntityKind.PLACE),
                ("Washington", EntityKind.PERSON),
                ("First Bank", EntityKind.ORGANIZATION),
            )
        )
        founded = relation("Washington", "found", "First Bank")
        save(
            database,
            asset_id,
            [
                PassageEvidence(ids[0], [place, replace(place, start_ms=place.start_ms + 5)], []),
                PassageEvidence(ids[1], [person, bank], [founded]),
            ],
        )
        shown = print_out("graph", "Washington", "--with", "First Bank")
        assert "Washington · found · First Bank" in shown
        assert "relation_not_found" in print_out("graph", "Washington", "--with", "Oslo", code=2)
        both = print_out("graph", "Washington")
        assert "Others of this name:" in both
        assert "Washington (person): cinemill graph " in both
    finally:
        with database.begin() as connection:
            delete_asset(connection, asset_id)


def test_weaker_relations_than_the_server_lists_are_not_denied(
    print_out: Print, database: Database, talk: str
) -> None:
    assert (MOST_RELATIONS, MOST_EVIDENCE) == (entities.MOST_RELATIONS, stored.MOST_EVIDENCE)
    asset_id = register(database, "many", owner=DEFAULT_OWNER)
    try:
        (passage,) = tell(database, asset_id, TALK[:1])
        names = [f"Person {number:03}" for number in range(MOST_RELATIONS + 1)]
        said = [relation("Ann Hub", "know", name) for name in [*names, *names[:-1]]]
        mentions = [mention(name) for name in ("Ann Hub", *names)]
        save(database, asset_id, [PassageEvidence(passage, mentions, said)])
        assert "Ann Hub · know" in print_out("graph", "Ann Hub", "--with", names[0])
        refusal = print_out("graph", "Ann Hub", "--with", names[-1], code=2)
        assert "weaker ones were not looked at" in " ".join(refusal.split())
        assert f"cinemill graph '{names[-1]}' --with 'Ann Hub'" in " ".join(refusal.split())
        assert "Ann Hub · know" in print_out("graph", names[-1], "--with", "Ann Hub")
    finally:
        with database.begin() as connection:
            delete_asset(connection, asset_id)
