"""Entities that may be one: suggested by a task, merged when someone says so, separated again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import mention, register, relation, save
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.job import DEFAULT_OWNER
from cinemill.errors import InputRejected
from cinemill.storage.knowledge.entities import find_entities, get_entity
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.media.assets import delete_asset
from cinemill.worker.result_backend import JobFailed


@pytest.fixture
def names(stack: Stack) -> Iterator[dict[str, str]]:
    """Two spellings of one person, who met the same man, and somebody else; ids by name."""
    people = ("Alice Walker", "Alise Walker", "Bruno Meyer", "Otto Frank")
    evidence = PassageEvidence(
        None,
        [mention(name) for name in people],
        [
            relation("Alice Walker", "meet", "Otto Frank"),
            relation("Alise Walker", "meet", "Otto Frank"),
        ],
    )
    asset_id = register(stack.database, "merges", owner=DEFAULT_OWNER)
    save(stack.database, asset_id, [evidence])
    with stack.database.begin() as connection:
        found = find_entities(connection, DEFAULT_OWNER, people)
    yield {name: ids[0] for name, ids in found.items()}
    with stack.database.begin() as connection:
        delete_asset(connection, asset_id)


def run(stack: Stack, **params: Any) -> dict[str, Any]:
    task = stack.app.tasks["merge_knowledge_graphs"]
    result: dict[str, Any] = task.apply_async(kwargs=params).get(timeout=PATIENCE_SECONDS)
    return result


def test_two_spellings_are_suggested_and_nothing_is_merged(
    stack: Stack, names: dict[str, str]
) -> None:
    result = run(stack)
    (found,) = result["suggestions"]
    assert {found["first_name"], found["second_name"]} == {"Alice Walker", "Alise Walker"}
    assert found["shared_neighbors"] == [names["Otto Frank"]]
    assert (result["merges"], result["undone"]) == ([], [])
    with stack.database.begin() as connection:
        assert get_entity(connection, DEFAULT_OWNER, names["Alice Walker"]).names == (
            "Alice Walker",
        )


def test_suggestions_are_of_the_videos_that_are_passed(stack: Stack, names: dict[str, str]) -> None:
    with stack.database.begin() as connection:
        of = connection.execute(
            text("SELECT asset_id FROM mention WHERE entity_id = :id LIMIT 1"),
            {"id": names["Alice Walker"]},
        ).scalar_one()
    task = stack.app.tasks["merge_knowledge_graphs"]
    for passed, count in (([of], 1), ([str(uuid4())], 0), ([], 1)):
        found = task.delay(passed).get(timeout=PATIENCE_SECONDS)
        assert len(found["suggestions"]) == count


def test_path_among_videos_is_refused(stack: Stack) -> None:
    with pytest.raises(InputRejected, match="ids of assets"):
        stack.app.tasks["merge_knowledge_graphs"].delay(["/films/a.mp4"])


def test_merge_is_applied_and_taken_back(stack: Stack, names: dict[str, str]) -> None:
    pair = {"source": names["Alise Walker"], "target": names["Alice Walker"]}
    (merge,) = run(stack, merge=[pair], decided_by="Ann")["merges"]
    with stack.database.begin() as connection:
        both = get_entity(connection, DEFAULT_OWNER, names["Alice Walker"])
    assert set(both.names) == {"Alice Walker", "Alise Walker"}
    assert run(stack)["suggestions"] == []
    assert run(stack, undo=[merge["id"]], decided_by="Ann")["undone"] == [merge["id"]]
    assert len(run(stack)["suggestions"]) == 1


def test_all_merges_of_a_task_are_applied_or_none(stack: Stack, names: dict[str, str]) -> None:
    good = {"source": names["Alise Walker"], "target": names["Alice Walker"]}
    bad = {"source": names["Bruno Meyer"], "target": "nobody"}
    with pytest.raises(JobFailed, match="There is no entity nobody"):
        run(stack, merge=[good, bad])
    assert len(run(stack)["suggestions"]) == 1


@pytest.fixture
def related(stack: Stack) -> Iterator[str]:
    """A video that relates two spellings of one thing which it mentions nowhere."""
    asset_id = register(stack.database, "relates", owner=DEFAULT_OWNER)
    meetings = [relation(name, "resemble", "windmill") for name in ("Zeppelino", "Zeppelinno")]
    save(stack.database, asset_id, [PassageEvidence(None, [], meetings)])
    yield asset_id
    remove(stack, asset_id)


def count_naming(stack: Stack, word: str) -> int:
    """Return how many jobs and steps have a word in lower or upper case."""
    query = text(
        "SELECT (SELECT count(*) FROM job WHERE job::text ILIKE :pattern)"
        " + (SELECT count(*) FROM step WHERE step::text ILIKE :pattern)"
    )
    with stack.database.begin() as connection:
        return int(connection.execute(query, {"pattern": f"%{word}%"}).scalar_one())


def remove(stack: Stack, asset_id: str) -> None:
    with stack.database.begin() as connection:
        delete_asset(connection, asset_id)


def test_suggestions_are_removed_with_the_video_that_has_the_names(
    stack: Stack, names: dict[str, str]
) -> None:
    assert run(stack)["suggestions"]
    assert count_naming(stack, "Alise") > 1
    remove(stack, "merges")
    assert count_naming(stack, "Alise") == 0


def test_names_of_relations_are_removed_with_their_video(stack: Stack, related: str) -> None:
    (found,) = run(stack)["suggestions"]
    assert {found["first_name"], found["second_name"]} == {"zeppelino", "zeppelinno"}
    pair = {"source": found["first_id"], "target": found["second_id"]}
    run(stack, merge=[pair])
    (listed,) = run(stack)["in_effect"]
    assert {listed["source_name"], listed["target_name"]} == {"zeppelino", "zeppelinno"}
    assert count_naming(stack, "zeppelin") > 3
    remove(stack, related)
    assert count_naming(stack, "zeppelin") == 0
