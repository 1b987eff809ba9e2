"""A video: its streams as probed, and its outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

REJECTION_CODES: dict[str, str] = {
    "media_empty": "The file is empty.",
    "media_unrecognized": "The file is not a video in a supported format.",
    "media_unreadable": "The file looks like a video, but its contents cannot be read.",
    "media_out_of_memory": "Reading the file needs more memory than one command may use.",
    "media_no_video": "The file has no video track.",
    "media_no_sound": "The video has no audio.",
    "media_truncated": "The file is truncated: it ends before the video does.",
    "media_damaged": "Parts of the video cannot be decoded.",
    "media_too_many_pixels": "The video's frame size exceeds the limit.",
    "media_too_long": "The video's duration exceeds the limit.",
    "media_too_many_streams": "The file has too many streams.",
    "media_codec_unsupported": "The video codec is not supported.",
    "media_animated": "The image is animated; only still images and videos can be overlaid.",
    "media_playlist": "The file is a playlist that refers to other files, not a video.",
}


class SourceFormat(StrEnum):
    """Containers that are accepted; the value is FFmpeg's demuxer name, to be forced with -f."""

    MP4 = "mov"
    MATROSKA = "matroska"
    AVI = "avi"
    FLV = "flv"
    ASF = "asf"
    MPEG_TS = "mpegts"
    MPEG_PS = "mpeg"
    OGG = "ogg"
    MXF = "mxf"


class MaterialFormat(StrEnum):
    """Images and audio that are overlaid on videos; the value is FFmpeg's demuxer name too."""

    PNG = "png_pipe"
    JPEG = "jpeg_pipe"
    WEBP = "webp_pipe"
    MP3 = "mp3"
    AAC = "aac"
    WAV = "wav"
    FLAC = "flac"


STILLS = frozenset({MaterialFormat.PNG, MaterialFormat.JPEG, MaterialFormat.WEBP})


class ArtifactKind(StrEnum):
    """Files that are made of a source, and the source."""

    SOURCE = "source"
    PROXY = "proxy"
    POSTER = "poster"
    THUMBNAIL = "thumbnail"
    SPRITE = "sprite"
    SPRITE_INDEX = "sprite_index"
    SHOT_FRAMES = "shot_frames"
    MODEL_FRAMES = "model_frames"
    AUDIO = "audio"
    RENDITION = "rendition"
    PREVIEW = "preview"
    ANIMATED_PREVIEW = "animated_preview"
    CONTACT_SHEET = "contact_sheet"
    KEYFRAME = "keyframe"
    """A sharp frame that differs from the others; the variant is its time in milliseconds."""
    STREAM = "stream"
    RENDER = "render"
    PIECE = "piece"
    MIX = "mix"
    OVERLAY_SOURCE = "material"
    CAPTIONS_SRT = "captions_srt"
    CAPTIONS_VTT = "captions_vtt"
    CAPTIONS_TEXT = "captions_text"
    CAPTIONS_JSON = "captions_json"
    PROVENANCE = "provenance"
    """Content credentials of the source, read when it came in, as JSON."""
    FINDING = "finding"
    """What a package's capability found out, as JSON; the variant begins with its name."""


def name_keyframe(time_ms: int) -> str:
    """Return the variant of the file with the key frame at this time: in order of time."""
    return f"{time_ms:09d}"


CACHED_KINDS = frozenset({ArtifactKind.PIECE, ArtifactKind.MIX, ArtifactKind.OVERLAY_SOURCE})
"""Kept so that the same is not made or fetched again, and of no use to anybody by themselves."""


