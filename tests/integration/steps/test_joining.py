"""The last step of a render, whose pieces earlier steps rendered, perhaps long ago."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests import films
from tests.integration.steps.conftest import Opener
from tests.integration.steps.walk_render import clear

from cinemill.capabilities.render.fetch_sources import fetch_sources
from cinemill.capabilities.render.handlers import join_render, mix_render, render_pieces
from cinemill.capabilities.render.validate import validate_render
from cinemill.errors import InputRejected
from cinemill.steps.resources import StepResources


def make_parts(
    resources: StepResources, open_context: Opener, folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a timeline of one piece, and the results of its steps before the last."""
    film = films.make_film(folder / "film.mp4", seconds=0.4)
    timeline = {
        "clips": [{"path": str(film), "start": 0, "end": 0.4}],
        "output": {"width": 320, "height": 180, "fps": 25},
    }
    inputs: dict[str, Any] = {}
    steps = {
        "gather-000": (fetch_sources, {"first": 0, "count": 1}),
        "open": (validate_render, {}),
        "render-000": (render_pieces, {"first": 0, "count": 1, "of": 1}),
        "mix": (mix_render, {}),
    }
    for name, (handle, params) in steps.items():
        context = open_context(timeline, params=params, inputs=dict(inputs))
        outcome = handle(resources, context)
        with resources.database.begin() as connection:
            outcome.write(connection)
        inputs[name] = outcome.result
        clear(context)
    return timeline, inputs


@pytest.mark.parametrize("part", ["piece", "sound"])
def test_join_with_a_missing_part_is_rejected(
    resources: StepResources, open_context: Opener, tmp_path: Path, part: str
) -> None:
    timeline, inputs = make_parts(resources, open_context, tmp_path)
    parts = {"piece": inputs["render-000"]["pieces"][0], "sound": inputs["mix"]["sound"]}
    resources.files.remove(parts[part]["sha256"])
    with pytest.raises(InputRejected) as refused:
        join_render(resources, open_context(timeline, inputs=inputs))
    assert refused.value.code == "piece_missing"
    assert refused.value.hint.startswith("Submit the timeline again")


def test_join_with_all_parts_creates_the_output(
    resources: StepResources, open_context: Opener, tmp_path: Path
) -> None:
    timeline, inputs = make_parts(resources, open_context, tmp_path)
    result = join_render(resources, open_context(timeline, inputs=inputs)).result
    assert Path(result["output_path"]).stat().st_size == result["render"]["size_bytes"]
    assert result["pieces"] == {"total": 1, "reused": 0, "copied_frames": 0}
