"""What header and encoder state, compared with what the packets show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from cinemill.core.origin.forensics import (
    FactValue,
    FindingCode,
    FindingStrength,
    ForensicsFinding,
)
from cinemill.media.forensics.encoders import EncoderName, HeaderTags
from cinemill.media.forensics.packet_table import PacketTable
from cinemill.media.forensics.timing import Cadence

RATE_TOLERANCE = 0.03
BITRATE_TOLERANCE = 0.25
COUNT_TOLERANCE_FRAMES = 3
DURATION_TOLERANCE_SECONDS = 0.5
DURATION_TOLERANCE_SHARE = 0.02
FEWEST_SECONDS = 2.0
"""Shorter videos have no stable bitrate."""


@dataclass(frozen=True, slots=True)
class DeclaredFacts:
    """Facts that the header or the stream states; None where it does not."""

    stream_rate: Fraction | None = None
    """Frames a second that the encoder wrote into the stream."""
    bitrate_bps: int | None = None
    """Of the video alone."""
    frames: int | None = None
    video_seconds: float | None = None
    audio_seconds: float | None = None
    tags: HeaderTags = field(default_factory=HeaderTags)


def read_number(tags: Mapping[str, str], *names: str) -> int | None:
    """Return the first of these tags that holds a whole number. Names are compared by case."""
    for name in names:
        for key, value in tags.items():
            # Matroska's statistics carry the language: BPS-eng.
            if key.partition("-")[0] == name and value.isascii() and value.isdigit():
                return int(value[:15])
    return None


def compare_declared(
    declared: DeclaredFacts, table: PacketTable, cadence: Cadence
) -> list[ForensicsFinding]:
    """Compare the header's figures with the packets. Only a whole video has figures."""
    found: list[ForensicsFinding | None] = [_compare_rate(declared, cadence)]
    if table.is_whole:
        found += [
            _compare_bitrate(declared, table, cadence),
            _compare_count(declared, table),
            _compare_durations(declared),
        ]
    return [one for one in found if one is not None]


def _compare_rate(declared: DeclaredFacts, cadence: Cadence) -> ForensicsFinding | None:
    stated = declared.stream_rate
    if not stated or not cadence.is_steady or not 1 <= stated <= 1000:
        return None
    measured = 1 / cadence.step_seconds
    if abs(measured / float(stated) - 1) <= RATE_TOLERANCE:
        return None
    return ForensicsFinding(
        FindingCode.RATE_DIFFERS,
        FindingStrength.WEAK,
        f"The encoder wrote {float(stated):.5g} frames a second into the stream, and they are "
        f"played at {measured:.5g}: it was made faster or slower without encoding, or the program "
        "that wrote the file does not state its rate correctly.",
        facts={"stated": round(float(stated), 3), "measured": round(measured, 3)},
    )


def _compare_bitrate(
    declared: DeclaredFacts, table: PacketTable, cadence: Cadence
) -> ForensicsFinding | None:
    seconds = table.seconds + cadence.step_seconds
    if not declared.bitrate_bps or seconds < FEWEST_SECONDS:
        return None
    measured = float(table.sizes.sum()) * 8 / seconds
    if abs(measured / declared.bitrate_bps - 1) <= BITRATE_TOLERANCE:
        return None
    return ForensicsFinding(
        FindingCode.BITRATE_DIFFERS,
        FindingStrength.WEAK,
        f"The header states {_kilobits(declared.bitrate_bps)} for the video, and it has "
        f"{_kilobits(measured)}: the header was copied from another file, or was written before "
        "the video was complete.",
        facts={"stated_bps": declared.bitrate_bps, "measured_bps": round(measured)},
    )


