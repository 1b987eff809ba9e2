"""Encoders as they name themselves in a stream or its header, and their settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cinemill.media.forensics.packet_table import PacketTable

LONGEST_NAME = 120
_X26X = re.compile(r"(x26[45]) (?:- core |\(build )(\d+)")
_OPTION = re.compile(r"([a-z0-9_-]{2,24})=([0-9a-z.:+-]{1,24})", re.IGNORECASE)
_SOFTWARE = re.compile(
    r"\b(?:x264|x265|Lavc|Lavf|libav|FFmpeg|HandBrake|Premiere|After Effects|DaVinci|Resolve"
    r"|Final Cut|Vegas|CapCut|VideoProc|Shotcut|Kdenlive|Avidemux|MEncoder|XviD|DivX|GStreamer"
    r"|Adobe|InShot|VN Video)\b|\b(?:x264|x265|Lavc|Lavf|XviD|DivX)(?=[\d.])",
    re.IGNORECASE,
)
_MAKER_KEYS = ("com.apple.quicktime.make", "make", "manufacturer")
_MODEL_KEYS = ("com.apple.quicktime.model", "model", "com.android.model")
# Nearly every program that writes MP4 calls its tracks so.
_ANYBODYS_NAMES = frozenset({"VideoHandler", "SoundHandler"})
_PROGRAM_KEYS = (
    "encoder",
    "com.apple.quicktime.software",
    "software",
    "writing_application",
    "encoded_by",
    "handler_name",
)


@dataclass(frozen=True, slots=True)
class EncoderName:
    """An encoder by its own account, with the settings that it states."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def number(self, setting: str) -> float | None:
        """Return a setting as a number; None where it is not stated or is none."""
        try:
            return float(self.settings[setting])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class HeaderTags:
    """What the header says about camera and programs; all of it is easily forged."""

    maker: str = ""
    model: str = ""
    programs: tuple[str, ...] = ()

    @property
    def camera(self) -> str:
        """Return the camera's maker and model."""
        return self.model if self.model.startswith(self.maker) else f"{self.maker} {self.model}"

    @property
    def software(self) -> tuple[str, ...]:
        """Return the programs that are no camera's own."""
        return tuple(name for name in self.programs if _SOFTWARE.search(name))


def read_encoder(text: str) -> EncoderName:
    """Return the encoder that a note in the stream names."""
    known = _X26X.search(text)
    name = f"{known[1]} {known[2]}" if known else text[:LONGEST_NAME].strip()
    return EncoderName(name, dict(_OPTION.findall(text)) if known else {})


def find_encoder(table: PacketTable) -> EncoderName | None:
    """Return the encoder that the stream names first; None if it names none."""
    for note in table.notes:
        encoder = read_encoder(note.text)
        if encoder.settings or _SOFTWARE.search(encoder.name):
            return encoder
    return None


def read_header_tags(*groups: Mapping[str, str]) -> HeaderTags:
    """Return camera and programs of the metadata of a container and its stream."""
    tags = {key.lower(): _clip(value) for group in reversed(groups) for key, value in group.items()}
    named = (
        _clip(value) for group in groups for key, value in group.items() if _is_program(key, value)
    )
    return HeaderTags(
        maker=next((tags[key] for key in _MAKER_KEYS if tags.get(key)), ""),
        model=next((tags[key] for key in _MODEL_KEYS if tags.get(key)), ""),
        programs=tuple(dict.fromkeys(filter(None, named))),
    )


def _is_program(key: str, value: str) -> bool:
    return key.lower() in _PROGRAM_KEYS and value not in _ANYBODYS_NAMES


def _clip(value: str) -> str:
    return "".join(one for one in value[: 2 * LONGEST_NAME] if one.isprintable())[:LONGEST_NAME]
