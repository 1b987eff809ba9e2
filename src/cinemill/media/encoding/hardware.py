"""Hardware encoders: their names, their devices, and their options for a rendition. Pure.

The options follow FFmpeg's documentation (the encoders' own ``-h encoder=NAME``, and the chapters
on VAAPI, QSV and VideoToolbox). No two vendors measure quality alike, so a crf is mapped to about
the same place on each one's scale; only a measured VMAF shows the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cinemill.core.encoding.rendition import Purpose, RenditionRequest, VideoCodec

BITRATE_HEADROOM = 1.5
BUFFER_SECONDS = 2
"""As in software: see ``media.encoding.encode_plan``."""
QSV_WORST = 51
VAAPI_INDEX_STEP = 4
"""VP9 and AV1 take a quantizer index, 0–255, instead of a crf, 0–63."""
VIDEOTOOLBOX_BEST = 100


@dataclass(frozen=True, slots=True)
class HardwareVendor:
    """Encoders of one vendor, or behind one interface."""

    name: str
    codecs: tuple[VideoCodec, ...]
    quality_arguments: Callable[[VideoCodec, int], list[str]]
    """Converts (codec, crf) to arguments."""
    efforts: Mapping[Purpose, tuple[str, ...]] = field(default_factory=dict)
    bitrate_mode: tuple[str, ...] = ()
    """Arguments that precede a bitrate."""
    device_option: str | None = None
    """Option that names the device, placed before the input."""
    is_uploaded: bool = False
    """Whether a filter uploads frames into its memory; the others take frames as they are."""


def _nvenc_quality(_codec: VideoCodec, crf: int) -> list[str]:
    # 0 would mean "automatic".
    return ["-rc", "vbr", "-cq", str(max(1, crf)), "-b:v", "0"]


def _qsv_quality(codec: VideoCodec, crf: int) -> list[str]:
    """Return the arguments for ICQ, 1 to 51."""
    scaled = crf if codec in _OLD_SCALE else round(crf * QSV_WORST / 63)
    return ["-global_quality", str(min(QSV_WORST, max(1, scaled)))]


def _vaapi_quality(codec: VideoCodec, crf: int) -> list[str]:
    """Return the arguments for a constant quantizer, the one mode that every driver supports."""
    scaled = crf if codec in _OLD_SCALE else crf * VAAPI_INDEX_STEP
    return ["-rc_mode", "CQP", "-global_quality", str(max(1, scaled))]


def _videotoolbox_quality(_codec: VideoCodec, crf: int) -> list[str]:
    """Return the arguments for a quality of 1 to 100, higher is better; Apple's own chips only."""
    return ["-q:v", str(max(1, VIDEOTOOLBOX_BEST - 2 * crf))]


_OLD_SCALE = frozenset({VideoCodec.H264, VideoCodec.H265})
"""Codecs whose quantizer goes from 0 to 51."""

NVENC = HardwareVendor(
    "nvenc",
    (VideoCodec.H264, VideoCodec.H265, VideoCodec.AV1),
    _nvenc_quality,
    efforts={
        Purpose.ARCHIVE: ("-preset", "p7", "-tune", "hq"),
        Purpose.WEB: ("-preset", "p5", "-tune", "hq"),
        Purpose.MOBILE: ("-preset", "p3", "-tune", "hq"),
    },
    bitrate_mode=("-rc", "vbr"),
)
QSV = HardwareVendor(
    "qsv",
    (VideoCodec.H264, VideoCodec.H265, VideoCodec.VP9, VideoCodec.AV1),
    _qsv_quality,
    efforts={
        Purpose.ARCHIVE: ("-preset", "slow"),
        Purpose.WEB: ("-preset", "medium"),
        Purpose.MOBILE: ("-preset", "veryfast"),
    },
    device_option="-qsv_device",
)
VAAPI = HardwareVendor(
    "vaapi",
    (VideoCodec.H264, VideoCodec.H265, VideoCodec.VP9, VideoCodec.AV1),
    _vaapi_quality,
    bitrate_mode=("-rc_mode", "VBR"),
    device_option="-vaapi_device",
    is_uploaded=True,
)
VIDEOTOOLBOX = HardwareVendor(
    "videotoolbox", (VideoCodec.H264, VideoCodec.H265), _videotoolbox_quality
)

_NAMES = {
    VideoCodec.H264: "h264",
    VideoCodec.H265: "hevc",
    VideoCodec.VP9: "vp9",
    VideoCodec.AV1: "av1",
}


@dataclass(frozen=True, slots=True)
class HardwareEncoder:
    """One codec on one device."""

    name: str
    """FFmpeg's name, such as ``h264_nvenc``."""
    codec: VideoCodec
    family: HardwareVendor
    devices: tuple[Path, ...] = ()
    """Devices that it must reach; the first is passed to it if it takes one."""
    is_deep: bool = False
    """Whether it encodes ten bits a sample."""

    @property
    def input_arguments(self) -> list[str]:
        """Return arguments that precede the input."""
        if self.family.device_option is None or not self.devices:
            return []
        return [self.family.device_option, str(self.devices[0])]

    def plan_filters(self, *, is_deep: bool) -> list[str]:
        """Return the last video filters, which convert to what the hardware takes."""
        plain = f"format={'p010le' if is_deep else 'nv12'}"
        return [plain, "hwupload"] if self.family.is_uploaded else [plain]

    def plan_arguments(self, request: RenditionRequest) -> list[str]:
        """Return the arguments of the encoder, its effort and its rate."""
        family = self.family
        arguments = ["-c:v", self.name, *family.efforts.get(request.purpose, ())]
        if request.bitrate_bps is None:
            return [*arguments, *family.quality_arguments(self.codec, request.effective_crf)]
        bps = request.bitrate_bps
        arguments += [*family.bitrate_mode, "-b:v", str(bps)]
        arguments += ["-maxrate", str(int(bps * BITRATE_HEADROOM))]
        return [*arguments, "-bufsize", str(bps * BUFFER_SECONDS)]


@dataclass(frozen=True, slots=True)
class Hardware:
    """Encoders that were verified by encoding with them."""

    encoders: tuple[HardwareEncoder, ...] = ()
    """Working encoders, best first; one of each name."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why an encoder does not work, by its name."""


def list_candidates(devices: Path, platform: str) -> list[HardwareEncoder]:
    """List encoders that may be there, by the devices in ``devices`` (``/dev``).

    This is cheap, and no proof. The best come first; an interface with several devices is listed
    once for each. ``platform`` is ``sys.platform``.
    """
    found: list[HardwareEncoder] = []
    if platform == "darwin":
        found += _name_all(VIDEOTOOLBOX, ())
    if nvidia := tuple(sorted(devices.glob("nvidia*"))):
        found += _name_all(NVENC, nvidia)
    for node in sorted((devices / "dri").glob("renderD*")):
        found += _name_all(QSV, (node,)) + _name_all(VAAPI, (node,))
    return found


def _name_all(family: HardwareVendor, devices: tuple[Path, ...]) -> list[HardwareEncoder]:
    return [
        HardwareEncoder(f"{_NAMES[codec]}_{family.name}", codec, family, devices)
        for codec in family.codecs
    ]
