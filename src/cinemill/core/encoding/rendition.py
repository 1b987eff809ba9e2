"""What a rendition is to be: codec, container, size and rate, and which of them go together.

Pure: options as people write them in, a request out, or the reason why there can be none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from cinemill.core.parameter_reader import read_parameters
from cinemill.core.parameters import Expected, Parameters, choice_of, expect, none_as, reject

LARGEST_SIDE_PIXELS = 16_384
LEAST_BITRATE_BPS = 8_000
LARGEST_BITRATE_BPS = 2_000_000_000
LARGEST_FPS = 240
HIGHEST_VMAF = 100
"""Which no encoder promises."""
_BITRATE = re.compile(r"^(\d{1,12}(?:\.\d{1,12})?)\s*([kKmM]?)(?:bps|bit/s)?$")
_RATE = re.compile(r"^[0-9]{1,9}(\.[0-9]{1,9}|/[0-9]{1,9})?$")
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


class VideoCodec(StrEnum):
    H264 = "h264"
    H265 = "h265"
    VP9 = "vp9"
    AV1 = "av1"


class Container(StrEnum):
    MP4 = "mp4"
    WEBM = "webm"
    MKV = "mkv"


class SoundChoice(StrEnum):
    """Codec of the audio. Auto copies what the container can hold and encodes the rest."""

    AUTO = "auto"
    AAC = "aac"
    OPUS = "opus"
    COPY = "copy"
    NONE = "none"


class Purpose(StrEnum):
    """Purpose of an output, which sets the encoder's effort and quality."""

    ARCHIVE = "archive"
    WEB = "web"
    MOBILE = "mobile"


@dataclass(frozen=True, slots=True)
class Preset:
    crf: Mapping[VideoCodec, int]
    effort: Mapping[VideoCodec, str]
    """x264's and x265's preset, SVT-AV1's preset, libvpx's cpu-used."""
    height_at_most: int
    sound_bitrate_bps: int
    """Of two channels; more take their share more."""


PRESETS: Mapping[Purpose, Preset] = {
    Purpose.ARCHIVE: Preset(
        crf={VideoCodec.H264: 17, VideoCodec.H265: 16, VideoCodec.VP9: 20, VideoCodec.AV1: 18},
        effort={
            VideoCodec.H264: "slow",
            VideoCodec.H265: "medium",
            VideoCodec.VP9: "2",
            VideoCodec.AV1: "6",
        },
        height_at_most=LARGEST_SIDE_PIXELS,
        sound_bitrate_bps=256_000,
    ),
    Purpose.WEB: Preset(
        crf={VideoCodec.H264: 22, VideoCodec.H265: 22, VideoCodec.VP9: 29, VideoCodec.AV1: 29},
        effort={
            VideoCodec.H264: "medium",
            VideoCodec.H265: "fast",
            VideoCodec.VP9: "4",
            VideoCodec.AV1: "8",
        },
        height_at_most=LARGEST_SIDE_PIXELS,
        sound_bitrate_bps=160_000,
    ),
    Purpose.MOBILE: Preset(
        crf={VideoCodec.H264: 23, VideoCodec.H265: 26, VideoCodec.VP9: 36, VideoCodec.AV1: 36},
        effort={
            VideoCodec.H264: "veryfast",
            VideoCodec.H265: "veryfast",
            VideoCodec.VP9: "5",
            VideoCodec.AV1: "10",
        },
        height_at_most=720,
        sound_bitrate_bps=96_000,
    ),
}

PICTURES: Mapping[Container, frozenset[VideoCodec]] = {
    Container.MP4: frozenset(VideoCodec),
    Container.MKV: frozenset(VideoCodec),
    Container.WEBM: frozenset({VideoCodec.VP9, VideoCodec.AV1}),
}
SOUNDS: Mapping[Container, frozenset[SoundChoice]] = {
    Container.MP4: frozenset(SoundChoice),
    Container.MKV: frozenset(SoundChoice),
    Container.WEBM: frozenset(SoundChoice) - {SoundChoice.AAC},
}
CRF_RANGES: Mapping[VideoCodec, tuple[int, int]] = {
    VideoCodec.H264: (0, 51),
    VideoCodec.H265: (0, 51),
    VideoCodec.VP9: (0, 63),
    VideoCodec.AV1: (1, 63),
}


def _read_bitrate(value: object) -> int | None:
    if value is None:
        return None
    is_readable = isinstance(value, int | float | str) and not isinstance(value, bool)
    match = _BITRATE.match(str(value)) if is_readable else None
    if match is None:
        raise expect("a number of bits per second, such as 5M, 800k or 5000000")
    bps = int(Fraction(match.group(1)) * _UNITS[match.group(2).lower()])
    if not LEAST_BITRATE_BPS <= bps <= LARGEST_BITRATE_BPS:
        raise expect(f"between {LEAST_BITRATE_BPS} and {LARGEST_BITRATE_BPS} bits a second")
    return bps


def _read_fps(value: object) -> Fraction | None:
    if value is None:
        return None
    try:
        fps = as_rate(value)
    except (ValueError, ZeroDivisionError):
        raise expect("a number of frames a second, such as 25, 23.976 or 30000/1001") from None
    if not 0 < fps <= LARGEST_FPS:
        raise expect(f"above 0 and at most {LARGEST_FPS} frames a second")
    return fps


