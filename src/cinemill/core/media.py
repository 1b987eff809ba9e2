"""A video: its streams as probed, and its outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any

from pydantic import PlainSerializer


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
    GIF = "gif"
    APNG = "apng"


class MaterialFormat(StrEnum):
    """Still pictures and audio by themselves; the value is FFmpeg's demuxer name too."""

    PNG = "png_pipe"
    JPEG = "jpeg_pipe"
    WEBP = "webp_pipe"
    MP3 = "mp3"
    AAC = "aac"
    WAV = "wav"
    W64 = "w64"
    FLAC = "flac"
    AIFF = "aiff"
    CAF = "caf"
    AC3 = "ac3"
    EAC3 = "eac3"
    AMR = "amr"


STILLS = frozenset({MaterialFormat.PNG, MaterialFormat.JPEG, MaterialFormat.WEBP})
UNDECLARED_SOUNDS = frozenset(
    {
        *(MaterialFormat.MP3, MaterialFormat.AAC, MaterialFormat.AC3),
        *(MaterialFormat.EAC3, MaterialFormat.AMR),
    }
)
"""Audio without a header that states how long it is."""
ANIMATIONS = frozenset({SourceFormat.GIF, SourceFormat.APNG})
"""Pictures that are videos if they have more than one frame."""


class ArtifactKind(StrEnum):
    """Files that are made of a source, and the source."""

    SOURCE = "source"
    PROXY = "proxy"
    POSTER = "poster"
    WAVEFORM = "waveform"
    """A picture of a source that is sound alone: how loud it is from its beginning to its end."""
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


class Scan(StrEnum):
    """How the frames of a video were taken."""

    PROGRESSIVE = "progressive"
    INTERLACED = "interlaced"
    """Each frame has two fields, which show two moments."""
    MIXED = "mixed"
    """Some frames have."""


HOLD_SECONDS = 0.1
"""A last frame that is shown for longer is held."""


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
    """Whether some or all frames are: see ``scan``."""
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
    codec_name: str = ""
    """With profile and level as browsers ask for them (RFC 6381), such as ``avc1.640028``. Empty
    where no browser names it, and of videos that were probed before it was asked."""
    color_range: str = "unknown"
    """``tv`` (limited) or ``pc`` (full) as the stream states it, else ``unknown``. Like the other
    colors, it may be stated by the codec or by the container."""
    last_frame_seconds: float = 0.0
    """How long the container shows the last frame; 0 where that is not known."""
    scan: str = ""
    """A value of :class:`Scan`. Empty of videos that were probed before it was asked."""
    has_alpha: bool = False
    """Whether parts of the picture may be transparent."""
    alpha_decoder: str = ""
    """FFmpeg's decoder that returns the transparency, where the usual one drops it."""

    @property
    def holds_last_frame(self) -> bool:
        """Whether what is made of the video must say itself how long its last frame lasts.

        Not every decoder and encoder passes that on.
        """
        return self.last_frame_seconds > HOLD_SECONDS


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
"""Of a file that is sound alone."""


def _write_video(video: VideoStream) -> VideoStream | None:
    return None if video == NO_PICTURE else video


WrittenVideo = Annotated[VideoStream, PlainSerializer(_write_video, return_type=VideoStream | None)]


@dataclass(frozen=True, slots=True)
class AudioStream:
    index: int
    codec: str
    channels: int
    sample_rate_hz: int
    language: str
    is_default: bool
    layout: str = ""
    """FFmpeg's name, such as ``5.1(side)`` or ``10 channels``. Empty for videos that were probed
    before it was asked."""
    places: tuple[str, ...] = ()
    """FFmpeg's name of where each channel belongs, such as ``FL``; empty if the file does not
    say."""
    title: str = ""
    """What the file calls it: at most 100 characters of plain text."""
    roles: tuple[str, ...] = ()
    """What it is for, beside or in place of the film's own sound: :data:`AUDIO_ROLES`."""


AUDIO_ROLES = (
    *("original", "dub", "comment", "visual_impaired", "hearing_impaired", "descriptions"),
    *("lyrics", "karaoke", "clean_effects", "non_diegetic", "dependent"),
)
"""FFmpeg's names of dispositions."""


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
    """Or up to the end of the last frame where the header states less."""
    start_seconds: float
    """First video presentation time in the container; all our times count from it."""
    bitrate_bps: int
    video: WrittenVideo
    """In documents, null where there is no picture."""
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
    def is_outdated(self) -> bool:
        """Whether a film was probed before it was asked how its frames were taken.

        Then its shape, its colors and its end may be wrong, too.
        """
        return self.is_film and not self.video.scan

    @property
    def lead_seconds(self) -> float:
        """Seconds from when the earliest stream begins to the first frame."""
        return max(0.0, self.start_seconds - self.clock_start_seconds)

    @property
    def picture_seconds(self) -> float:
        """Seconds from the first frame to the end of the last; 0 if the file states none."""
        container_seconds = max(0.0, self.duration_seconds_from_header - self.lead_seconds)
        video_seconds = self.video.duration_seconds_from_header
        if self.format is SourceFormat.MATROSKA:
            # It states when the track ends.
            video_seconds = max(0.0, video_seconds - self.lead_seconds)
        if video_seconds and container_seconds:
            return min(video_seconds, container_seconds)
        return video_seconds or container_seconds

    @property
    def is_film(self) -> bool:
        """And no still, nor sound alone."""
        return self.has_picture and isinstance(self.format, SourceFormat)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; fractions as ``'30000/1001'``."""
        document = asdict(self)
        document["format"] = self.format.value
        document["video"] = None
        if self.has_picture:
            document["video"] = {**asdict(self.video), "fps": str(self.video.fps)}
        document["audio"] = [
            {**asdict(stream), "places": list(stream.places), "roles": list(stream.roles)}
            for stream in self.audio
        ]
        document["subtitles"] = [asdict(stream) for stream in self.subtitles]
        document["warnings"] = list(self.warnings)
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> MediaInfo:
        """Return the object of a document that :meth:`to_json` wrote."""
        video, shown = NO_PICTURE, document["video"]
        if shown is not None:
            video = VideoStream(**{**shown, "fps": Fraction(shown["fps"])})
        return cls(
            **{
                **document,
                "format": read_format(document["format"]),
                "video": video,
                "audio": tuple(
                    AudioStream(
                        **{
                            **stream,
                            # Films that were probed before it was asked have neither.
                            "places": tuple(stream.get("places", ())),
                            "roles": tuple(stream.get("roles", ())),
                        }
                    )
                    for stream in document["audio"]
                ),
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
