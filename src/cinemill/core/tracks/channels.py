"""Where the channels of an audio track go: a gain for each of them in each speaker of an output.

Pure. The names are FFmpeg's: a layout is ``5.1(side)`` or ``10 channels``, a place is ``FL``. No
channel is left out, and none is added without a gain: what is folded is turned down so far that
full scale in every channel at once is full scale. See docs/adr/0047-channels.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt

from cinemill.core.media import AudioStream

MOST_CHANNELS = 64
"""What FFmpeg's ``pan`` takes."""
MONO, STEREO, QUAD, SURROUND, WIDE = "mono", "stereo", "quad", "5.1", "7.1"
SPEAKERS: Mapping[str, tuple[str, ...]] = {
    MONO: ("FC",),
    STEREO: ("FL", "FR"),
    QUAD: ("FL", "FR", "BL", "BR"),
    SURROUND: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    WIDE: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""Layouts of outputs: those that AAC and Opus encode and that players know."""
EARLIER_PLACES: Mapping[int, tuple[str, ...]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""Of tracks that were probed by an earlier version, which did not ask for their layout."""
_HALF_POWER = 0.5**0.5
_AMBISONIC = "ambisonic"
_BOTH = ((("FL", 0.5), ("FR", 0.5)),)

# Where a place goes that an output has no speaker for: the first row whose speakers it all has.
# After ITU-R BS.775-4, annex 4; heights and depths go to the speakers below and above them.
_NEIGHBORS: Mapping[str, tuple[tuple[tuple[str, float], ...], ...]] = {
    "FC": ((("FL", _HALF_POWER), ("FR", _HALF_POWER)),),
    "LFE": _BOTH,
    "LFE2": ((("LFE", 1.0),), *_BOTH),
    "BL": ((("SL", 1.0),), (("FL", _HALF_POWER),)),
    "BR": ((("SR", 1.0),), (("FR", _HALF_POWER),)),
    "SL": ((("BL", 1.0),), (("FL", _HALF_POWER),)),
    "SR": ((("BR", 1.0),), (("FR", _HALF_POWER),)),
    "BC": ((("BL", _HALF_POWER), ("BR", _HALF_POWER)), *_BOTH),
    "FLC": ((("FL", _HALF_POWER), ("FC", 0.5)), (("FL", 1.0),)),
    "FRC": ((("FR", _HALF_POWER), ("FC", 0.5)), (("FR", 1.0),)),
    "TFL": ((("FL", _HALF_POWER),),),
    "TFR": ((("FR", _HALF_POWER),),),
    "TFC": ((("FC", _HALF_POWER),), *_BOTH),
    "TC": _BOTH,
    "TBL": ((("BL", _HALF_POWER),), (("FL", 0.5),)),
    "TBR": ((("BR", _HALF_POWER),), (("FR", 0.5),)),
    "TBC": ((("BL", 0.5), ("BR", 0.5)), *_BOTH),
    "TSL": ((("SL", _HALF_POWER),), (("BL", _HALF_POWER),), (("FL", 0.5),)),
    "TSR": ((("SR", _HALF_POWER),), (("BR", _HALF_POWER),), (("FR", 0.5),)),
    "TTL": ((("SL", _HALF_POWER),), (("BL", _HALF_POWER),), (("FL", 0.5),)),
    "TTR": ((("SR", _HALF_POWER),), (("BR", _HALF_POWER),), (("FR", 0.5),)),
    "BFL": ((("FL", _HALF_POWER),),),
    "BFR": ((("FR", _HALF_POWER),),),
    "BFC": ((("FC", _HALF_POWER),), *_BOTH),
    "WL": ((("FL", _HALF_POWER),),),
    "WR": ((("FR", _HALF_POWER),),),
    "SDL": ((("SL", 1.0),), (("BL", 1.0),), (("FL", _HALF_POWER),)),
    "SDR": ((("SR", 1.0),), (("BR", 1.0),), (("FR", _HALF_POWER),)),
    "SSL": ((("SL", 1.0),), (("BL", 1.0),), (("FL", _HALF_POWER),)),
    "SSR": ((("SR", 1.0),), (("BR", 1.0),), (("FR", _HALF_POWER),)),
    "DL": ((("FL", 1.0),),),
    "DR": ((("FR", 1.0),),),
    "BIL": ((("FL", 1.0),),),
    "BIR": ((("FR", 1.0),),),
}
_FRONT_PAIRS = frozenset({"FL", "FR", "DL", "DR", "BIL", "BIR"})
_QUADS = (frozenset({"FL", "FR", "BL", "BR"}), frozenset({"FL", "FR", "SL", "SR"}))
_SURROUNDS = (
    frozenset({"FL", "FR", "FC", "LFE", "LFE2", "BL", "BR"}),
    frozenset({"FL", "FR", "FC", "LFE", "LFE2", "SL", "SR"}),
    frozenset({"FL", "FR", "FC", "LFE", "LFE2", "BC"}),
)


@dataclass(frozen=True, slots=True)
class Fold:
    """Channels of a track in an output: ``gains[speaker][channel]``, 0 to 1."""

    layout: str
    gains: tuple[tuple[float, ...], ...]
    change: str = ""
    """What becomes of the channels, in words; empty where each has its speaker."""


def list_places(track: AudioStream) -> tuple[str, ...]:
    """Return where each channel belongs; empty where nobody knows."""
    if track.places and len(track.places) == track.channels:
        return track.places
    return () if track.layout else EARLIER_PLACES.get(track.channels, ())


def choose_layout(track: AudioStream) -> str:
    """Return the smallest layout of an output that has a speaker for every channel, or 7.1.

    Channels without a known place become mono, if it is one, or stereo.
    """
    places = frozenset(list_places(track))
    if track.channels == 1 or (places and places <= {"FC"}):
        return MONO
    if not places or places <= _FRONT_PAIRS:
        return STEREO
    if any(places <= quad for quad in _QUADS):
        return QUAD
    return SURROUND if any(places <= known for known in _SURROUNDS) else WIDE


def choose_front(track: AudioStream) -> str:
    """Return mono for a track that is mono, else stereo."""
    return MONO if choose_layout(track) == MONO else STEREO


def fold(track: AudioStream, layout: str) -> Fold:
    """Return the gains of a track's channels in ``layout``, a key of :data:`SPEAKERS`."""
    columns = _place_all(track, SPEAKERS[STEREO if layout == MONO else layout])
    if layout == MONO:
        columns = [{"FC": sum(column.values())} for column in columns]
    rows = [tuple(column.get(one, 0.0) for column in columns) for one in SPEAKERS[layout]]
    gains = _turn_down(rows)
    # One channel on both sides loses nothing, and nobody takes it for a change.
    if track.channels == 1:
        return Fold(layout, gains)
    is_kept = _is_moved_only(gains)
    silent = [one for one, row in zip(SPEAKERS[layout], gains, strict=True) if not any(row)]
    change = _describe_silent(track, layout, silent) if is_kept else _describe(track, layout)
    return Fold(layout, gains, change)


def _place_all(track: AudioStream, target: Sequence[str]) -> list[dict[str, float]]:
    """Return the speakers of each channel, with its gain in each."""
    places = list_places(track)
    if places:
        return [_place(place, target) for place in places]
    if track.layout.startswith(_AMBISONIC):
        return _place_ambisonic(track.channels)
    if track.channels == 1:
        return [_place("FC", target)]
    return _place_discrete(track.channels)


def _place(place: str, target: Sequence[str]) -> dict[str, float]:
    if place in target:
        return {place: 1.0}
    rows = _NEIGHBORS.get(place, _BOTH)
    row = next((row for row in rows if all(near in target for near, _ in row)), rows[-1])
    found: defaultdict[str, float] = defaultdict(float)
    for near, gain in row:
        for speaker, share in _place(near, target).items():
            found[speaker] += gain * share
    return dict(found)


def _place_discrete(channels: int) -> list[dict[str, float]]:
    """Return both sides for each channel, except that the first two are left and right.

    In every convention the first pair is one; which of the others are pairs, nobody can tell.
    """
    both = {"FL": _HALF_POWER, "FR": _HALF_POWER}
    return [{"FL": 1.0}, {"FR": 1.0}, *[both] * (channels - 2)]


def _place_ambisonic(channels: int) -> list[dict[str, float]]:
    """Return what two cardioid microphones would hear that look to the front left and right.

    Channels are in the order of ACN: W, Y, Z, X, then those of higher orders, which add detail
    that two microphones do not have. After a whole number of orders a plain stereo pair may follow.
    """
    sound_field = isqrt(channels) ** 2
    field = [{"FL": 1.0, "FR": 1.0}, {"FL": _HALF_POWER, "FR": -_HALF_POWER}, {}]
    field.append({"FL": _HALF_POWER, "FR": _HALF_POWER})
    field += [{}] * (sound_field - 4)
    pair = [{"FL": 1.0}, {"FR": 1.0}] if channels - sound_field == 2 else []
    return [*field[:sound_field], *pair, *[{}] * (channels - sound_field - len(pair))]


def _turn_down(rows: Sequence[tuple[float, ...]]) -> tuple[tuple[float, ...], ...]:
    """Return the gains, all lowered alike so that no speaker gets more than full scale."""
    loudest = max(sum(abs(gain) for gain in row) for row in rows)
    share = 1 / loudest if loudest > 1 else 1.0
    return tuple(tuple(gain * share for gain in row) for row in rows)


def _is_moved_only(gains: Sequence[Sequence[float]]) -> bool:
    """Check whether each channel has one speaker, and no speaker has two."""
    used = [[gain for gain in row if gain] for row in gains]
    return all(row in ([], [1.0]) for row in used) and sum(map(len, used)) == len(gains[0])


def _describe_silent(track: AudioStream, layout: str, silent: Sequence[str]) -> str:
    """Return which speakers of an output nothing was recorded for; empty if there are none."""
    if not silent:
        return ""
    verb = "is" if len(silent) == 1 else "are"
    return f"{_describe(track, layout)}, in which {', '.join(silent)} {verb} silent"


def _describe(track: AudioStream, layout: str) -> str:
    if track.layout.startswith(_AMBISONIC):
        return f"the {track.layout} sound field was folded down to {layout}"
    if not list_places(track):
        return (
            f"nothing states where its {track.channels} channels belong: all were mixed into "
            f"{layout}"
        )
    return f"its {track.channels} channels ({track.layout or 'usual places'}) became {layout}"
