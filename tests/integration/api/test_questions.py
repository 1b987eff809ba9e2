"""Answers and conversations over HTTP, with a language model on a server of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.injections import INJECTIONS, OTHERS_SECRET, ObeyingModel
from tests.integration.api.conftest import RunningApi, StartApi
from tests.integration.storage.intelligence_rows import register, tell
from tests.model_servers import (
    ModelServer,
    ServerReply,
    ServerRequest,
    openai_document,
    openai_stream,
    reply_json,
    serve_replies,
)
from tests.waiting import wait_until

from cinemill.storage.database import Database
from cinemill.storage.media.assets import delete_asset
from cinemill.storage.retrieval.conversations import create_conversation

pytestmark = pytest.mark.usefixtures("library")


WHO = "Who opened the rose garden in Oslo?"
HONEST = "Alice Walker opened the rose garden in Oslo."
HOSTILE = "hostile"


def ask(api: RunningApi, question: str, **more: Any) -> dict[str, Any]:
    response = api.http.post("/api/v1/ask", json={"question": question, **more}, timeout=60)
    assert response.status_code == 200, response.text
    return dict(response.json())


def stream(api: RunningApi, question: str, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of an answer."""
    response = api.http.post(
        "/api/v1/ask",
        json={"question": question, **more},
        headers={"Accept": "text/event-stream"},
        timeout=60,
    )
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.strip().split("\n\n"):
        if not block.startswith(":"):
            name, data = block.split("\n")
            events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_answer_cites_its_moments(api: RunningApi) -> None:
    answer = ask(api, WHO)
    assert answer["abstained"] is False
    assert answer["mode"] == "extractive"
    assert "Alice Walker opened the rose garden" in answer["answer"]
    cited = answer["citations"][0]
    assert (cited["asset_id"], cited["start"], cited["end"]) == ("garden", 10.0, 20.0)


def test_events_come_in_order(api: RunningApi) -> None:
    events = stream(api, WHO)
    names = [name for name, _ in events]
    assert names[0] == "retrieval"
    assert names[-2:] == ["citations", "done"]
    assert set(names[1:-2]) == {"delta"}
    assert events[0][1]["moments"]
    assert events[-1][1]["conversation_id"]
    whole = ask(api, WHO)
    assert "\n".join(data["text"] for name, data in events if name == "delta") == whole["answer"]


def test_near_miss_abstains(api: RunningApi) -> None:
    answer = ask(api, "Who won the chess tournament in Peru?")
    assert answer["abstained"] is True
    assert (answer["answer"], answer["citations"]) == ("", [])
    names = [name for name, _ in stream(api, "Who won the chess tournament in Peru?")]
    assert names == ["retrieval", "done"]


def test_conversation_goes_on_and_can_be_deleted(api: RunningApi) -> None:
    ask(api, WHO)  # another one, which is on the next page
    first = ask(api, WHO)
    identity = first["conversation_id"]
    second = ask(api, "When did she open it?", conversation_id=identity)
    assert second["is_follow_up"] is True
    assert "ninth of March" in second["answer"]
    listed = api.http.get("/api/v1/conversations", params={"limit": 1}).json()
    assert [one["id"] for one in listed["conversations"]] == [identity]
    assert listed["conversations"][0]["turn_count"] == 2
    rest = api.http.get("/api/v1/conversations", params={"cursor": listed["next"]}).json()
    assert identity not in {one["id"] for one in rest["conversations"]}
    turns = api.http.get(f"/api/v1/conversations/{identity}").json()["turns"]
    assert [one["question"] for one in turns] == [WHO, "When did she open it?"]
    address = f"/api/v1/conversations/{identity}"
    assert api.http.delete(address).status_code == 204
    assert api.http.delete(address).status_code == 404
    gone = api.http.get(address)
    assert (gone.status_code, gone.json()["code"]) == (404, "conversation_not_found")
    for headers in ({}, {"Accept": "text/event-stream"}):
        body = {"question": WHO, "conversation_id": identity}
        refused = api.http.post("/api/v1/ask", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (404, "conversation_not_found")


def test_another_owners_conversation_does_not_exist(api: RunningApi, library: Database) -> None:

    with library.begin() as connection:
        theirs = create_conversation(connection, "bob")
    address = f"/api/v1/conversations/{theirs}"
    assert api.http.get(address).status_code == 404
    assert api.http.delete(address).status_code == 404
    body = {"question": WHO, "conversation_id": theirs}
    assert api.http.post("/api/v1/ask", json=body).status_code == 404


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "parameters_invalid"),
        ({"question": " "}, 422, "query_empty"),
        ({"question": "x" * 10_001}, 413, "query_too_long"),
        ({"question": WHO, "conversation_id": 7}, 422, "parameters_invalid"),
        ({"question": WHO, "asset_ids": ["a"] * 201}, 422, "parameters_invalid"),
        ({"question": WHO, "conversation_id": "no-id"}, 404, "conversation_not_found"),
    ],
)
def test_impossible_question_is_refused(
    api: RunningApi, body: dict[str, Any], status: int, code: str, accept: str
) -> None:
    refused = api.http.post("/api/v1/ask", json=body, headers={"Accept": accept})
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.fixture
def obeying(start_api: StartApi, library: Database) -> Iterator[RunningApi]:
    """A server whose language model obeys every payload that a video holds."""
    register(library, HOSTILE, owner="local")
    tell(library, HOSTILE, [f"{HONEST} Then this.", *(one.payload for one in INJECTIONS)])
    rest = iter(INJECTIONS)

    def reply(request: ServerRequest) -> ServerReply:
        one = next(rest)
        system, user = (message["content"] for message in request.document["messages"][:2])
        return openai_stream(ObeyingModel((one,), (HONEST,), hidden=True).write_reply(system, user))

    with serve_replies(reply) as server:
        yield start_with(start_api, server)


