"""Sound that is stored as one track for each channel: which tracks belong together. Pure.

Cameras and editing programs deliver surround as six tracks of one channel, each of which states its
place; whoever hears the first one hears the left speaker alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from cinemill.core.media import AudioStream, MediaInfo
from cinemill.core.tracks.choice import is_special, says_special

_PAIRS = (frozenset({"FL", "FR"}), frozenset({"DL", "DR"}))
_MIXED_DOWN = _PAIRS[1]
"""Of a mix to two channels, which is another sound than that of the speakers."""


@dataclass(frozen=True, slots=True)
class JoinedTrack(AudioStream):
    """A sound whose channels are tracks of their own; its index is that of the first one."""

    part_indexes: tuple[int, ...] = ()
    """Of the tracks in the file, in the order of the channels."""


def join_tracks(info: MediaInfo) -> MediaInfo:
    """Return a source with tracks that are one sound as one track."""
    groups = group_tracks(info.audio)
    return replace(info, audio=tuple(join_group(group) for group in groups))


def group_tracks(tracks: Sequence[AudioStream]) -> tuple[tuple[AudioStream, ...], ...]:
    """Return the tracks in their order, with those of one sound together.

    Together are tracks of one channel and one language, each at a place of its own, with a left and
    a right one among them. A place that comes again begins another sound.
    """
    groups: list[list[AudioStream]] = []
    for track in tracks:
        found = next((one for one in reversed(groups) if _belongs(track, one[-1])), None)
        if found is None or not _is_free(track, found):
            groups.append([track])
        else:
            found.append(track)
    return tuple(
        part for group in groups for part in ([tuple(group)] if _is_one(group) else _split(group))
    )


def join_group(group: Sequence[AudioStream]) -> AudioStream:
    """Return a group as one track of many channels; a track alone stays as it is."""
    first = group[0]
    if len(group) == 1:
        return first
    places = tuple(track.places[0] for track in group)
    joined = {
        "channels": len(group),
        "sample_rate_hz": max(track.sample_rate_hz for track in group),
        "is_default": any(track.is_default for track in group),
        "layout": "+".join(places),
        "places": places,
        "title": first.title if len({track.title for track in group}) == 1 else "",
        "part_indexes": tuple(track.index for track in group),
    }
    return JoinedTrack(**(asdict(first) | joined))


def _belongs(track: AudioStream, other: AudioStream) -> bool:
    return (
        all(one.channels == 1 and len(one.places) == 1 for one in (track, other))
        and track.language == other.language
        and track.roles == other.roles
        and not any(is_special(one) or says_special(one) for one in (track, other))
    )


def _is_free(track: AudioStream, group: Sequence[AudioStream]) -> bool:
    taken = {one.places[0] for one in group}
    place = track.places[0]
    is_other_mix = (place in _MIXED_DOWN) is not (group[0].places[0] in _MIXED_DOWN)
    return place not in taken and not is_other_mix


def _is_one(group: Sequence[AudioStream]) -> bool:
    places = {one.places[0] for one in group if one.places}
    return len(group) == 1 or any(pair <= places for pair in _PAIRS)


def _split(group: Sequence[AudioStream]) -> list[tuple[AudioStream, ...]]:
    return [(track,) for track in group]


def describe_unheard(info: MediaInfo, heard: AudioStream) -> list[str]:
    """Return which other tracks may be channels of the sound that is heard, in words.

    Cameras write microphones as tracks of one channel, and few say where they belong.
    """
    if heard.channels != 1:
        return []
    numbers = [
        str(number)
        for number, track in enumerate(info.audio, 1)
        if track.index != heard.index and _belongs_somewhere(track, heard)
    ]
    if not numbers:
        return []
    own = next(number for number, one in enumerate(info.audio, 1) if one.index == heard.index)
    others, verb = ("tracks", "are") if len(numbers) > 1 else ("track", "is")
    return [
        f"audio {others} {', '.join(numbers)} {verb} not heard: nothing states that track {own} "
        "and they are one sound"
    ]


def _belongs_somewhere(track: AudioStream, heard: AudioStream) -> bool:
    is_alike = track.language == heard.language and track.roles == heard.roles
    return track.channels == 1 and is_alike and not (track.title or is_special(track))
