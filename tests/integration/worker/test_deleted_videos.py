"""No row quotes a video once it is deleted, and the rows of others stay as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import (
    find_things,
    forget_models,
    mention,
    register,
    relation,
    save,
    tell,
)
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.media.assets import delete_asset
from cinemill.storage.media.findings import save_transcript

SAID = {
    "glacier": "Quixolia Marn crossed the frozen glacier near Norvik on Friday.",
    "orchard": "Bertolina Olm planted the quiet orchard near Castell in spring.",
}
"""By video. A person is asked for by the other words: the name is the video's own."""
PEOPLE = {"glacier": "Quixolia Marn", "orchard": "Bertolina Olm"}
PLACES = {"glacier": "Norvik", "orchard": "Castell"}
QUESTIONS = {
    "glacier": ("Who crossed the frozen glacier?", "When did she cross it?"),
    "orchard": ("Who planted the quiet orchard?", "When did she plant it?"),
}
QUOTING_TABLES = {
    "asset_word",
    "conversation_turn",
    "entity",
    "job",
    "mention",
    "passage",
    "relation_evidence",
    "step",
    "utterance",
    "word",
}


@pytest.fixture(autouse=True)
def videos(stack: Stack) -> Iterator[None]:
    """Two videos, each with a sentence that names a person."""
    forget_models(stack.database)
    for name, said in SAID.items():
        register(stack.database, name, owner=DEFAULT_OWNER)
        (passage,) = tell(stack.database, name, [said])
        person, place = PEOPLE[name], PLACES[name]
        evidence = PassageEvidence(
            passage,
            [mention(person), mention(place, EntityKind.PLACE)],
            [relation(person, "visit", place)],
        )
        save(stack.database, name, [evidence])
        find_things(stack.database, name)
        with stack.database.begin() as connection:
            spoken = (Utterance(0, 900, said),)
            transcript = Transcript("tiny", "r1", "en", SpeechTask.TRANSCRIBE, spoken, {})
            save_transcript(connection, name, f"key of {name}", transcript)
    yield
    with stack.database.begin() as connection:
        for name in SAID:
            delete_asset(connection, name)


def run(stack: Stack, kind: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    sent = stack.app.tasks[kind].apply_async(args=list(args), kwargs=kwargs)
    result: dict[str, Any] = sent.get(timeout=PATIENCE_SECONDS)
    return result


def ask_about(stack: Stack, name: str) -> None:
    """Search for what the video says and ask about it, with every task, without its person."""
    first, second = QUESTIONS[name]
    only = {"asset_ids": [name]}
    for kind in ("hybrid_search", "generate_context", "semantic_search"):
        run(stack, kind, first, **only)
    run(stack, "graph_traversal_search", PLACES[name].lower(), **only)
    answer = run(stack, "answer_query", first, **only)
    assert PEOPLE[name] in answer["answer"]
    follow_up = run(stack, "answer_query", second, answer["conversation_id"], **only)
    assert PEOPLE[name] in follow_up["question"]


def find_word(stack: Stack, word: str) -> dict[str, list[str]]:
    """Return all rows of the whole database that have a word in any column, by table."""
    found = {}
    with stack.database.begin() as connection:
        tables = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        for table in tables:
            query = text(f"SELECT t::text FROM {table} AS t WHERE t::text ILIKE :word")
            rows = sorted(connection.execute(query, {"word": f"%{word}%"}).scalars())
            if rows:
                found[table] = rows
    return found


def test_deleted_video_is_quoted_nowhere(stack: Stack) -> None:
    for name in SAID:
        ask_about(stack, name)
    quoted, kept = find_word(stack, "Quixolia"), find_word(stack, "Bertolina")
    assert quoted.keys() == kept.keys() == QUOTING_TABLES
    # Two searches, a context and two answers; nothing is found by meaning without an index.
    assert {len(rows["job"]) for rows in (quoted, kept)} == {5}
    assert len(quoted["conversation_turn"]) == 2

    with stack.database.begin() as connection:
        assert delete_asset(connection, "glacier")

    assert find_word(stack, "Quixolia") == {}
    assert find_word(stack, "Bertolina") == kept


def test_client_of_a_removed_result_learns_why(stack: Stack) -> None:
    sent = stack.app.tasks["hybrid_search"].apply_async(args=[QUESTIONS["glacier"][0]])
    assert sent.get(timeout=PATIENCE_SECONDS)["hits"]
    with stack.database.begin() as connection:
        delete_asset(connection, "glacier")
    again = stack.app.AsyncResult(sent.id)
    left = {"job_id": sent.id, "asset_id": None}
    assert (again.state, again.get(timeout=PATIENCE_SECONDS)) == ("SUCCESS", left)
    assert "removed with a video" in stack.service.get_job(sent.id).message
