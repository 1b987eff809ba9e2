"""Two ingestions of one video at the same time: their steps in an order that luck never repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from tests import films
from tests.integration.worker.conftest import Stack
from tests.integration.worker.test_ingestion import MODELS, ingest
from tests.integration.worker.walk import Walk, read_probe
from tests.model_files import link_models, without_model
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch

from cinemill.capabilities.analysis.chunk_handlers import analyze_chunk, merge_chunks
from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import StepSpec
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.storage.findings.sets import count_active

KINDS = [FindingKind.TAG.value, FindingKind.FACE.value]
FILLING = "SELECT kind FROM finding_set WHERE asset_id = :id AND state = 'filling' ORDER BY kind"
FORGET = "DELETE FROM finding_set WHERE asset_id = :id AND kind IN ('tag', 'face') RETURNING kind"


class Looking(Walk):
    """A job that looks for tags and faces in two chunks of the key frames."""

    def look(self, number: int) -> None:
        keyframes = list_active(self.stack.database, self.asset_id, FindingKind.KEYFRAME)
        half = len(keyframes) // 2
        chosen = keyframes[:half] if number == 0 else keyframes[half:]
        params = {
            "number": number,
            "start_ms": chosen[0].start_ms,
            "end_ms": chosen[-1].start_ms + 1,
            "kinds": KINDS,
        }
        self.run(analyze_chunk, StepSpec(f"analyze-{number:03d}", "analyze_chunk", params))

    def merge(self) -> None:
        self.run(merge_chunks, StepSpec("merge", "merge_chunks", {"kinds": KINDS}))

    def count(self) -> dict[FindingKind, int]:
        with self.stack.database.begin() as connection:
            found = count_active(connection, self.asset_id)
        return {kind: found[kind] for kind in map(FindingKind, KINDS) if kind in found}


Open = Callable[[], Looking]


@pytest.fixture(scope="module")
def prepared(stack: Stack, films_folder: Path) -> str:
    """The id of a silent video with faces of which only shots and key frames are known."""
    link_models(stack.home / "models", *MODELS)
    sample = fetch("obama_speech")
    film = films.remux(sample, films_folder / "two at once.mp4", "-an", "-metadata", "title=two")
    asset_id: str = ingest(stack, film, "quick")["asset_id"]
    return asset_id


@pytest.fixture
def open_walk(stack: Stack, prepared: str, tmp_path: Path) -> Iterator[Open]:
    probe = read_probe(stack, prepared)
    yield lambda: Looking(stack, tmp_path, prepared, {"probe": probe})
    with stack.database.begin() as connection:
        connection.execute(text(FORGET), {"id": prepared})
        forget_gaps = text("DELETE FROM finding_gap WHERE asset_id = :id")
        connection.execute(forget_gaps, {"id": prepared})


@pytest.mark.parametrize(
    "order",
    [
        ["first 0", "second 0", "second 1", "first 1", "first merge", "second merge"],
        ["first 0", "first 1", "second 0", "first merge", "second 1", "second merge"],
    ],
)
def test_findings_stay_where_two_ingestions_merge_one_after_the_other(
    open_walk: Open, order: Sequence[str]
) -> None:
    alone = open_walk()
    for number in (0, 1):
        alone.look(number)
    alone.merge()
    expected = alone.count()
    assert expected[FindingKind.FACE] > 0
    assert expected[FindingKind.TAG] > 0
    alone.read(FORGET)
    walks = {"first": open_walk(), "second": open_walk()}
    for which, what in map(str.split, order):
        if what == "merge":
            walks[which].merge()
            assert alone.count() == expected
        else:
            walks[which].look(int(what))
    assert alone.list_gaps() == {}
    assert alone.read(FILLING) == []


def test_merge_leaves_nothing_behind_of_a_kind_whose_model_was_missing(
    open_walk: Open, stack: Stack
) -> None:
    walk = open_walk()
    walk.look(0)
    with without_model(stack.home / "models", "centerface"):
        walk.look(1)
    walk.merge()
    assert set(walk.count()) == {FindingKind.TAG}
    assert walk.list_gaps() == {"face": "model_missing"}
    assert walk.read(FILLING) == []


def test_sightings_that_were_deleted_leave_a_gap_and_not_a_half(
    open_walk: Open, stack: Stack
) -> None:
    """A job that is retried long after it failed goes on at its second half."""
    walk = open_walk()
    walk.look(0)
    walk.read(
        "UPDATE finding_set SET created_at = created_at - interval '25 hours' "
        "WHERE asset_id = :id AND state = 'filling' RETURNING 1"
    )
    fresh = open_walk()
    fresh.look(0)
    task = stack.app.tasks["collect_garbage"].apply_async()
    task.get(timeout=PATIENCE_SECONDS)
    assert walk.read(FILLING) == ["face", "tag"]
    walk.look(1)
    walk.merge()
    assert walk.count() == {}
    assert walk.list_gaps() == {"face": "sightings_gone", "tag": "sightings_gone"}
    fresh.look(1)
    fresh.merge()
    assert fresh.count()[FindingKind.FACE] > 0
    assert fresh.list_gaps() == {}