@dataclass(frozen=True, slots=True)
class VideoStream:
    """The picture. ``width`` and ``height`` are as stored; ``display_*`` after rotation and SAR."""

    index: int
    codec: str
    width: int
    height: int
    display_width: int
    display_height: int
    fps: Fraction
    """Average frames a second; 0 where it is unknown."""
    is_variable_rate: bool
    rotation_degrees: int
    """Clockwise, to be applied for display: 0, 90, 180 or 270."""
    pixel_format: str
    bit_depth: int
    is_interlaced: bool
    color_primaries: str
    color_transfer: str
    color_space: str
    hdr: str
    """``''`` for SDR, else ``hdr10``, ``hlg`` or ``pq``."""
    frames_from_header: int
    """0 where the header does not say."""
    duration_seconds_from_header: float
    settings: str = ""
    """Identifies its decoder configuration: frames of other settings cannot share one track
    with these. Empty where they are turned or mirrored to be shown, and of videos that were probed
    before it was asked."""


NO_PICTURE = VideoStream(
    index=-1,
    codec="",
    width=0,
    height=0,
    display_width=0,
    display_height=0,
    fps=Fraction(0),
    is_variable_rate=False,
    rotation_degrees=0,
    pixel_format="",
    bit_depth=0,
    is_interlaced=False,
    color_primaries="unknown",
    color_transfer="unknown",
    color_space="unknown",
    hdr="",
    frames_from_header=0,
    duration_seconds_from_header=0.0,
)
"""Of a file that has audio only."""


@dataclass(frozen=True, slots=True)
class AudioStream:
    index: int
    codec: str
    channels: int
    sample_rate_hz: int
    language: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class SubtitleStream:
    index: int
    codec: str
    language: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A source as probed: metadata and at most one decoded frame, nothing more was decoded."""

    format: SourceFormat | MaterialFormat
    size_bytes: int
    duration_seconds_from_header: float
    start_seconds: float
    """First video presentation time in the container; all our times count from it."""
    bitrate_bps: int
    video: VideoStream
    audio: tuple[AudioStream, ...] = ()
    has_edit_list: bool = False
    other_streams: int = 0
    warnings: tuple[str, ...] = field(default=())
    clock_start_seconds: float = 0.0
    """Earliest time of any stream: what FFmpeg takes off every time before it decodes."""
    subtitles: tuple[SubtitleStream, ...] = ()
    """Counted among ``other_streams`` too."""

    @property
    def has_picture(self) -> bool:
        return self.video != NO_PICTURE

    @property
    def is_film(self) -> bool:
        """And no still, nor sound only."""
        return self.has_picture and isinstance(self.format, SourceFormat)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; fractions as ``'30000/1001'``."""
        document = asdict(self)
        document["format"] = self.format.value
        document["video"]["fps"] = str(self.video.fps)
        document["audio"] = [asdict(stream) for stream in self.audio]
        document["subtitles"] = [asdict(stream) for stream in self.subtitles]
        document["warnings"] = list(self.warnings)
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> MediaInfo:
        """Return the object of a document that :meth:`to_json` wrote."""
        video = VideoStream(**{**document["video"], "fps": Fraction(document["video"]["fps"])})
        return cls(
            **{
                **document,
                "format": read_format(document["format"]),
                "video": video,
                "audio": tuple(AudioStream(**stream) for stream in document["audio"]),
                "subtitles": tuple(
                    # Films that were probed before there were any have no such entry.
                    SubtitleStream(**stream)
                    for stream in document.get("subtitles", ())
                ),
                "warnings": tuple(document["warnings"]),
            }
        )


def read_format(name: str) -> SourceFormat | MaterialFormat:
    """By its demuxer's name. Raises ValueError."""
    return MaterialFormat(name) if name in {*MaterialFormat} else SourceFormat(name)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored derived file: content-addressed, of a kind, made by a version of a stage."""

    kind: ArtifactKind
    sha256: str
    size_bytes: int
    filename: str
    media_type: str
    facts: dict[str, Any] = field(default_factory=dict)
    """What probing the output found: width, height, duration_seconds, tiles and the like."""


@dataclass(frozen=True, slots=True)
class SpriteLayout:
    """A sheet of stills: tile k, row by row, shows the video at k × ``interval_seconds``."""

    interval_seconds: Fraction
    columns: int
    rows: int
    tile_width: int
    tile_height: int

    @property
    def tiles(self) -> int:
        return self.columns * self.rows
