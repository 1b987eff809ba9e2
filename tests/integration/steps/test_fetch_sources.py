"""A step that fetches several videos."""

from __future__ import annotations

from pathlib import Path

from tests import films
from tests.integration.steps.conftest import Opener

from cinemill.capabilities.operations.retention import remove_orphans
from cinemill.capabilities.render.fetch_sources import fetch_sources
from cinemill.steps.resources import StepResources
from cinemill.storage.media import assets


def test_fetched_sources_are_not_removed_while_others_are_fetched(
    resources: StepResources, open_context: Opener, tmp_path: Path
) -> None:
    def collect(_fraction: float, _message: str) -> None:
        """Remove stored files without a row, as retention does after its grace period."""
        remove_orphans(resources.database, resources.files, grace_seconds=0)

    names = ("a.mp4", "b.mp4")
    paths = [
        films.make_film(tmp_path / name, seconds=0.2 * number)
        for number, name in enumerate(names, 1)
    ]
    timeline = {"clips": [{"path": str(path), "start": 0, "end": 0.2} for path in paths]}
    context = open_context(timeline, params={"first": 0, "count": 2}, report=collect)
    outcome = fetch_sources(resources, context)
    with resources.database.begin() as connection:
        outcome.write(connection)
    for number, name in enumerate(names):
        found = outcome.result["sources"][str(number)]
        asset = assets.get_asset(resources.database, found["asset_id"])
        assert (asset.owner, asset.filename, asset.sha256) == ("ann", name, found["sha256"])
        assert asset.media is not None
        assert asset.media.to_json() == found["media"]
        assert resources.files.exists(asset.sha256)
