"""Entities that are named are merged with the step's success or not at all, however many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.steps.conftest import make_run
from tests.integration.storage import rows
from tests.integration.storage.intelligence_rows import mention, register, relation, save

from cinemill.capabilities.knowledge import merge_handler
from cinemill.capabilities.knowledge.merge_handler import merge_graphs
from cinemill.capabilities.knowledge.merging.suggestions import MergeSuggestion, suggest_merges
from cinemill.errors import NotFound, TooLarge
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.media.assets import delete_asset

PEOPLE = ("Alice Walker", "Alise Walker", "Otto Frank")
Handle = Callable[..., StepOutcome]
Merge = Callable[..., dict[str, Any]]


@pytest.fixture
def handle(resources: StepResources, tmp_path: Path) -> Handle:
    """Return a function that calls the handler with these parameters."""
    asset_id = register(resources.database, "merges")
    meetings = [relation(name, "meet", "Otto Frank") for name in PEOPLE[:2]]
    save(resources.database, asset_id, [PassageEvidence(None, [*map(mention, PEOPLE)], meetings)])
    rows.accept(resources.database, id="job")

    def handle(**params: Any) -> StepOutcome:
        claimed = make_run("merge_knowledge_graphs", params=params, job_params=params)
        nothing = StepContext(
            claimed, tmp_path, lambda *_: None, lambda: None, memory_bytes=1 << 30
        )
        return merge_graphs(resources, nothing)

    return handle


@pytest.fixture
def merge(resources: StepResources, handle: Handle) -> Merge:
    """Return a function that runs the step with these parameters and returns its result."""

    def run(**params: Any) -> dict[str, Any]:
        return finish(resources, handle(**params))

    return run


def finish(resources: StepResources, outcome: StepOutcome) -> dict[str, Any]:
    """Write what a handler returned, as the runner does, and return the step's result."""
    with resources.database.begin() as connection:
        return {**outcome.result, **(outcome.write(connection) or {})}


@pytest.fixture
def ids(resources: StepResources, merge: Merge) -> dict[str, str]:
    with resources.database.begin() as connection:
        return {name: one for name, (one,) in find_entities(connection, "ann", PEOPLE).items()}


def test_named_entities_are_merged_however_many_there_are(
    merge: Merge, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge_handler, "MOST_ENTITIES", 2)
    with pytest.raises(TooLarge) as many:
        merge()
    assert many.value.code == "too_many_entities"
    assert "'merge'" in many.value.hint
    pair = {"source": ids["Alise Walker"], "target": ids["Alice Walker"]}
    result = merge(merge=[pair])
    assert len(result["merges"]) == 1
    assert result["suggestions"] == []
    assert merge()["suggestions"] == []  # two are left


def test_merges_in_effect_are_listed_so_that_they_can_be_taken_back(
    merge: Merge, ids: dict[str, str]
) -> None:
    assert merge()["in_effect"] == []
    pair = {"source": ids["Alise Walker"], "target": ids["Alice Walker"]}
    merge(merge=[pair], decided_by="Ann")
    (listed,) = merge()["in_effect"]
    assert (listed["source_name"], listed["target_name"]) == ("alise walker", "alice walker")
    assert (listed["source_id"], listed["decided_by"]) == (ids["Alise Walker"], "Ann")
    assert merge(undo=[listed["id"]])["in_effect"] == []


def test_attempt_that_is_cut_off_merges_nothing(
    resources: StepResources, handle: Handle, merge: Merge, ids: dict[str, str]
) -> None:
    pair = {"source": ids["Alise Walker"], "target": ids["Alice Walker"]}
    handle(merge=[pair])  # the worker is killed before it could record what it did
    assert merge()["in_effect"] == []
    (merged,) = merge(merge=[pair])["merges"]
    handle(undo=[merged["id"]])
    assert merge(undo=[merged["id"]])["undone"] == [merged["id"]]


def test_nothing_is_merged_by_a_job_that_fails_for_a_video_deleted_meanwhile(
    resources: StepResources, handle: Handle, merge: Merge, ids: dict[str, str]
) -> None:
    other = register(resources.database, "other")
    names = [mention(name) for name in ("Marta Kowalska", "Martha Kowalska")]
    meetings = [relation(one.name, "meet", "Hugo Brandt") for one in names]
    save(resources.database, other, [PassageEvidence(None, names, meetings)])
    pair = {"source": ids["Alise Walker"], "target": ids["Alice Walker"]}
    outcome = handle(merge=[pair])
    assert len(outcome.result["suggestions"]) == 2
    with resources.database.begin() as connection:
        delete_asset(connection, other)
    with pytest.raises(NotFound) as refused:
        finish(resources, outcome)
    assert refused.value.code == "asset_not_found"
    assert merge()["in_effect"] == []
    assert len(merge(merge=[pair])["in_effect"]) == 1


def test_names_of_a_video_deleted_while_entities_are_compared_are_not_suggested(
    resources: StepResources, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare_and_delete(*given: Any, **chosen: Any) -> list[MergeSuggestion]:
        found = suggest_merges(*given, **chosen)
        with resources.database.begin() as connection:
            delete_asset(connection, "merges")
        return found

    assert len(handle().result["suggestions"]) == 1
    monkeypatch.setattr(merge_handler, "suggest_merges", compare_and_delete)
    assert finish(resources, handle())["suggestions"] == []
