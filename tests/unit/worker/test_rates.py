"""How many of a kind may begin in a minute: as set, else the catalog's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.catalog import CATALOG
from cinemill.config import load
from cinemill.jobs.catalog import Rate
from cinemill.worker.context import WorkerContext


def rates(home: Path, **settings: str) -> dict[str, Rate | None]:
    """By kind of step, as the relay asks for them."""
    steps = WorkerContext(load({"CINEMILL_HOME": str(home), **settings})).catalog.steps
    return {name: step.rate for name, step in steps.items()}


def test_the_catalogs_where_nobody_says_otherwise(tmp_path: Path) -> None:
    assert rates(tmp_path) == {name: step.rate for name, step in CATALOG.steps.items()}


@pytest.mark.parametrize(
    ("setting", "kinds"),
    [
        ("RENDER_RATE", {"open_render"}),
        ("TRANSCODE_RATE", {"encode_rendition", "open_stream"}),
        ("CAPTION_RATE", {"transcribe_speech"}),
    ],
)
def test_a_rate_that_is_set_is_of_its_kinds_alone(
    tmp_path: Path, setting: str, kinds: set[str]
) -> None:
    """Steps of the same queue that no rate held before are held by none."""
    found = rates(tmp_path, **{setting: "90"})
    assert found == {**rates(tmp_path), **dict.fromkeys(kinds, Rate(90, 60))}