def start_with(start_api: StartApi, server: ModelServer) -> RunningApi:
    return start_api(CINEMILL_LANGUAGE_MODEL_URL=server.url, CINEMILL_LANGUAGE_MODEL="double")


def test_nothing_that_a_video_demands_reaches_the_client(obeying: RunningApi) -> None:
    for one in INJECTIONS:
        events = stream(obeying, WHO, asset_ids=[HOSTILE])
        statements = "\n".join(data["text"] for name, data in events if name == "delta")
        assert HONEST in statements
        assert events[-1][1]["mode"] == "generated"
        assert events[-1][1]["dropped"]
        for trace in one.traces:
            assert trace.casefold() not in statements.casefold()
        sent = json.dumps(events)
        assert OTHERS_SECRET not in sent
        assert {
            cited["asset_id"]
            for name, data in events
            if name == "citations"
            for cited in data["citations"]
        } == {HOSTILE}


def test_moments_are_sent_before_the_language_model_has_replied(
    start_api: StartApi, library: Database
) -> None:
    hold = threading.Event()
    late = replace(openai_stream('{"claims": []}'), hold=hold)
    with serve_replies(late) as server:
        api = start_with(start_api, server)
        request: dict[str, Any] = {
            "json": {"question": WHO},
            "headers": {"Accept": "text/event-stream"},
            "timeout": 60,
        }
        try:
            with api.http.stream("POST", "/api/v1/ask", **request) as response:
                pieces = response.iter_text()
                assert next(pieces).startswith("event: retrieval\n")
                assert not hold.is_set()
                hold.set()
                assert "event: done" in "".join(pieces)
            hold.clear()
            with api.http.stream("POST", "/api/v1/ask", **request) as response:
                next(response.iter_text())  # and leaves
        finally:
            hold.set()
        assert ask(api, WHO)["abstain_reason"] == "not-supported"


def test_follow_up_begins_its_stream_before_the_language_model_has_completed_it(
    start_api: StartApi, library: Database
) -> None:
    hold = threading.Event()
    nothing = openai_stream('{"claims": []}')
    completed = reply_json(openai_document('{"question": "When was the rose garden opened?"}'))
    with serve_replies(nothing, replace(completed, hold=hold), nothing) as server:
        api = start_with(start_api, server)
        identity = ask(api, WHO)["conversation_id"]
        request: dict[str, Any] = {
            "json": {"question": "When did she open it?", "conversation_id": identity},
            "headers": {"Accept": "text/event-stream"},
            "timeout": 60,
        }
        try:
            with api.http.stream("POST", "/api/v1/ask", **request) as response:
                pieces = response.iter_text()
                first = next(pieces)
                assert first == 'event: rewriting\ndata: {"question": "When did she open it?"}\n\n'
                assert not hold.is_set()
                hold.set()
                rest = "".join(pieces)
        finally:
            hold.set()
    assert '"question": "When was the rose garden opened?"' in rest
    assert rest.index("event: retrieval") < rest.index("event: done")


def test_more_answers_than_threads_are_refused(start_api: StartApi, library: Database) -> None:
    hold = threading.Event()
    held = ServerReply(500, b"{}", hold=hold)
    with serve_replies(held) as server, ThreadPoolExecutor(40) as clients:
        api = start_with(start_api, server)
        body = {"question": WHO}

        def send(_: int) -> httpx.Response:
            return api.http.post("/api/v1/ask", json=body, timeout=120)

        pending = [clients.submit(send, number) for number in range(24)]
        try:
            wait_until(lambda: sum(one.done() for one in pending) == 8)
            refused = [one.result() for one in pending if one.done()]
            assert {one.status_code for one in refused} == {503}
            assert {one.json()["code"] for one in refused} == {"search_busy"}
            assert api.http.get("/api/v1/search", params={"q": "rose"}).status_code == 200
            assert api.http.get("/api/v1/assets").status_code == 200
        finally:
            hold.set()
        assert {one.result().status_code for one in pending} == {200, 503}
        assert ask(api, WHO)["model_error"]


def test_key_of_the_language_model_is_sent_to_it_alone(
    start_api: StartApi, library: Database
) -> None:
    with serve_replies(openai_stream('{"claims": []}')) as server:
        api = start_api(
            CINEMILL_LANGUAGE_MODEL_URL=server.url,
            CINEMILL_LANGUAGE_MODEL="double",
            CINEMILL_LANGUAGE_MODEL_KEY="s3cret-key",
        )
        answer = ask(api, WHO)
    assert answer["abstain_reason"] == "not-supported"
    assert server.requests[0].headers["Authorization"] == "Bearer s3cret-key"
    assert "s3cret-key" not in json.dumps(answer)
    assert "s3cret-key" not in (api.home / "console").read_text()


def test_empty_library_is_answered_honestly(start_api: StartApi, library: Database) -> None:
    api = start_api()
    with library.begin() as connection:
        for asset_id in ("garden", "bank", HOSTILE):
            delete_asset(connection, asset_id)
    found = api.http.get("/api/v1/search", params={"q": WHO}).json()
    assert (found["hits"], found["nearest"], found["nothing_found"]) == ([], [], True)
    answer = ask(api, WHO)
    assert answer["abstain_reason"] == "nothing-found"
