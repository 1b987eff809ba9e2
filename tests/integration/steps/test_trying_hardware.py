"""What a try that begins in hardware leaves behind where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.storage import rows

from cinemill.core.encoding.rendition import VideoCodec
from cinemill.errors import CommandFailed
from cinemill.media.encoding.hardware import HardwareEncoder, HardwareVendor
from cinemill.steps.encoder_choice import find_encoder, run_with_fallback
from cinemill.steps.resources import StepResources
from cinemill.storage import hardware

NODE = "celery@one"
STAND_IN = HardwareEncoder(
    "libx264", VideoCodec.H264, HardwareVendor("stand-in", (VideoCodec.H264,), lambda *_: [])
)


@pytest.fixture
def shiny(resources: StepResources) -> Iterator[StepResources]:
    with resources.database.begin() as connection:
        hardware.announce(connection, NODE, {STAND_IN.name: "h264"})
    yield replace(resources, node=NODE, hardware=(STAND_IN,))
    rows.change(resources.database, "DELETE FROM hardware_encoder")


def fail_until_software_fails(resources: StepResources, folder: Path, code: str) -> None:
    """Hardware fails, and then software as the code says."""

    def make(encoder: HardwareEncoder | None) -> None:
        failed = "device lost" if encoder else "the step was stopped"
        raise CommandFailed(failed, exit_code=-9, log_tail="", code="" if encoder else code)

    choice = find_encoder(resources, VideoCodec.H264, is_deep=False)
    assert choice.encoder == STAND_IN
    folder.mkdir()
    for _ in range(3):
        with pytest.raises(CommandFailed):
            run_with_fallback(resources, choice, make, folder)


def test_hardware_that_leaves_software_too_little_time_rests_too(
    shiny: StepResources, tmp_path: Path
) -> None:
    fail_until_software_fails(shiny, tmp_path / "none", "time_limit")
    choice = find_encoder(shiny, VideoCodec.H264, is_deep=False)
    assert choice.encoder is None
    assert "failed repeatedly and is suspended" in choice.reason


def test_what_software_cannot_do_either_is_not_held_against_hardware(
    shiny: StepResources, tmp_path: Path
) -> None:
    fail_until_software_fails(shiny, tmp_path / "none", "command_failed")
    assert find_encoder(shiny, VideoCodec.H264, is_deep=False).encoder == STAND_IN
