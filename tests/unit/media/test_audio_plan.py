"""Audio tracks of renditions: each is copied or folded by itself, and what became of it is said."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.unit.media.test_integrity import SOURCE

from cinemill.core.encoding.rendition import read_rendition
from cinemill.core.media import AudioStream
from cinemill.media.encoding.audio_plan import choose_audio_codec, plan_audio
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.channels import SteadyTrack, fold_filter, locate_audio, shift_steady

SURROUND = ("FL", "FR", "FC", "LFE", "SL", "SR")
FIVE = AudioStream(1, "pcm_s24le", 6, 48_000, "eng", True, "5.1(side)", SURROUND, title="Film")
TEN = AudioStream(2, "pcm_s24le", 10, 48_000, "und", False, "10 channels")
STEREO = AudioStream(3, "aac", 2, 48_000, "deu", False, "stereo", ("FL", "FR"))
FILM = replace(SOURCE, audio=(FIVE, TEN, STEREO))
STEADY = SteadyTrack(
    *(4, "ac3", 2, 48_000, "und", False, "stereo", ("FL", "FR")),
    filename="steady-4.mkv",
    starts_at_seconds=1.5,
)


def test_every_track_is_folded_by_its_own_channels() -> None:
    arguments, changes = plan_audio(FILM, read_rendition({}))
    filters = dict(pairwise(arguments))
    rows = "|".join(f"c{channel}=1.000000*c{channel}" for channel in range(6))
    assert filters["-filter:a:0"].endswith(f",pan=5.1|{rows}")
    assert "*c9" in filters["-filter:a:1"]
    assert "-filter:a:2" not in filters
    assert filters["-metadata:s:a:0"] == "title=Film"
    assert changes == [
        "audio track 1 was encoded from pcm_s24le to aac",
        "audio track 2 was encoded from pcm_s24le to aac",
        "audio track 2: nothing states where its 10 channels belong: all were mixed into stereo",
    ]


@pytest.mark.parametrize(
    ("codec", "rate", "chosen"),
    [("mp3", 44_100, "copy"), ("mp3", 8_000, "aac"), ("aac_latm", 48_000, "aac")],
)
def test_audio_is_copied_where_an_mp4_takes_it(codec: str, rate: int, chosen: str) -> None:
    track = replace(STEREO, codec=codec, sample_rate_hz=rate)
    assert choose_audio_codec(track, read_rendition({})) == chosen


def test_silent_output_channels_are_stated() -> None:
    low = AudioStream(1, "aac", 3, 48_000, "und", True, "2.1", ("FL", "FR", "LFE"))
    assert fold_filter(low, "5.1").endswith("|c2=0*c0|c3=1.000000*c2|c4=0*c0|c5=0*c0")


def test_tracks_with_files_of_their_own_are_inputs_after_the_video() -> None:
    film = replace(SOURCE, audio=(FIVE, STEADY))
    assert locate_audio(film, FIVE, 3) == "3:1"
    assert locate_audio(film, STEADY, 3) == "4:0"
    arguments = input_arguments("film.ts", shift_steady(film, 0.5), 1000)
    assert arguments[-6:] == ["-itsoffset", "1.000000", "-f", "matroska", "-i", "steady-4.mkv"]
    assert arguments[-7] == "file:film.ts"