def _compare_count(declared: DeclaredFacts, table: PacketTable) -> ForensicsFinding | None:
    if not declared.frames or abs(declared.frames - len(table.times)) <= COUNT_TOLERANCE_FRAMES:
        return None
    return ForensicsFinding(
        FindingCode.COUNT_DIFFERS,
        FindingStrength.WEAK,
        f"The header states {declared.frames} frames, and there are {len(table.times)}: frames "
        "were added or removed after it was written.",
        facts={"stated": declared.frames, "measured": len(table.times)},
    )


def _compare_durations(declared: DeclaredFacts) -> ForensicsFinding | None:
    video, audio = declared.video_seconds, declared.audio_seconds
    if not video or not audio:
        return None
    slack = max(DURATION_TOLERANCE_SECONDS, DURATION_TOLERANCE_SHARE * video)
    if abs(video - audio) <= slack:
        return None
    longer, shorter = ("video", "audio") if video > audio else ("audio", "video")
    return ForensicsFinding(
        FindingCode.DURATIONS_DIFFER,
        FindingStrength.WEAK,
        f"The {longer} is {abs(video - audio):.1f} s longer than the {shorter}: one of them was "
        "cut or replaced, or recording began or ended late.",
        facts={"video_seconds": round(video, 3), "audio_seconds": round(audio, 3)},
    )


def check_settings(encoder: EncoderName | None, table: PacketTable) -> list[ForensicsFinding]:
    """Compare the settings that the encoder states with the stream."""
    if encoder is None:
        return []
    found = [*_check_interval(encoder, table), *_check_reordering(encoder, table)]
    return [
        ForensicsFinding(
            FindingCode.SETTINGS_CONTRADICTED,
            FindingStrength.STRONG,
            f"{sentence} The note belongs to another encoding, or frames were removed or joined.",
        )
        for sentence in found
    ]


def _check_interval(encoder: EncoderName, table: PacketTable) -> list[str]:
    keys = np.append(table.key_places, len(table.is_key))
    most = encoder.number("keyint")
    longest = int(np.diff(keys).max(initial=0))
    if not most or longest <= most + 1:
        return []
    return [
        f"The encoder states a key frame at least every {most:.0f} frames, and there is a gap of "
        f"{longest}."
    ]


def _check_reordering(encoder: EncoderName, table: PacketTable) -> list[str]:
    if encoder.number("bframes") == 0 and table.is_reordered().any():
        return ["The encoder states that it uses no B-frames, and there are some."]
    return []


def describe_origin(tags: HeaderTags, encoder: EncoderName | None) -> list[ForensicsFinding]:
    """Return which encoder and programs are named, and whether that fits a named camera."""
    named = [*([] if encoder is None else [encoder.name]), *tags.software]
    found = []
    if encoder is not None or tags.programs or tags.camera.strip():
        found.append(_describe_names(tags, encoder))
    if tags.camera.strip() and named:
        found.append(
            ForensicsFinding(
                FindingCode.REWRITTEN,
                FindingStrength.STRONG,
                f"The file names a camera ({tags.camera.strip()}) and a program that is not part "
                f"of one ({named[0]}): it is not the camera's original file.",
                facts={"camera": tags.camera.strip(), "program": named[0]},
            )
        )
    return found


def _describe_names(tags: HeaderTags, encoder: EncoderName | None) -> ForensicsFinding:
    parts = [f"encoder {encoder.name}"] if encoder is not None else []
    parts += [f"program {name}" for name in tags.programs[:3]]
    parts += [f"camera {tags.camera.strip()}"] if tags.camera.strip() else []
    facts: dict[str, FactValue] = {}
    if encoder is not None:
        facts["encoder"] = encoder.name
    if tags.programs:
        facts["program"] = tags.programs[0]
    return ForensicsFinding(
        FindingCode.ENCODER_NAMED,
        FindingStrength.NOTE,
        f"By its own account: {', '.join(parts)}. Anyone can write such names.",
        facts=facts,
    )


def _kilobits(bits: float) -> str:
    return f"{bits / 1000:,.0f} kbit/s"
