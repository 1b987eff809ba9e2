"""What a rendition is to be: codec, container, size and rate, and which of them go together.

Pure: options as people write them in, a request out, or the reason why there can be none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeVar

from cinemill.errors import InputRejected

LARGEST_SIDE_PIXELS = 16_384
LEAST_BITRATE_BPS = 8_000
LARGEST_BITRATE_BPS = 2_000_000_000
LARGEST_FPS = 240
HIGHEST_VMAF = 100
"""Which no encoder promises."""
Choice = TypeVar("Choice", bound=StrEnum)
_BITRATE = re.compile(r"^(\d+(?:\.\d+)?)\s*([kKmM]?)(?:bps|bit/s)?$")
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
    """``auto`` copies a track that the container may hold and encodes every other."""

    AUTO = "auto"
    AAC = "aac"
    OPUS = "opus"
    COPY = "copy"
    NONE = "none"


class Purpose(StrEnum):
    """What it is made for: how hard the encoder tries, and how good the picture must be."""

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


@dataclass(frozen=True, slots=True)
class RenditionRequest:
    """A rendition as asked for; ``None`` leaves the choice to the source and the preset."""

    codec: VideoCodec = VideoCodec.H264
    container: Container = Container.MP4
    width: int | None = None
    """With ``height`` a box that the picture is fitted into, its shape kept."""
    height: int | None = None
    bitrate_bps: int | None = None
    """Of the picture, on average."""
    crf: int | None = None
    """The encoder's constant rate factor: less is better and larger."""
    fps: Fraction | None = None
    """A constant rate; None keeps the source's own times."""
    sound: SoundChoice = SoundChoice.AUTO
    sound_bitrate_bps: int | None = None
    purpose: Purpose = Purpose.WEB
    use_gpu: bool = False
    """In hardware where a worker has it; else in software, and said so."""
    vmaf_min: float | None = None
    """The least VMAF that will do, above 0 and below 100; None measures nothing."""

    @property
    def preset(self) -> Preset:
        return PRESETS[self.purpose]

    @property
    def effective_crf(self) -> int:
        """The factor asked for, else the preset's; of no use where a bitrate is kept."""
        return self.preset.crf[self.codec] if self.crf is None else self.crf

    def to_json(self) -> dict[str, Any]:
        """The options that :func:`read_rendition` reads this request from."""
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


OPTIONS = (
    *("codec", "container", "width", "height", "bitrate", "crf", "fps"),
    *("audio", "audio_bitrate", "preset", "use_gpu", "vmaf_min"),
)


def read_rendition(options: Mapping[str, Any]) -> RenditionRequest:
    """A request out of the dictionary that scripts pass.

    Raises InputRejected: ``params_invalid``, ``combination_impossible``.
    """
    unknown = sorted(options.keys() - set(OPTIONS))
    if unknown:
        raise _invalid(
            f"There is no option {', '.join(unknown)}.", f"Use some of: {', '.join(OPTIONS)}."
        )
    codec = _choose(VideoCodec, options, "codec", VideoCodec.H264)
    request = RenditionRequest(
        codec=codec,
        container=_choose(Container, options, "container", Container.MP4),
        width=_read_length(options, "width"),
        height=_read_length(options, "height"),
        bitrate_bps=_read_bitrate(options, "bitrate"),
        crf=_read_crf(options, codec),
        fps=_read_fps(options),
        sound=_choose(SoundChoice, options, "audio", SoundChoice.AUTO),
        sound_bitrate_bps=_read_bitrate(options, "audio_bitrate"),
        purpose=_choose(Purpose, options, "preset", Purpose.WEB),
        use_gpu=_read_flag(options, "use_gpu"),
        vmaf_min=_read_vmaf(options),
    )
    _refuse_impossible(request)
    return request


def _refuse_impossible(request: RenditionRequest) -> None:
    container = request.container
    if request.codec not in PICTURES[container]:
        raise _impossible(
            f"{container.value} cannot hold {request.codec.value}.",
            f"Use {_list(PICTURES[container])}, or another container.",
        )
    if request.sound not in SOUNDS[container]:
        raise _impossible(
            f"{container.value} cannot hold {request.sound.value} sound.",
            f"Use {_list(SOUNDS[container])}, or another container.",
        )
    if request.bitrate_bps is not None and request.crf is not None:
        raise _impossible(
            "A bitrate and a crf cannot both be kept.", "Give one of them, or neither."
        )


def _choose(kind: type[Choice], options: Mapping[str, Any], name: str, default: Choice) -> Choice:
    value = options.get(name)
    if value is None:
        return default
    try:
        return kind(str(value).lower())
    except ValueError:
        raise _invalid(
            f"There is no {name} called {value!r}.", f"Use one of: {_list(kind)}."
        ) from None


def _read_length(options: Mapping[str, Any], name: str) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not _is_side(value):
        raise _invalid(
            f"{name} must be a number of pixels from 2 to {LARGEST_SIDE_PIXELS}, not {value!r}."
        )
    return value


def _is_side(pixels: int) -> bool:
    return 2 <= pixels <= LARGEST_SIDE_PIXELS


def _read_bitrate(options: Mapping[str, Any], name: str) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    match = _BITRATE.match(str(value)) if not isinstance(value, bool) else None
    if match is None:
        raise _invalid(f"{name} must be like 5M, 800k or 5000000, not {value!r}.")
    bps = int(Fraction(match.group(1)) * _UNITS[match.group(2).lower()])
    if not LEAST_BITRATE_BPS <= bps <= LARGEST_BITRATE_BPS:
        raise _invalid(
            f"{name} must be between {LEAST_BITRATE_BPS} and {LARGEST_BITRATE_BPS} bits a second."
        )
    return bps


def _read_flag(options: Mapping[str, Any], name: str) -> bool:
    value = options.get(name)
    if value is not None and not isinstance(value, bool):
        raise _invalid(f"{name} must be true or false, not {value!r}.")
    return bool(value)


def _read_crf(options: Mapping[str, Any], codec: VideoCodec) -> int | None:
    value = options.get("crf")
    if value is None:
        return None
    least, most = CRF_RANGES[codec]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _invalid(f"crf must be a whole number from {least} to {most} for {codec.value}.")
    return value


def _read_fps(options: Mapping[str, Any]) -> Fraction | None:
    value = options.get("fps")
    if value is None:
        return None
    try:
        fps = as_rate(value)
    except (ValueError, ZeroDivisionError):
        raise _invalid(f"fps must be like 25, 23.976 or 30000/1001, not {value!r}.") from None
    if not 0 < fps <= LARGEST_FPS:
        raise _invalid(f"fps must be above 0 and at most {LARGEST_FPS}.")
    return fps


def _read_vmaf(options: Mapping[str, Any]) -> float | None:
    value = options.get("vmaf_min")
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < HIGHEST_VMAF:
        raise _invalid(
            f"vmaf_min must be a number above 0 and below {HIGHEST_VMAF}.",
            "93 is a usual wish; even a perfect copy of a still picture gets no more than 97.4.",
        )
    return float(value)


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


def _list(choices: Any) -> str:
    return ", ".join(sorted(choice.value for choice in choices))


def _invalid(message: str, way_on: str | None = None) -> InputRejected:
    return InputRejected(message, code="params_invalid", way_on=way_on)


def _impossible(message: str, way_on: str) -> InputRejected:
    return InputRejected(message, code="combination_impossible", way_on=way_on)