Side = Annotated[
    int | None,
    Field(ge=2, le=LARGEST_SIDE_PIXELS),
    Expected(f"a whole number of pixels from 2 to {LARGEST_SIDE_PIXELS}"),
]
Bitrate = Annotated[
    int | None,
    BeforeValidator(_read_bitrate),
    WithJsonSchema(
        {"type": ["integer", "string", "null"], "pattern": _BITRATE.pattern, "default": None}
    ),
]
Rate = Annotated[
    Fraction | None,
    BeforeValidator(_read_fps),
    WithJsonSchema({"type": ["number", "string", "null"], "pattern": _RATE.pattern}),
]


class RenditionRequest(Parameters):
    """A rendition: null leaves a choice to the source and the preset."""

    codec: Annotated[VideoCodec, choice_of(VideoCodec), none_as(VideoCodec.H264)] = VideoCodec.H264
    """Codec of the video."""
    container: Annotated[Container, choice_of(Container), none_as(Container.MP4)] = Container.MP4
    """File format."""
    width: Side = None
    """Width in pixels. Width and height are a box that the video is fitted into; its aspect ratio
    is kept."""
    height: Side = None
    """Height in pixels. Width and height are a box that the video is fitted into; its aspect ratio
    is kept."""
    bitrate_bps: Annotated[Bitrate, Field(validation_alias="bitrate")] = None
    """Average bitrate of the video in bits per second, such as 5M, 800k or 5000000."""
    crf: int | None = None
    """Constant rate factor of the encoder, in place of a bitrate. Lower is better and larger."""
    fps: Rate = None
    """Constant frame rate, such as 25, 23.976 or 30000/1001. Null keeps the source's timing."""
    sound: Annotated[
        SoundChoice,
        choice_of(SoundChoice),
        none_as(SoundChoice.AUTO),
        Field(validation_alias="audio"),
    ] = SoundChoice.AUTO
    """Codec of the audio, copy or none. Auto copies what the container can hold and encodes the
    rest."""
    sound_bitrate_bps: Annotated[Bitrate, Field(validation_alias="audio_bitrate")] = None
    """Bitrate of the audio in bits per second, such as 128k."""
    purpose: Annotated[
        Purpose, choice_of(Purpose), none_as(Purpose.WEB), Field(validation_alias="preset")
    ] = Purpose.WEB
    """Purpose, which sets how much effort the encoder makes and how good the video is."""
    use_gpu: Annotated[bool, none_as(False)] = False
    """Encode in hardware where a worker has it. Otherwise software is used, and the result says
    so."""
    vmaf_min: Annotated[
        float | None,
        Field(gt=0, lt=HIGHEST_VMAF),
        Expected(
            f"a number above 0 and below {HIGHEST_VMAF}",
            hint="93 is common; even a perfect copy of a still image gets no more than 97.4.",
        ),
    ] = None
    """Lowest VMAF score that is accepted. Null measures nothing."""

    @field_validator("crf", mode="before")
    @classmethod
    def _check_crf(cls, value: Any, info: ValidationInfo) -> Any:
        codec = info.data.get("codec")
        if value is None or codec is None:
            return value
        least, most = CRF_RANGES[codec]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise expect(f"a whole number from {least} to {most} for {codec.value}")
        return value

    @model_validator(mode="after")
    def _refuse_impossible(self) -> RenditionRequest:
        container = self.container
        if self.codec not in PICTURES[container]:
            raise _impossible(
                f"{container.value} cannot hold {self.codec.value}.",
                f"Use {_list(PICTURES[container])}, or another container.",
            )
        if self.sound not in SOUNDS[container]:
            raise _impossible(
                f"{container.value} cannot hold {self.sound.value} audio.",
                f"Use {_list(SOUNDS[container])}, or another container.",
            )
        if self.bitrate_bps is not None and self.crf is not None:
            raise _impossible("bitrate and crf cannot be combined.", "Set one of them, or neither.")
        return self

    @property
    def preset(self) -> Preset:
        return PRESETS[self.purpose]

    @property
    def effective_crf(self) -> int:
        """The factor asked for, else the preset's; of no use where a bitrate is kept."""
        return self.preset.crf[self.codec] if self.crf is None else self.crf

    def to_json(self) -> dict[str, Any]:
        """Return the options that this request is read from.

        Content keys are made of them: what they are for a request must never change.
        """
        options = {
            "codec": self.codec.value,
            "container": self.container.value,
            "width": self.width,
            "height": self.height,
            "bitrate": self.bitrate_bps,
            "crf": self.crf,
            "fps": None if self.fps is None else str(self.fps),
            "audio": self.sound.value,
            "audio_bitrate": self.sound_bitrate_bps,
            "preset": self.purpose.value,
            "use_gpu": self.use_gpu or None,
            "vmaf_min": self.vmaf_min,
        }
        return {name: value for name, value in options.items() if value is not None}


def read_rendition(options: Any) -> RenditionRequest:
    """Return the request that a dictionary of options describes. Raises InputRejected."""
    return read_parameters(RenditionRequest, options)


def as_rate(value: Any) -> Fraction:
    """Frames a second as people write them; 23.976 and its like mean the broadcast rates, which
    are multiples of 1000/1001. Raises ValueError, ZeroDivisionError."""
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError
    if isinstance(value, str) and not _RATE.match(value):
        raise ValueError  # 1e999999999 would fill the memory with noughts
    fps = Fraction(str(value))
    broadcast = Fraction(round(fps), 1) * Fraction(1000, 1001)
    is_broadcast = fps.denominator != 1 and abs(fps - broadcast) < Fraction(1, 200)
    return broadcast if is_broadcast else fps


def _list(choices: Iterable[StrEnum]) -> str:
    return ", ".join(sorted(choice.value for choice in choices))


def _impossible(message: str, hint: str) -> PydanticCustomError:
    return reject(message, code="combination_impossible", hint=hint)
