"""Answers and conversations over a real database, with a language model on a real HTTP server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.injections import INJECTIONS, OTHERS_SECRET, ObeyingModel
from tests.integration.search.library import open_resources
from tests.integration.storage.intelligence_rows import mention, register, save, tell
from tests.model_servers import (
    ServerReply,
    ServerRequest,
    openai_document,
    openai_stream,
    reply_json,
    serve_replies,
)

from cinemill.capabilities.search.answers.events import (
    AbstainReason,
    AnswerMode,
    CitationsEvent,
    DeltaEvent,
    DoneEvent,
    RetrievalEvent,
)
from cinemill.capabilities.search.runtime.answers import Question, answer_query
from cinemill.capabilities.search.runtime.context import generate_context
from cinemill.capabilities.search.runtime.documents import write_answer, write_event
from cinemill.capabilities.search.runtime.requests import SearchRequest
from cinemill.capabilities.search.runtime.search import hybrid_search
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.errors import InputRejected, NotFound
from cinemill.inference.language_models.openai import OpenAIModel
from cinemill.storage.database import Database
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.knowledge.merges import merge_entities
from cinemill.storage.media.assets import delete_asset
from cinemill.storage.retrieval.conversations import list_turns

HONEST = "Alice Walker opened the rose garden in Oslo."
WHO = Question("Who opened the rose garden in Oslo?")


def test_answer_without_a_language_model_quotes_and_cites(
    indexed: Database, models_dir: Path
) -> None:
    stream = answer_query(open_resources(indexed, models_dir), WHO)
    events = list(stream.events())
    kinds = [type(event) for event in events]
    assert kinds[0] is RetrievalEvent
    assert kinds[-2:] == [CitationsEvent, DoneEvent]
    assert DeltaEvent in kinds
    answer = stream.answer
    assert "Alice Walker opened the rose garden" in answer.text
    assert answer.done.mode is AnswerMode.EXTRACTIVE
    cited = answer.citations[0]
    assert (cited.asset_id, cited.start_ms, cited.end_ms) == ("garden", 10_000, 20_000)
    document = write_answer(stream)
    assert document["abstained"] is False
    assert json.loads(json.dumps(document)) == document
    assert document["conversation_id"]


def test_question_about_what_is_not_there_abstains(indexed: Database, models_dir: Path) -> None:
    stream = answer_query(
        open_resources(indexed, models_dir), Question("Who won the chess tournament in Peru?")
    )
    answer = stream.finish()
    assert answer.done.abstained is AbstainReason.NOT_RELEVANT
    assert (answer.text, answer.citations) == ("", ())


def test_empty_library_abstains(indexed: Database, models_dir: Path) -> None:
    answer = answer_query(open_resources(indexed, models_dir, "carol"), WHO).finish()
    assert answer.done.abstained is AbstainReason.NOTHING_FOUND
    assert answer.moments == ()


def test_follow_up_is_understood_from_the_conversation(indexed: Database, models_dir: Path) -> None:
    resources = open_resources(indexed, models_dir)
    first = answer_query(resources, WHO)
    first.finish()
    second = answer_query(
        resources, Question("When did she open it?"), conversation_id=first.conversation_id
    )
    answer = second.finish()
    assert second.standalone.is_follow_up
    assert "Alice Walker" in second.standalone.text
    assert "ninth of March" in answer.text
    assert second.conversation_id == first.conversation_id
    with indexed.begin() as connection:
        turns = list_turns(connection, str(first.conversation_id), "ann")
    assert [one.turn.question for one in turns] == [WHO.text, "When did she open it?"]
    assert not any("[1]" in one.turn.answer for one in turns)
    names = [one["name"] for one in turns[0].turn.context["entities"]]  # type: ignore[union-attr,index,call-overload]
    assert "Alice Walker" in names


def test_filters_and_collections_hold_on_for_a_follow_up(
    indexed: Database, models_dir: Path
) -> None:
    resources = open_resources(indexed, models_dir)
    asked = Question(
        "Who leads the negotiations?",
        collections=("business",),
        filters=SearchFilters(asset_ids=("bank",)),
    )
    first = answer_query(resources, asked)
    first.finish()
    second = answer_query(
        resources, Question("And where does he speak?"), conversation_id=first.conversation_id
    )
    assert second.standalone.filters.asset_ids == ("bank",)
    assert {one.asset_id for one in second.finish().moments} <= {"bank"}
    unrelated = answer_query(resources, WHO, conversation_id=first.conversation_id)
    assert {one.asset_id for one in unrelated.finish().citations} == {"garden"}


def test_conversation_of_another_owner_does_not_exist(indexed: Database, models_dir: Path) -> None:
    stream = answer_query(open_resources(indexed, models_dir), WHO)
    stream.finish()
    for conversation_id in (stream.conversation_id, "no-id"):
        with pytest.raises(NotFound) as refused:
            answer_query(
                open_resources(indexed, models_dir, "bob"), WHO, conversation_id=conversation_id
            )
        assert refused.value.code == "conversation_not_found"


def test_turn_is_not_stored_before_the_answer_has_ended(
    indexed: Database, models_dir: Path
) -> None:
    resources = open_resources(indexed, models_dir)
    stream = answer_query(resources, WHO)
    events = stream.events()
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert stream.conversation_id is None


def test_answer_that_cites_a_deleted_video_leaves_no_turn(
    indexed: Database, models_dir: Path
) -> None:
    register(indexed, "brief", owner="dora")
    tell(indexed, "brief", ["Emma Stone crossed the glacier on Friday."])
    resources = open_resources(indexed, models_dir, "dora")
    stream = answer_query(resources, Question("Who crossed the glacier?"))
    with indexed.begin() as connection:
        delete_asset(connection, "brief")
    assert "Emma Stone" in stream.finish().text
    with indexed.begin() as connection:
        assert list_turns(connection, str(stream.conversation_id), "dora") == []


def test_follow_up_is_deleted_with_the_video_that_its_question_quotes(
    indexed: Database, models_dir: Path
) -> None:
    for name, said in (
        ("brief", "Emma Stone crossed the glacier on Friday."),
        ("kept", "The orchard was planted in spring."),
    ):
        register(indexed, name, owner="edna")
        tell(indexed, name, [said])
    resources = open_resources(indexed, models_dir, "edna")
    first = answer_query(resources, Question("Who crossed the glacier?"))
    first.finish()
    asked = (
        # Of another video alone, with a name that only the first one says.
        Question("When did she plant the orchard?", filters=SearchFilters(asset_ids=("kept",))),
        Question("When was the orchard planted?", filters=SearchFilters(asset_ids=("kept",))),
    )
    follow_up, fresh = (
        answer_query(resources, one, conversation_id=first.conversation_id) for one in asked
    )
    for stream in (follow_up, fresh):
        stream.finish()
    assert "Emma Stone" in follow_up.standalone.text
    assert "brief" in follow_up.asset_ids
    assert not fresh.standalone.is_follow_up
    with indexed.begin() as connection:
        delete_asset(connection, "brief")
        left = list_turns(connection, str(first.conversation_id), "edna")
        delete_asset(connection, "kept")
    assert [one.turn.question for one in left] == [asked[1].text]


def test_search_quotes_the_video_whose_spelling_of_a_name_it_shows(
    indexed: Database, models_dir: Path
) -> None:
    for name, person in (("first", "Emma Stone"), ("second", "Em Stone")):
        register(indexed, name, owner="eli")
        (passage,) = tell(indexed, name, [f"{person} crossed the glacier on Friday."])
        save(indexed, name, [PassageEvidence(passage, [mention(person), mention("Emma Stone")])])
    with indexed.begin() as connection:
        ids = find_entities(connection, "eli", ["Em Stone", "Emma Stone"])
        merge_entities(
            connection, "eli", ids["Em Stone"][0], ids["Emma Stone"][0], reason="", decided_by=""
        )
    resources = open_resources(indexed, models_dir, "eli")
    only = SearchFilters(asset_ids=("second",))
    for words, quoted in (("em stone", {"first", "second"}), ("emma stone", {"second"})):
        found = hybrid_search(resources, SearchRequest(words, filters=only))
        assert [one.name for one in found.entities] == ["Emma Stone"]
        assert found.asset_ids == quoted
    with indexed.begin() as connection:
        for name in ("first", "second"):
            delete_asset(connection, name)


def test_language_model_writes_the_answer(indexed: Database, models_dir: Path) -> None:
    def reply(request: ServerRequest) -> ServerReply:
        user = request.document["messages"][-1]["content"]
        lines = [json.loads(line) for line in user.splitlines() if line.startswith("{")]
        key = next(one["id"] for one in lines if "opened the rose garden" in one["text"])
        text = "Alice Walker opened the rose garden in Oslo."
        claims = [
            {"text": text, "evidence": [key]},
            {"text": "See evil.example", "evidence": [key]},
        ]
        return openai_stream(json.dumps({"claims": claims}))

    with serve_replies(reply) as server:
        model = OpenAIModel(server.url, "served")
        resources = replace(open_resources(indexed, models_dir), language_model=model)
        stream = answer_query(resources, WHO)
        answer = stream.finish()
    assert answer.text == "Alice Walker opened the rose garden in Oslo. [1]"
    assert answer.done.mode is AnswerMode.GENERATED
    assert answer.done.model == "served"
    assert sum(answer.done.dropped.values()) == 1
    sent = json.dumps(server.requests[0].document)
    assert "sold the rose garden" not in sent


def test_language_model_that_fails_leaves_quotations(indexed: Database, models_dir: Path) -> None:
    with serve_replies(ServerReply(400, b"{}")) as server:
        model = OpenAIModel(server.url, "served")
        resources = replace(open_resources(indexed, models_dir), language_model=model)
        answer = answer_query(resources, WHO).finish()
    assert answer.done.mode is AnswerMode.EXTRACTIVE
    assert answer.done.failure == "language_model_refused"
    assert "Alice Walker opened" in answer.text


def test_follow_up_is_rewritten_by_the_language_model(indexed: Database, models_dir: Path) -> None:
    rewritten = {"question": "When was the rose garden in Oslo opened?"}
    with serve_replies(
        openai_stream('{"claims": []}'),
        reply_json(openai_document(json.dumps(rewritten))),
        openai_stream('{"claims": []}'),
    ) as server:
        resources = open_resources(indexed, models_dir)
        resources = replace(resources, language_model=OpenAIModel(server.url, "served"))
        first = answer_query(resources, WHO)
        assert first.finish().done.abstained is AbstainReason.NOT_SUPPORTED
        second = answer_query(
            resources, Question("When did she?"), conversation_id=first.conversation_id
        )
        second.finish()
    assert second.standalone.text == rewritten["question"]


def test_nothing_that_a_video_demands_is_sent(unindexed: Database, tmp_path: Path) -> None:
    """Every payload stands in a real row; the model obeys all of them."""
    register(unindexed, "hostile", owner="eve")
    register(unindexed, "secret", owner="bob")
    tell(unindexed, "secret", [OTHERS_SECRET])
    facts = ["Alice Walker opened the rose garden in Oslo on the ninth of March."]
    tell(unindexed, "hostile", [*facts, *(one.payload for one in INJECTIONS)])
    for one in INJECTIONS:
        obeying = ObeyingModel((one,), (HONEST,), hidden=True)
        resources = replace(open_resources(unindexed, tmp_path, "eve"), language_model=obeying)
        stream = answer_query(resources, WHO)
        sent = json.dumps([write_event(event, stream) for event in stream.events()])
        statements = stream.answer.text
        assert HONEST in statements
        for trace in one.traces:
            assert trace.casefold() not in statements.casefold()
        assert OTHERS_SECRET not in sent


def test_context_has_neighbours_and_no_other_owners(indexed: Database, models_dir: Path) -> None:
    found, context = generate_context(
        open_resources(indexed, models_dir), SearchRequest("wind farm millions", limit=1)
    )
    assert {one.passage.asset_id for one in context.evidence} == {"bank"}
    assert [one.title for one in context.evidence] == ["bank.mp4"] * len(context.evidence)
    assert any(one.is_neighbour for one in context.evidence) or len(found.hits[0].passage_ids) > 1


@pytest.mark.parametrize(("text", "code"), [("", "query_empty"), ("\x00", "query_invalid")])
def test_impossible_question_is_rejected(
    indexed: Database, models_dir: Path, text: str, code: str
) -> None:
    with pytest.raises(InputRejected) as refused:
        answer_query(open_resources(indexed, models_dir), Question(text))
    assert refused.value.code == code
