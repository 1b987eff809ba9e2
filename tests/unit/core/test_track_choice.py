"""Which tracks are the film and its sound, and what they are called."""

from __future__ import annotations

import pytest

from cinemill.core.media import AudioStream
from cinemill.core.tracks.choice import (
    VideoTrack,
    choose_audio_track,
    choose_video_track,
    list_roles,
)
from cinemill.core.tracks.names import LONGEST_NAME, clean_name, name_tracks


def video(index: int, codec: str = "h264", **more: object) -> VideoTrack:
    facts = {"width": 1280, "height": 720, "fps": 25.0, "seconds": 60.0, "frames": 1500, **more}
    return VideoTrack(index, codec, **facts)  # type: ignore[arg-type]


COVER = {"width": 3000, "height": 3000, "fps": 90000.0}
VIDEOS: dict[str, tuple[list[VideoTrack], int]] = {
    "cover first": ([video(0, "mjpeg", seconds=0.04, frames=1, **COVER), video(1)], 1),
    "default cover first": (
        [video(0, "mjpeg", frames=1, is_default=True, **COVER), video(1, is_default=True)],
        1,
    ),
    "cover of unknown length": ([video(0, "png", seconds=0.0, frames=0, **COVER), video(1)], 1),
    "flagged still": ([video(0, is_still=True), video(1, width=320, height=180)], 1),
    "one frame of a film's codec": ([video(0, "hevc", frames=1, **COVER), video(1)], 1),
    "motion jpeg alone": ([video(0, "mjpeg")], 0),
    "motion jpeg with a cover": ([video(0, "mjpeg", frames=1, seconds=60.0), video(1, "mjpeg")], 1),
    "still alone": ([video(0, "mjpeg", frames=1)], 0),
    "default": ([video(0), video(1, is_default=True)], 1),
    "short teaser first": ([video(0, seconds=4.0, is_default=True), video(1)], 1),
    "unknown length": ([video(0, seconds=0.0), video(1, is_default=True)], 1),
    "largest": ([video(0, width=320, height=180), video(1)], 1),
    "two defaults": (
        [video(0, is_default=True, width=320, height=180), video(1, is_default=True)],
        1,
    ),
    "more frames a second": ([video(0, fps=5.0), video(1)], 1),
    "alike": ([video(3), video(4)], 3),
}


@pytest.mark.parametrize(("tracks", "index"), VIDEOS.values(), ids=VIDEOS.keys())
def test_video_track_is_the_film(tracks: list[VideoTrack], index: int) -> None:
    chosen = choose_video_track(tracks)
    assert chosen is not None
    assert chosen.index == index


def audio(index: int, *roles: str, title: str = "", is_default: bool = False) -> AudioStream:
    return AudioStream(
        *(index, "aac", 2, 48_000, "eng", is_default), "stereo", ("FL", "FR"), title, roles
    )


AUDIOS: dict[str, tuple[list[AudioStream], int]] = {
    "first": ([audio(1), audio(2)], 1),
    "second is the default": ([audio(1, "comment"), audio(2, is_default=True)], 2),
    "plain second is the default": ([audio(1), audio(2, is_default=True)], 2),
    "commentary first, no default": ([audio(1, "comment"), audio(2)], 2),
    "commentary by title, no default": ([audio(1, title="Director's Commentary"), audio(2)], 2),
    "French commentary by title": ([audio(1, title="Commentaires du réalisateur"), audio(2)], 2),
    "Spanish commentary by title": (
        [audio(1, title="Comentarios del director", is_default=True), audio(2, is_default=True)],
        2,
    ),
    "Portuguese commentary by title": ([audio(1, title="Comentário do diretor"), audio(2)], 2),
    "Italian commentary by title": ([audio(1, title="Commento del regista"), audio(2)], 2),
    "comments by title": ([audio(1, title="Cast comments"), audio(2)], 2),
    "description by title": ([audio(1, title="Audio Description"), audio(2)], 2),
    "commentary flagged as default": ([audio(1, "comment", is_default=True), audio(2)], 2),
    "default by flag, special by title": (
        [audio(1), audio(2, title="commentary", is_default=True)],
        2,
    ),
    "for the blind first": ([audio(1, "visual_impaired"), audio(2)], 2),
    "for the deaf first": ([audio(1, "hearing_impaired"), audio(2)], 2),
    "karaoke first": ([audio(1, "karaoke"), audio(2)], 2),
    "dependent first": ([audio(1, "dependent", is_default=True), audio(2)], 2),
    "dub first": ([audio(1, "dub"), audio(2, "original")], 2),
    "several defaults": ([audio(1), audio(2, is_default=True), audio(3, is_default=True)], 2),
    "all defaults, commentary first": (
        [audio(1, "comment", is_default=True), audio(2, is_default=True)],
        2,
    ),
    "commentary alone": ([audio(1, "comment")], 1),
}


@pytest.mark.parametrize(("tracks", "index"), AUDIOS.values(), ids=AUDIOS.keys())
def test_audio_track_is_the_film_s_own_sound(tracks: list[AudioStream], index: int) -> None:
    chosen = choose_audio_track(tracks)
    assert chosen is not None
    assert chosen.index == index


@pytest.mark.parametrize(
    ("title", "roles"),
    [
        *(("Director's Commentary", ("comment",)), ("Comentarios del director", ("comment",))),
        *(("Audio Description", ("visual_impaired",)), ("Hard of hearing", ("hearing_impaired",))),
        *(("Isolated score", ("non_diegetic",)), ("M&E", ("clean_effects",))),
        *(("Stereo", ()), ("Community centre mix", ()), ("Commentary (described)", ("comment",))),
    ],
)
def test_title_says_what_a_track_is_for_where_no_flag_does(
    title: str, roles: tuple[str, ...]
) -> None:
    assert list_roles(audio(1, title=title)) == roles
    assert list_roles(audio(1, "dub", title=title)) == ("dub", *roles)
    assert list_roles(audio(1, "karaoke", title=title)) == ("karaoke",)


def test_video_without_audio_has_none() -> None:
    assert choose_audio_track([]) is None
    assert choose_video_track([]) is None


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian, whose words are joined of parts
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("x" * 98 + "👩\u200d👩\u200d👧", "x" * 98),
        ("a\u2028b\u202ec", "a b c"),
    ],
)
def test_characters_as_people_see_them_stay_whole_in_names(title: str, name: str) -> None:
    assert clean_name(title) == name


def test_names_are_unique_bounded_and_of_one_line() -> None:
    titles = [
        *("", "Main", "main", "Main", 'The "cut"', "two\nlines\x00", "x" * 5000, "x" * 5000),
        "\u202egnp.exe",
    ]
    names = name_tracks([audio(number, title=title) for number, title in enumerate(titles)])
    assert names[:6] == ("eng 1", "Main", "main (2)", "Main (3)", "The 'cut'", "two lines")
    assert len({name.casefold() for name in names}) == len(names)
    assert max(map(len, names)) == LONGEST_NAME
    assert names[-1] == "gnp.exe"
