"""Very many clips: one command per different piece, and few files open at once."""

from __future__ import annotations

from pathlib import Path

import av
from tests import films
from tests.integration.steps.conftest import Opener
from tests.integration.steps.walk_render import run_plan

from cinemill.steps.resources import StepResources

CLIPS = 60
"""More than the audio mix reads in one command."""
KINDS = 8
FRAMES = 3


def test_render_of_many_clips_reuses_equal_pieces(
    resources: StepResources, open_context: Opener, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mp4", size=(64, 36), seconds=2)
    clips = [
        {"path": str(film), "start": f"{start}/25", "end": f"{start + FRAMES}/25"}
        for start in (number % KINDS * 5 for number in range(CLIPS))
    ]
    output = {"width": 64, "height": 36, "fps": 25}
    made = run_plan(resources, open_context, {"clips": clips, "output": output})["join"]
    assert made["pieces"] == {"total": CLIPS, "reused": CLIPS - KINDS, "copied_frames": 0}
    assert made["render"]["facts"]["frames"] == CLIPS * FRAMES
    with av.open(made["output_path"]) as joined:
        seconds = CLIPS * FRAMES / 25
        assert sum(1 for _ in joined.decode(video=0)) == CLIPS * FRAMES
        sound = joined.streams.audio[0]
        assert sound.duration is not None
        assert sound.time_base is not None
        assert abs(float(sound.duration * sound.time_base) - seconds) < 0.05
