"""Tracks of one channel that are one sound: which belong together, and which do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.media.test_integrity import SOURCE

from cinemill.core.media import AudioStream
from cinemill.core.tracks.joined import JoinedTrack, describe_unheard, group_tracks, join_group

SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def mono(index: int, place: str, language: str = "eng", title: str = "") -> AudioStream:
    layout, places = f"1 channels ({place})", (place,) if place else ()
    return AudioStream(
        *(index, "pcm_s24le", 1, 48_000, language, index == 1), layout, places, title
    )


def at(*places: str, first: int = 1, language: str = "eng") -> list[AudioStream]:
    return [mono(first + number, place, language) for number, place in enumerate(places)]


STEREO = AudioStream(9, "aac", 2, 48_000, "eng", False, "stereo", ("FL", "FR"))
GROUPS: dict[str, tuple[list[AudioStream], list[list[int]]]] = {
    "surround": (at(*SURROUND), [[1, 2, 3, 4, 5, 6]]),
    "stereo": (at("FL", "FR"), [[1, 2]]),
    "surround, then a stereo mix": (at(*SURROUND, "FL", "FR"), [[1, 2, 3, 4, 5, 6], [7, 8]]),
    "surround, then Lt and Rt": (at(*SURROUND, "DL", "DR"), [[1, 2, 3, 4, 5, 6], [7, 8]]),
    "two languages": (
        [*at("FL", "FR"), *at("FL", "FR", first=3, language="deu")],
        [[1, 2], [3, 4]],
    ),
    "a commentary among them": (
        [*at("FL", "FR"), mono(3, "FC", title="Director's commentary")],
        [[1, 2], [3]],
    ),
    "flagged": ([*at("FL", "FR"), replace(mono(3, "FC"), roles=("comment",))], [[1, 2], [3]]),
    "places unknown": (at("", ""), [[1], [2]]),
    "plain mono": (at("FC", "FC"), [[1], [2]]),
    "left alone": (at("FL", "FC"), [[1], [2]]),
    "stereo track": ([STEREO, *at("FL", "FR", first=10)], [[9], [10, 11]]),
}


@pytest.mark.parametrize(("tracks", "indexes"), GROUPS.values(), ids=GROUPS.keys())
def test_tracks_of_one_sound_are_together(
    tracks: list[AudioStream], indexes: list[list[int]]
) -> None:
    found = group_tracks(tracks)
    assert [[track.index for track in group] for group in found] == indexes


@pytest.mark.parametrize(
    ("tracks", "said"),
    [
        (
            at("", "", ""),
            ["audio tracks 2, 3 are not heard: nothing states that track 1 and they are one sound"],
        ),
        (
            at("FC", "FC"),
            ["audio track 2 is not heard: nothing states that track 1 and they are one sound"],
        ),
        ([mono(1, ""), mono(2, "", language="deu")], []),
        ([mono(1, ""), mono(2, "", title="Interview")], []),
        ([STEREO, *at("", "", first=10)], []),
    ],
)
def test_tracks_that_may_belong_to_what_is_heard_are_said(
    tracks: list[AudioStream], said: list[str]
) -> None:
    assert describe_unheard(replace(SOURCE, audio=tuple(tracks)), tracks[0]) == said


def test_joined_track_has_the_places_of_its_parts() -> None:
    parts = at(*SURROUND)
    joined = join_group(parts)
    assert isinstance(joined, JoinedTrack)
    assert joined.places == SURROUND
    assert joined.part_indexes == (1, 2, 3, 4, 5, 6)
    assert (joined.index, joined.channels, joined.is_default) == (1, 6, True)
    assert join_group([STEREO]) is STEREO
