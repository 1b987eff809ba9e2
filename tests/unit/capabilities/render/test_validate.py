"""How much room a render asks for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from cinemill.capabilities.render.audio.audio_mix import SAMPLE_BYTES
from cinemill.capabilities.render.timeline.pieces import SAMPLE_RATE_HZ
from cinemill.capabilities.render.timeline.timeline import Clip, Sound, Source, Timeline
from cinemill.capabilities.render.validate import LEAST_BYTES, estimate_bytes
from cinemill.core.output import OutputFormat

HOUR = Fraction(3600)


def test_there_is_room_for_the_raw_sound_and_what_is_mixed_into_it() -> None:
    film = Source("a.mp4")
    timeline = Timeline((Clip(film, Fraction(0), HOUR),), OutputFormat(16, 16, Fraction(1)))
    raw_bytes = SAMPLE_RATE_HZ * SAMPLE_BYTES * int(HOUR)
    assert estimate_bytes(timeline) > LEAST_BYTES + raw_bytes
    music = Sound(film, Fraction(0), HOUR, "Sound 0")
    assert estimate_bytes(replace(timeline, sounds=(music,))) > LEAST_BYTES + 2 * raw_bytes
