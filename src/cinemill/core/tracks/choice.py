"""Which tracks a video's picture and sound are. Pure; every reader asks here.

A file may have a cover, a preview, a director's commentary and five languages, in any order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cinemill.core.media import AudioStream, MediaInfo

_STILL_SECONDS = 0.5
"""A picture codec's track that lasts no longer than this is a picture."""
IMAGE_CODECS = frozenset(
    {"mjpeg", "png", "apng", "bmp", "gif", "tiff", "webp", "jpeg2000", "jpegls", "ppm", "targa"}
)
"""Codecs of pictures, in which a cover may be stored; some cameras write films in them."""
_SHORT_SHARE = 0.5
"""A track that lasts less than this share of the longest is a preview or a teaser."""
_SPECIAL_ROLES = frozenset(
    {
        *("comment", "visual_impaired", "hearing_impaired", "descriptions", "lyrics", "karaoke"),
        *("clean_effects", "non_diegetic", "dependent"),
    }
)
_ROLES_IN_TITLES = tuple(
    (role, re.compile(rf"\b(?:{words})\b", re.IGNORECASE))
    for role, words in (
        (
            "comment",
            r"commentar(?:y|ies)|comments?|com{1,2}ent(?:[aá]ri[oa]s?|aires?|i|o)|kommentar\w*",
        ),
        (
            "visual_impaired",
            r"audio ?descri\w+|audiodescripci[oó]n|audiodescriç[aã]o|audiodeskription|described|"
            r"descriptive|descriptions?|visually[ -]impaired",
        ),
        ("hearing_impaired", r"hearing[ -]impaired|hard of hearing"),
        ("non_diegetic", r"isolated score"),
        ("clean_effects", r"music (?:and|&) effects|m ?& ?e"),
    )
)
"""Titles that say what many files do not flag."""


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """What is known of a video track before anything of it was decoded."""

    index: int
    codec: str
    width: int
    height: int
    fps: float = 0.0
    """0 where it is unknown."""
    seconds: float = 0.0
    """0 where it is unknown."""
    frames: int = 0
    """0 where it is unknown."""
    is_default: bool = False
    is_still: bool = False
    """Flagged as a picture that stands still, or as part of another track."""

    @property
    def seems_still(self) -> bool:
        """Return whether it is one picture, by what is flagged or by what is there."""
        return self.is_still or self.frames == 1 or self.is_brief

    @property
    def is_brief(self) -> bool:
        """Return whether it is a codec's of pictures, and lasts no longer than a frame or two."""
        return self.codec in IMAGE_CODECS and 0 < self.seconds <= _STILL_SECONDS


def choose_video_track(tracks: Sequence[VideoTrack]) -> VideoTrack | None:
    """Return the film among the tracks; None if there are none.

    One that moves goes before a still, one in a codec of films before one in a codec of pictures,
    one of nearly the longest's length before a short one. Then the file's default, the most pixels,
    the most frames a second, and the first.
    """
    longest = max((one.seconds for one in tracks if not one.seems_still), default=0.0)

    def rank(track: VideoTrack) -> tuple[bool, bool, bool, bool, int, float]:
        is_short = 0 < track.seconds < longest * _SHORT_SHARE
        return (
            track.seems_still,
            track.codec in IMAGE_CODECS,
            is_short,
            not track.is_default,
            -track.width * track.height,
            -track.fps,
        )

    return min(tracks, key=rank, default=None)


def is_cover_of_sound(track: VideoTrack, sound_seconds: float) -> bool:
    """Check whether a picture is over at once, while the sound next to it goes on.

    Programs store a cover like that if nobody tells them that it is one.
    """
    return track.is_brief and sound_seconds > 2 * _STILL_SECONDS


def is_special(track: AudioStream) -> bool:
    """Check whether a track is flagged as something else than the film's own sound."""
    return not _SPECIAL_ROLES.isdisjoint(track.roles)


def says_special(track: AudioStream) -> bool:
    """Check whether a track's title says that it is not the film's own sound."""
    return bool(_read_title(track))


def list_roles(track: AudioStream) -> tuple[str, ...]:
    """Return what a track is for: as it is flagged, else as its title says.

    Most MKV and nearly all MP4 files tell of a commentary in its title alone.
    """
    return track.roles if is_special(track) else (*track.roles, *_read_title(track)[:1])


def _read_title(track: AudioStream) -> tuple[str, ...]:
    """Return the roles that a track's title tells of."""
    return tuple(role for role, words in _ROLES_IN_TITLES if words.search(track.title))


def choose_audio_track(tracks: Sequence[AudioStream]) -> AudioStream | None:
    """Return the sound that is heard unless somebody chooses; None if there is none.

    What is flagged as commentary or the like comes last. Then the file's default, one whose title
    does not tell of commentary, one that is no dub, and the first.
    """

    def rank(track: AudioStream) -> tuple[bool, bool, bool, bool]:
        return (
            is_special(track),
            not track.is_default,
            says_special(track),
            "dub" in track.roles,
        )

    return min(tracks, key=rank, default=None)


def choose_audio(info: MediaInfo) -> AudioStream | None:
    """Return the sound of a video that is heard unless somebody chooses; None if it is silent."""
    return choose_audio_track(info.audio)
