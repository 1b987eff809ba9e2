"""Key frames off their beat, joins that the stream shows, and changes of its structure."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from cinemill.core.origin.forensics import FindingCode, FindingStrength, ForensicsFinding
from cinemill.media.forensics.encoders import EncoderName, read_encoder
from cinemill.media.forensics.packet_table import PacketTable
from cinemill.media.forensics.timing import Cadence

FEWEST_INTERVALS = 6
BEAT_SHARE = 0.75
"""Of all intervals between key frames, so many must be alike to speak of a beat."""
MOST_FINDINGS = 10
FEWEST_SIDE_FRAMES = 24
"""Frames before and after a change of structure."""
LEAST_REORDERED = 0.25
"""Of the frames of a part that was encoded with B-frames."""
_OFTEN = 0.5


def find_joins(table: PacketTable) -> list[ForensicsFinding]:
    """Find places where an encoder introduces itself once more, as it does at its beginning."""
    keys = np.flatnonzero(table.is_key)
    named = sorted({note.packet for note in table.notes if read_encoder(note.text).settings})
    if len(named) < 2 or len(named) > _OFTEN * max(len(keys), 4):
        return []  # some encoders repeat it at every key frame
    return [
        ForensicsFinding(
            FindingCode.JOINED,
            FindingStrength.STRONG,
            "The encoder introduces itself again here, as it does once at the beginning of a "
            "recording: separately encoded parts were joined.",
            round(float(table.times[packet]) * 1000),
        )
        for packet in named[1 : MOST_FINDINGS + 1]
    ]


def find_configuration_changes(table: PacketTable) -> list[ForensicsFinding]:
    """Find where the decoder configuration differs from the one before."""
    found, current = [], ""
    for packet, digest in table.configurations:
        if current and digest != current and packet > 0:
            found.append(packet)
        current = digest
    return [
        ForensicsFinding(
            FindingCode.CONFIGURATION_CHANGES,
            FindingStrength.STRONG,
            "The decoder configuration changes here, which an encoder does not do within a "
            "recording: parts with other settings were joined.",
            round(float(table.times[packet]) * 1000),
        )
        for packet in dict.fromkeys(found[:MOST_FINDINGS])
    ]


def find_key_frames_off_beat(
    table: PacketTable, encoder: EncoderName | None
) -> list[ForensicsFinding]:
    """Find key frames that come too early in a stream where they come at a steady beat."""
    keys = table.key_places
    # The last interval is cut short by the end of the video.
    intervals = np.diff(keys)
    if len(intervals) < FEWEST_INTERVALS:
        return []
    beat, count = Counter(intervals.tolist()).most_common(1)[0]
    if beat < 2 or count < BEAT_SHARE * len(intervals) or beat < intervals.max():
        return []
    has_scene_cuts = encoder is None or encoder.number("scenecut") != 0
    early = keys[1:][intervals < beat]
    times = table.times[table.display_order]
    return [
        _describe_early(float(times[place]), int(beat), has_scene_cuts=has_scene_cuts)
        for place in early[:MOST_FINDINGS]
    ]


def _describe_early(seconds: float, beat: int, *, has_scene_cuts: bool) -> ForensicsFinding:
    sentence = f"Key frames come every {beat} frames, and this one comes early. "
    if has_scene_cuts:
        sentence += (
            "Encoders do so at a cut in the picture; a join without encoding looks the same."
        )
    else:
        sentence += (
            "The encoder states that it does not look for cuts (scenecut=0), so parts were joined."
        )
    return ForensicsFinding(
        FindingCode.KEY_FRAME_OFF_BEAT,
        FindingStrength.WEAK if has_scene_cuts else FindingStrength.STRONG,
        sentence,
        round(seconds * 1000),
        {"beat_frames": beat},
    )


def find_structure_changes(table: PacketTable, cadence: Cadence) -> list[ForensicsFinding]:
    """Find a key frame from which on frames are reordered that were not before, or the reverse."""
    found = _find_reorder_change(table)
    if found is None and cadence.is_steady:
        found = _find_delay_change(table, cadence)
    return [] if found is None else [found]


def _find_reorder_change(table: PacketTable) -> ForensicsFinding | None:
    reordered = table.is_reordered()
    places = np.flatnonzero(reordered)
    if not len(places):
        return None
    keys = np.flatnonzero(table.is_key)
    start = int(keys[keys <= places[0]].max(initial=0))
    end = int(keys[keys > places[-1]].min(initial=len(reordered)))
    if _is_half(reordered, slice(start, None)):
        what = "From here on, frames are stored out of order (B-frames), and none before."
        return _describe_change(table, start, what)
    if _is_half(reordered, slice(None, end)):
        what = "Up to here, frames are stored out of order (B-frames), and none after."
        return _describe_change(table, end, what)
    return None


def _is_half(reordered: NDArray[np.bool_], part: slice) -> bool:
    """Check whether all reordered frames are in this part, many of it, and much is outside."""
    inside = reordered[part]
    outside = len(reordered) - len(inside)
    enough = min(len(inside), outside) >= FEWEST_SIDE_FRAMES
    return enough and float(inside.mean()) >= LEAST_REORDERED


def _find_delay_change(table: PacketTable, cadence: Cadence) -> ForensicsFinding | None:
    """Find a key frame that waits for another number of frames than those before."""
    # At the beginning, frames may wait for others than later on.
    keys = np.flatnonzero(table.is_key & np.isfinite(table.delays))[1:]
    if len(keys) < 2 or not table.is_reordered().any():
        return None
    waits = np.rint(table.delays[keys] / cadence.step_seconds).astype(int)
    changed = np.flatnonzero(np.diff(waits))
    if len(changed) != 1:
        return None
    return _describe_change(
        table,
        int(keys[changed[0] + 1]),
        f"Frames wait for {waits[changed[0] + 1]} others before they are shown from here on, "
        f"and for {waits[changed[0]]} before.",
    )


def _describe_change(table: PacketTable, packet: int, what: str) -> ForensicsFinding:
    return ForensicsFinding(
        FindingCode.STRUCTURE_CHANGES,
        FindingStrength.WEAK,
        f"{what} An encoder rarely changes this within a recording; parts that were encoded "
        "separately differ so.",
        round(float(table.times[packet]) * 1000),
    )
