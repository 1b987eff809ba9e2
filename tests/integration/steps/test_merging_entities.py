"""An owner with more entities than can be compared can still merge those that are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.storage.intelligence_rows import mention, register, relation, save

from cinemill.capabilities.knowledge import merge_handler
from cinemill.capabilities.knowledge.merge_handler import merge_graphs
from cinemill.core.job import ClaimedRun
from cinemill.errors import TooLarge
from cinemill.jobs.step import StepContext
from cinemill.steps.resources import StepResources
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.evidence import PassageEvidence

PEOPLE = ("Alice Walker", "Alise Walker", "Otto Frank")
Merge = Callable[..., Any]


@pytest.fixture
def merge(resources: StepResources, tmp_path: Path) -> Merge:
    """Return a function that runs the step with these parameters and returns its result."""
    asset_id = register(resources.database, "merges")
    meetings = [relation(name, "meet", "Otto Frank") for name in PEOPLE[:2]]
    save(resources.database, asset_id, [PassageEvidence(None, [*map(mention, PEOPLE)], meetings)])

    def run(**params: Any) -> Any:
        claimed = ClaimedRun(
            *("run", "token", "job", "merge_knowledge_graphs", "step", "name", "kind", "ann"),
            asset_id=None,
            attempt=1,
            params=params,
            job_params=params,
            inputs={},
        )
        nothing = StepContext(
            claimed, tmp_path, lambda *_: None, lambda: None, memory_bytes=1 << 30
        )
        return merge_graphs(resources, nothing).result

    return run


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
