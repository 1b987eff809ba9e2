"""Where channels go: none is lost, nothing clips, and what is folded is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.media import AudioStream
from cinemill.core.tracks.channels import (
    MONO,
    QUAD,
    SPEAKERS,
    STEREO,
    SURROUND,
    WIDE,
    choose_front,
    choose_layout,
    fold,
)

LAYOUTS = {
    "mono": "FC",
    "stereo": "FL+FR",
    "downmix": "DL+DR",
    "2.1": "FL+FR+LFE",
    "3.0": "FL+FR+FC",
    "quad": "FL+FR+BL+BR",
    "quad(side)": "FL+FR+SL+SR",
    "4.0": "FL+FR+FC+BC",
    "5.0": "FL+FR+FC+BL+BR",
    "5.1": "FL+FR+FC+LFE+BL+BR",
    "5.1(side)": "FL+FR+FC+LFE+SL+SR",
    "6.1": "FL+FR+FC+LFE+BC+SL+SR",
    "7.0": "FL+FR+FC+BL+BR+SL+SR",
    "7.1": "FL+FR+FC+LFE+BL+BR+SL+SR",
    "7.1(wide)": "FL+FR+FC+LFE+BL+BR+FLC+FRC",
    "5.1.4": "FL+FR+FC+LFE+BL+BR+TFL+TFR+TBL+TBR",
    "7.1.4": "FL+FR+FC+LFE+BL+BR+SL+SR+TFL+TFR+TBL+TBR",
    "22.2": "FL+FR+FC+LFE+BL+BR+FLC+FRC+BC+SL+SR+TC+TFL+TFC+TFR+TBL+TBC+TBR+LFE2+TSL+TSR"
    "+BFC+BFL+BFR",
    "1 channels (FL)": "FL",
    "2 channels (ODD1+FL)": "ODD1+FL",
}


def track(layout: str) -> AudioStream:
    places = tuple(LAYOUTS[layout].split("+"))
    return AudioStream(1, "pcm_s16le", len(places), 48_000, "und", True, layout, places)


def discrete(channels: int) -> AudioStream:
    return AudioStream(1, "pcm_s16le", channels, 48_000, "und", True, f"{channels} channels")


TRACKS = [*map(track, LAYOUTS), *map(discrete, (1, 2, 3, 6, 10, 64))]


@pytest.mark.parametrize("layout", SPEAKERS)
@pytest.mark.parametrize("one", TRACKS, ids=lambda one: one.layout)
def test_every_channel_is_heard_and_none_clips(one: AudioStream, layout: str) -> None:
    gains = fold(one, layout).gains
    assert len(gains) == len(SPEAKERS[layout])
    assert all(len(row) == one.channels for row in gains)
    for channel in range(one.channels):
        assert sum(row[channel] for row in gains) > 0.005
    assert max(sum(map(abs, row)) for row in gains) <= 1 + 1e-9


@given(st.integers(1, 64), st.sampled_from([*SPEAKERS]))
def test_any_number_of_discrete_channels_is_heard(channels: int, layout: str) -> None:
    gains = fold(discrete(channels), layout).gains
    assert all(any(row[channel] > 0 for row in gains) for channel in range(channels))
    assert max(sum(row) for row in gains) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("layout", "chosen"),
    [
        *(("mono", MONO), ("1 channels (FL)", MONO), ("stereo", STEREO), ("downmix", STEREO)),
        *(("2.1", SURROUND), ("3.0", SURROUND), ("quad", QUAD), ("quad(side)", QUAD)),
        *(("4.0", SURROUND), ("5.0", SURROUND), ("5.1", SURROUND), ("5.1(side)", SURROUND)),
        *(("6.1", WIDE), ("7.1", WIDE), ("7.1(wide)", WIDE), ("5.1.4", WIDE), ("22.2", WIDE)),
    ],
)
def test_smallest_layout_with_a_speaker_for_every_channel(layout: str, chosen: str) -> None:
    assert choose_layout(track(layout)) == chosen


@pytest.mark.parametrize(
    ("channels", "chosen"), [(1, MONO), (2, STEREO), (6, STEREO), (64, STEREO)]
)
def test_channels_without_places_are_not_guessed(channels: int, chosen: str) -> None:
    assert choose_layout(discrete(channels)) == chosen


def test_tracks_of_an_earlier_probe_have_the_usual_places() -> None:
    old = AudioStream(1, "aac", 6, 48_000, "und", is_default=True)
    assert choose_layout(old) == SURROUND
    assert choose_front(old) == STEREO


@pytest.mark.parametrize(
    ("layout", "target"),
    [("mono", MONO), ("stereo", STEREO), ("5.1(side)", SURROUND), ("2.1", SURROUND), ("7.1", WIDE)],
)
def test_channels_with_speakers_of_their_own_keep_their_level(layout: str, target: str) -> None:
    folded = fold(track(layout), target)
    assert sorted(gain for row in folded.gains for gain in row if gain) == [1.0] * len(
        track(layout).places
    )
    assert "silent" in folded.change if layout == "2.1" else folded.change == ""


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ("2.1", "its 3 channels (2.1) became 5.1, in which FC, BL, BR are silent"),
        ("3.0", "its 3 channels (3.0) became 5.1, in which LFE, BL, BR are silent"),
        ("5.0", "its 5 channels (5.0) became 5.1, in which LFE is silent"),
        ("7.0", "its 7 channels (7.0) became 7.1, in which LFE is silent"),
        ("5.1(side)", ""),
    ],
)
def test_speakers_that_nothing_was_recorded_for_are_said(layout: str, words: str) -> None:
    assert fold(track(layout), choose_layout(track(layout))).change == words


def test_sides_stay_where_they_are() -> None:
    left, right = fold(track("5.1.4"), STEREO).gains
    places = track("5.1.4").places
    for place, other in (("FL", "FR"), ("BL", "BR"), ("TFL", "TFR"), ("TBL", "TBR")):
        assert right[places.index(place)] == 0 < left[places.index(place)]
        assert left[places.index(other)] == 0 < right[places.index(other)]
    assert left[places.index("FC")] == right[places.index("FC")]


def test_stereo_in_mono_is_half_of_each_side() -> None:
    assert fold(track("stereo"), MONO).gains == ((0.5, 0.5),)


@pytest.mark.parametrize(("channels", "order"), [(4, 1), (9, 2), (16, 3), (6, 1), (11, 2)])
def test_ambisonic_sound_is_folded_to_two_microphones(channels: int, order: int) -> None:
    one = AudioStream(1, "opus", channels, 48_000, "und", True, f"ambisonic {order}")
    left, right = fold(one, STEREO).gains
    assert left[0] == right[0] > 0
    assert left[1] == -right[1] > 0
    assert choose_layout(one) == STEREO
    assert fold(one, MONO).gains[0][0] > 0
    if channels - (order + 1) ** 2 == 2:  # a plain pair follows
        assert left[-2] == right[-1] > 0


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (discrete(10), "nothing states where its 10 channels belong: all were mixed into stereo"),
        (track("5.1.4"), "its 10 channels (5.1.4) became stereo"),
    ],
)
def test_folding_is_said(one: AudioStream, words: str) -> None:
    assert fold(one, STEREO).change == words
