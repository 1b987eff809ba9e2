"""A render with ``use_gpu``: its pieces by encoder, and that all have the same encoder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import films
from tests.integration.steps.conftest import Opener

from cinemill.capabilities.render.fetch_sources import fetch_sources
from cinemill.capabilities.render.handlers import join_render, mix_render, render_pieces
from cinemill.capabilities.render.validate import validate_render
from cinemill.core.encoding.rendition import VideoCodec
from cinemill.jobs.step import StepOutcome
from cinemill.media.encoding.hardware import HardwareEncoder, HardwareVendor
from cinemill.steps.resources import StepResources
from cinemill.storage import hardware

NODE = "celery@one"
PIECES = ({"first": 0, "count": 1, "of": 2}, {"first": 1, "count": 1, "of": 2})


def make_stand_in(preset: str) -> HardwareEncoder:
    """Return a software encoder in place of a hardware one; an unknown preset makes it fail."""
    family = HardwareVendor(
        "stand-in", (VideoCodec.H264,), lambda _codec, _crf: ["-preset", preset]
    )
    return HardwareEncoder("libx264", VideoCodec.H264, family)


class Render:
    """A timeline of two pieces, whose steps run one by one, each on a chosen worker."""

    def __init__(self, resources: StepResources, open_context: Opener, film: Path) -> None:
        self.plain = resources
        self.shiny = replace(resources, node=NODE, hardware=(make_stand_in("veryfast"),))
        self.broken = replace(resources, node=NODE, hardware=(make_stand_in("nonesuch"),))
        self._open_context = open_context
        clip = {"path": str(film), "start": 0, "end": 0.4}
        self._timeline = {
            "clips": [clip, {**clip, "start": 0.2, "end": 0.6}],
            "output": {"width": 64, "height": 48, "fps": 25},
            "use_gpu": True,
        }
        self.inputs: dict[str, Any] = {}

    def run(
        self, name: str, handle: Any, params: Mapping[str, Any], *, on: StepResources | None = None
    ) -> StepOutcome:
        resources = on or self.plain
        context = self._open_context(self._timeline, params=params, inputs=dict(self.inputs))
        outcome: StepOutcome = handle(resources, context)
        with resources.database.begin() as connection:
            outcome.write(connection)
        self.inputs[name] = outcome.result
        shutil.rmtree(context.folder)
        return outcome

    def make(self, first: StepResources, second: StepResources) -> StepOutcome:
        """Run all steps, the two pieces on these workers; return the outcome of the join."""
        self.run("gather-000", fetch_sources, {"first": 0, "count": 1})
        self.run("open", validate_render, {})
        for name, values, worker in zip(
            ("render-000", "render-001"), PIECES, (first, second), strict=True
        ):
            self.run(name, render_pieces, values, on=worker)
        self.run("mix", mix_render, {})
        return self.run("join", join_render, {})

    def go_on(self, outcome: StepOutcome) -> StepOutcome:
        """Run the steps that the outcome added; return the outcome of the last."""
        *remakes, last = outcome.steps
        for step in remakes:
            self.run(step.name, render_pieces, step.params, on=self.shiny)
        return self.run(last.name, join_render, last.params)


@pytest.fixture
def render(resources: StepResources, open_context: Opener, tmp_path: Path) -> Render:
    film = films.make_film(tmp_path / "film.mp4", seconds=1, size=(64, 48))
    with resources.database.begin() as connection:
        hardware.announce(connection, NODE, {"libx264": "h264"})
    return Render(resources, open_context, film)


def test_pieces_of_one_hardware_encoder_are_joined(render: Render) -> None:
    facts = render.make(render.shiny, render.shiny).result["render"]["facts"]
    assert facts["hardware"] == "stand-in"
    assert facts["changes"] == []
    assert facts["frames"] == 20


def test_pieces_of_mixed_encoders_are_rendered_again_in_software(render: Render) -> None:
    """A video track has the settings of one encoder, whichever rendered its pieces."""
    joined = render.make(render.shiny, render.plain)
    assert [step.name for step in joined.steps] == ["remake-000", "rejoin"]
    result = render.go_on(joined).result
    facts = result["render"]["facts"]
    assert facts["hardware"] is None
    assert facts["changes"] == ["encoded in software: no hardware encoder for h264 is available"]
    assert facts["frames"] == 20
    assert result["pieces"]["total"] == 2


def test_piece_falls_back_to_software_when_hardware_fails(render: Render) -> None:
    facts = render.make(render.broken, render.broken).result["render"]["facts"]
    assert facts["hardware"] is None
    (change,) = facts["changes"]
    assert change.startswith("encoded in software: libx264 failed: ")
    with render.plain.database.begin() as connection:
        (offer,) = hardware.list_offers(connection)
    assert "nonesuch" in offer.reason


def test_cached_software_piece_is_not_reused_for_hardware(render: Render) -> None:
    render.make(render.plain, render.plain)
    render.inputs.clear()
    facts = render.make(render.shiny, render.shiny).result["render"]["facts"]
    assert facts["hardware"] == "stand-in"
