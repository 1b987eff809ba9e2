"""The Python client and the command line against a real server that has a library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.api.conftest import Cinemill
from tests.integration.storage.intelligence_rows import find_things

from cinemill.client import Client, ClientError
from cinemill.storage.database import Database

pytestmark = pytest.mark.usefixtures("library")
WHO = "Who opened the rose garden in Oslo?"


def test_client_searches_and_asks(client: Client, library: Database) -> None:
    found = client.search("flower park", limit=3)
    assert found["hits"][0]["asset_id"] == "garden"
    assert client.search("rose garden", asset_ids=["bank"], mode="graph")["hits"] == []
    answer = client.ask(WHO)
    assert answer["citations"][0]["start"] == 10.0
    events = list(client.ask_events("When did she?", conversation_id=answer["conversation_id"]))
    assert [one.name for one in events][:1] == ["retrieval"]
    assert events[-1].name == "done"
    assert client.conversations(limit=1)[0]["id"] == answer["conversation_id"]
    assert len(client.conversation(str(answer["conversation_id"]))["turns"]) == 2
    client.delete_conversation(str(answer["conversation_id"]))
    with pytest.raises(ClientError) as refused:
        client.conversation(str(answer["conversation_id"]))
    assert refused.value.code == "conversation_not_found"


def test_client_reads_entities_and_findings(client: Client, library: Database) -> None:
    (entity,) = (one for one in client.entities("Alice Walker") if one["score"] == 1)
    assert client.entity(entity["id"])["statements"][0]["predicate"] == "open"
    find_things(library, "garden")
    assert [one["label"] for one in client.findings("garden", kind="object")] == ["car", "Person"]


def test_refusals_of_streams_are_errors(client: Client) -> None:
    with pytest.raises(ClientError) as refused:
        next(client.ask_events(" "))
    assert refused.value.code == "query_empty"


def read_json(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_search_command_prints_moments(cinemill: Cinemill) -> None:
    found = read_json(cinemill("search", "flower park", "--json"))
    hit = found["hits"][0]
    assert {"asset_id", "start", "end", "score", "text"} <= hit.keys()
    shown = cinemill("search", "weather along the coast", "--asset", "garden", "--limit", 1)
    assert "00:00:" in shown.stdout
    assert "garden.mp4" in shown.stdout
    assert shown.exit_code == 0


def test_search_command_says_that_nothing_was_found(cinemill: Cinemill) -> None:
    shown = cinemill("search", "quantum chromodynamics lattice")
    assert shown.exit_code == 0
    assert "Nothing found. Nearest:" in shown.output
    shown = cinemill("search", "lattice", "--asset", "none")
    assert (shown.exit_code, "asset_not_found" in shown.output) == (2, True)


def test_ask_command_cites_and_goes_on(cinemill: Cinemill) -> None:
    first = read_json(cinemill("ask", WHO, "--json"))
    assert first["abstained"] is False
    assert first["citations"][0]["asset_id"] == "garden"
    shown = cinemill("ask", "When did she open it?", "--continue")
    assert shown.exit_code == 0
    assert "ninth of March" in shown.stdout
    assert "[1]" in shown.stdout
    assert "00:00:10-00:00:20" in shown.stdout
    assert "Understood as: When did Alice Walker open" in shown.output


def test_ask_command_says_that_there_is_no_answer(cinemill: Cinemill) -> None:
    shown = cinemill("ask", "Who won the chess tournament in Peru?")
    assert shown.exit_code == 0
    assert "No answer was found in the videos." in shown.output


def test_ask_command_cannot_go_on_with_nothing(cinemill: Cinemill, client: Client) -> None:
    for one in client.conversations():
        client.delete_conversation(one["id"])
    refused = cinemill("ask", "When?", "--continue")
    assert refused.exit_code == 2
    assert "conversation_not_found" in refused.output


def test_graph_command_shows_an_entity(cinemill: Cinemill) -> None:
    entity = read_json(cinemill("graph", "alice walker", "--json"))
    assert entity["name"] == "Alice Walker"
    shown = cinemill("graph", "alice walker")
    assert "Alice Walker · open · Oslo" in shown.stdout
    assert "garden.mp4" in shown.stdout
    by_id = cinemill("graph", entity["id"])
    assert "Alice Walker (person)" in by_id.stdout


def test_graph_command_suggests_similar_names(cinemill: Cinemill) -> None:
    refused = cinemill("graph", "Alise Walkr")
    assert refused.exit_code == 2
    assert "Did you mean: Alice Walker?" in refused.output
    assert "Vienna" not in cinemill("graph", "Vienna").stdout


def test_wrong_input_is_an_error_of_the_command(cinemill: Cinemill) -> None:
    refused = cinemill("search", " ", "--json")
    assert refused.exit_code == 4
    assert json.loads(refused.stderr)["error"]["code"] == "query_empty"
