"""A person's own list of names in the step that finds entities, with the real parser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import text
from tests.integration.storage.intelligence_rows import register, tell
from tests.model_files import fetch_models

from cinemill.capabilities.knowledge.handlers import find_entities
from cinemill.core.job import ClaimedRun
from cinemill.jobs.step import StepContext
from cinemill.steps.resources import StepResources

WORDS = "Yesterday the flux capacitor of Oddbody Lane was repaired in Oslo."


def open_context(folder: Path) -> StepContext:
    run = ClaimedRun(
        "run", "token", "job", "extract_entities", "step", "name", "kind", "ann",
        asset_id="talk", attempt=1, params={}, job_params={}, inputs={},
    )  # fmt: skip
    return StepContext(run, folder, lambda *_: None, lambda: None, memory_bytes=4 << 30)


def find(resources: StepResources, folder: Path) -> tuple[dict[str, str], bool]:
    """Run the step; return the kinds of the video's entities by name, and if it was done before."""
    outcome = find_entities(resources, open_context(folder))
    with resources.database.begin() as connection:
        outcome.write(connection)
        rows = connection.execute(
            text("SELECT name, kind FROM mention JOIN entity ON entity.id = entity_id")
        )
        return {row.name: row.kind for row in rows}, bool(outcome.result["reused"])


def test_known_names_go_before_those_of_the_parser(
    resources: StepResources, tmp_path: Path
) -> None:
    register(resources.database, "talk")
    tell(resources.database, "talk", [WORDS])
    models = fetch_models("en-core-web-sm")
    without = replace(resources, models_dir=models)
    found, _ = find(without, tmp_path)
    assert "flux capacitor" not in found
    names = tmp_path / "names.txt"
    names.write_text("thing flux capacitor\nperson Oddbody Lane\n", "utf-8")
    with_list = replace(without, names_file=names)
    found, is_reused = find(with_list, tmp_path)
    assert (found["flux capacitor"], found["Oddbody Lane"]) == ("thing", "person")
    assert not is_reused
    assert find(with_list, tmp_path) == (found, True)
    names.write_text("place Oddbody Lane\n", "utf-8")
    found, is_reused = find(with_list, tmp_path)
    assert (found["Oddbody Lane"], is_reused) == ("place", False)
    assert "flux capacitor" not in found
