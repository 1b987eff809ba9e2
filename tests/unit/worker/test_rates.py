"""Rates, in starts per minute of a kind of step: the settings, else the catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.catalog import CATALOG
from cinemill.config import load
from cinemill.jobs.catalog import Rate
from cinemill.worker.context import WorkerContext


def rates(home: Path, **settings: str) -> dict[str, Rate | None]:
    """Return the rates by kind of step, as the relay uses them."""
    steps = WorkerContext(load({"CINEMILL_HOME": str(home), **settings})).catalog.steps
    return {name: step.rate for name, step in steps.items()}


def test_rates_default_to_the_catalogs(tmp_path: Path) -> None:
    assert rates(tmp_path) == {name: step.rate for name, step in CATALOG.steps.items()}


@pytest.mark.parametrize(
    ("setting", "kinds"),
    [
        ("RENDER_RATE", {"open_render"}),
        ("TRANSCODE_RATE", {"encode_rendition", "open_stream"}),
        ("CAPTION_RATE", {"transcribe_speech"}),
    ],
)
def test_rate_setting_applies_to_its_own_kinds_only(
    tmp_path: Path, setting: str, kinds: set[str]
) -> None:
    """Steps of the same queue that had no rate before still have none."""
    found = rates(tmp_path, **{setting: "90"})
    assert found == {**rates(tmp_path), **dict.fromkeys(kinds, Rate(90, 60))}
