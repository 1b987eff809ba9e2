"""Renditions for adaptive streaming: which rungs a video needs, and their playlists.

Pure. Playlists are HLS after RFC 8216, manifests are DASH after ISO/IEC 23009-1; both name the same
files, one for each rung, by byte ranges.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cinemill.core.sizes import make_even

SEGMENT_SECONDS = 4
NEXT_RUNG_MAX_SHARE = Fraction(3, 4)
"""A rung that needs more than this share of the one above would save nothing."""
DASH_NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
DASH_PROFILE = "urn:mpeg:dash:profile:isoff-on-demand:2011"

# (shorter side in pixels, largest bitrate of H.264 at up to 30 frames a second)
_RUNGS = (
    *((2160, 16_000_000), (1440, 9_000_000), (1080, 5_000_000), (720, 2_800_000)),
    *((480, 1_300_000), (360, 750_000), (240, 380_000)),
)
BITS_OF_H264: Mapping[str, Fraction] = {
    "mpeg1video": Fraction(1, 2),
    "mpeg2video": Fraction(1, 2),
    "vp9": Fraction(3, 2),
    "hevc": Fraction(2),
    "av1": Fraction(2),
}
"""H.264 bits that are worth one bit of another codec, roughly; codecs that are not listed count as
one."""
_CHARACTERISTICS: Mapping[str, str] = {
    "visual_impaired": "public.accessibility.describes-video",
    "descriptions": "public.accessibility.describes-video",
    "hearing_impaired": "public.accessibility.enhances-speech-intelligibility",
}
"""Names that players of HLS know, from FFmpeg's dispositions."""
_ONLY_CHOSEN = frozenset(
    {"comment", "clean_effects", "non_diegetic", "lyrics", "karaoke", "dependent"}
)
"""Roles of what nobody hears unless they choose it."""
_ROLE_SCHEME = "urn:mpeg:dash:role:2011"
_DASH_ROLES: Mapping[str, str] = {"comment": "commentary", "dub": "dub"}
_PURPOSE_SCHEME = "urn:tva:metadata:cs:AudioPurposeCS:2007"
_PURPOSES: Mapping[str, str] = {
    "visual_impaired": "1",
    "descriptions": "1",
    "hearing_impaired": "2",
}
FAST_FPS = 31
"""Above this rate, bitrates are half as high again."""


@dataclass(frozen=True, slots=True)
class Rung:
    width: int
    height: int
    bitrate_bps: int
    """The largest bitrate over two seconds."""


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """A part of a stream's file that can be fetched and played by itself."""

    start_byte: int
    size_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stream:
    """One file with one stream in it: its head, then its segments."""

    filename: str
    codecs: str
    """Names after RFC 6381, such as ``avc1.64001f``."""
    head_bytes: int
    """Bytes before the first segment: the description, then the index (``sidx``)."""
    index_bytes: int
    segments: tuple[MediaSegment, ...]
    width: int = 0
    """0 for audio."""
    height: int = 0
    fps: Fraction = Fraction(0)
    sample_rate_hz: int = 0
    channels: int = 0
    language: str = "und"
    name: str = ""
    """Of an audio track in players' menus: unique, one line, without quotation marks."""
    roles: tuple[str, ...] = ()
    """What an audio track is for: see ``core.media.AUDIO_ROLES``."""
    is_main: bool = False
    """Whether an audio track is heard unless somebody chooses; of several, one is."""

    @property
    def playlist_name(self) -> str:
        return f"{self.filename.rpartition('.')[0]}.m3u8"

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.segments)

    @property
    def target_seconds(self) -> int:
        """Return the longest segment, rounded, as a playlist declares it.

        See RFC 8216, section 4.3.3.1.
        """
        longest = max((segment.seconds for segment in self.segments), default=0.0)
        return math.ceil(longest - 0.5) if longest > 0.5 else 1

    @property
    def peak_bps(self) -> int:
        """Return the bitrate of the most demanding run of 0.5 to 1.5 target durations.

        That is the definition of RFC 8216, section 4.1: a single key frame at the end says nothing
        about the required bitrate.
        """
        target, count = self.target_seconds, len(self.segments)
        runs = [run for first in range(count) for run in self._runs_from(first, target)]
        return max((math.ceil(8 * size / time) for size, time in runs), default=self.average_bps)

    def _runs_from(self, first: int, target_seconds: int) -> Iterator[tuple[int, float]]:
        """Yield (bytes, seconds) of the runs that begin here and have a permitted length."""
        size_bytes, seconds = 0, 0.0
        for position in range(first, len(self.segments)):
            segment = self.segments[position]
            size_bytes, seconds = size_bytes + segment.size_bytes, seconds + segment.seconds
            if seconds > 1.5 * target_seconds:
                return
            if seconds >= 0.5 * target_seconds:
                yield size_bytes, seconds

    @property
    def average_bps(self) -> int:
        return math.ceil(8 * sum(s.size_bytes for s in self.segments) / self.seconds)


def choose_rungs(width: int, height: int, fps: Fraction, source_bps: int) -> tuple[Rung, ...]:
    """Return rungs for a video of this displayed size, largest first and never larger than it.

    ``source_bps`` is of H.264, see :func:`as_h264_bps`; 0 means unknown. The first rung has the
    video's own size, or the largest in the table; rungs that its quality does not need are left
    out.
    """
    shorter = min(width, height)
    factor = Fraction(3, 2) if fps > FAST_FPS else Fraction(1)
    sides = [side for side, _ in _RUNGS if side < shorter]
    if shorter <= _RUNGS[0][0]:
        sides.insert(0, shorter)
    else:
        sides.insert(0, _RUNGS[0][0])
    rungs: list[Rung] = []
    for side in dict.fromkeys(sides):
        max_bps = int(_max_bps(side) * factor)
        bps = min(max_bps, source_bps) if source_bps else max_bps
        if rungs and bps > rungs[-1].bitrate_bps * NEXT_RUNG_MAX_SHARE:
            continue
        rungs.append(_create_rung(width, height, side, bps))
    return tuple(rungs)


def as_h264_bps(codec: str, bps: int) -> int:
    """Return the bitrate that H.264 needs for the same quality; 0 stays 0."""
    return int(bps * BITS_OF_H264.get(codec, Fraction(1)))


def _max_bps(side: int) -> int:
    """Interpolate the table by the number of pixels; below the last row, return the last."""
    above = [(known, bps) for known, bps in _RUNGS if known >= side]
    known, bps = above[-1] if above else _RUNGS[0]
    return max(_RUNGS[-1][1] // 2, int(bps * Fraction(side, known) ** 2)) if known != side else bps


def _create_rung(width: int, height: int, side: int, bps: int) -> Rung:
    scale = Fraction(side, min(width, height))
    return Rung(make_even(width * scale), make_even(height * scale), bps)


def segment_frames(fps: Fraction) -> int:
    """Return the frames of one segment: as near to four seconds as whole frames allow."""
    return max(1, round(SEGMENT_SECONDS * fps))


def write_media_playlist(stream: Stream) -> str:
    """Return the stream's own playlist."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{stream.target_seconds}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{stream.filename}",BYTERANGE="{stream.head_bytes}@0"',
    ]
    for segment in stream.segments:
        lines.append(f"#EXTINF:{segment.seconds:.6f},")
        lines.append(f"#EXT-X-BYTERANGE:{segment.size_bytes}@{segment.start_byte}")
        lines.append(stream.filename)
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def write_master_playlist(video_streams: Sequence[Stream], audio_streams: Sequence[Stream]) -> str:
    """Return the playlist that players open: all rungs, the largest first, and the audio tracks."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [write_media(audio) for audio in audio_streams]
    extra_peak = max((audio.peak_bps for audio in audio_streams), default=0)
    extra_average = max((audio.average_bps for audio in audio_streams), default=0)
    for video in video_streams:
        codecs = ",".join([video.codecs, *dict.fromkeys(audio.codecs for audio in audio_streams)])
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={video.peak_bps + extra_peak},"
            f"AVERAGE-BANDWIDTH={video.average_bps + extra_average},"
            f"RESOLUTION={video.width}x{video.height},"
            f'FRAME-RATE={float(video.fps):.3f},CODECS="{codecs}"'
            + (',AUDIO="sound"' if audio_streams else "")
        )
        lines.append(video.playlist_name)
    return "\n".join([*lines, ""])


def write_media(audio: Stream, group: str = "sound") -> str:
    """Return the tag of an audio track in a group (RFC 8216, section 4.3.4.1).

    A player may start a commentary by itself only where nobody reads the menu; so it must not.
    """
    language = "" if audio.language == "und" else f'LANGUAGE="{audio.language}",'
    can_start = audio.is_main or _ONLY_CHOSEN.isdisjoint(audio.roles)
    kinds = ",".join(_CHARACTERISTICS[role] for role in audio.roles if role in _CHARACTERISTICS)
    characteristics = f'CHARACTERISTICS="{kinds}",' if kinds else ""
    return (
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{group}",NAME="{audio.name}",{language}'
        f"DEFAULT={_say(audio.is_main)},AUTOSELECT={_say(can_start)},{characteristics}"
        f'CHANNELS="{audio.channels}",URI="{audio.playlist_name}"'
    )


def _say(is_so: bool) -> str:
    return "YES" if is_so else "NO"


def write_manifest(video_streams: Sequence[Stream], audio_streams: Sequence[Stream]) -> str:
    """Return the DASH manifest of the same files."""
    return write_manifest_of_sets(
        [("video", video_streams), *(("audio", [audio]) for audio in audio_streams)]
    )


def write_manifest_of_sets(sets: Sequence[tuple[str, Sequence[Stream]]]) -> str:
    """Return a DASH manifest: each set has a kind, and streams of which a player plays one."""
    seconds = max(stream.seconds for _, streams in sets for stream in streams)
    root = ET.Element(
        "MPD",
        {
            "xmlns": DASH_NAMESPACE,
            "type": "static",
            "profiles": DASH_PROFILE,
            "mediaPresentationDuration": f"PT{seconds:.3f}S",
            "minBufferTime": f"PT{SEGMENT_SECONDS}S",
        },
    )
    period = ET.SubElement(root, "Period", {"id": "0", "start": "PT0S"})
    for kind, streams in sets:
        _add_set(period, kind, streams)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _add_set(period: ET.Element, kind: str, streams: Sequence[Stream]) -> None:
    attributes = {"contentType": kind, "segmentAlignment": "true", "startWithSAP": "1"}
    if streams[0].language != "und":
        attributes["lang"] = streams[0].language
    adaptation = ET.SubElement(period, "AdaptationSet", attributes)
    if kind == "audio":
        _describe_audio(adaptation, streams[0])
    for stream in streams:
        _add_representation(adaptation, kind, stream)


def _describe_audio(adaptation: ET.Element, audio: Stream) -> None:
    """Add the track's name, and what it is for (ISO/IEC 23009-1, sections 5.3.7 and 5.8.5.5)."""
    ET.SubElement(adaptation, "Label").text = audio.name
    for role in audio.roles:
        if role in _PURPOSES:
            described = {"schemeIdUri": _PURPOSE_SCHEME, "value": _PURPOSES[role]}
            ET.SubElement(adaptation, "Accessibility", described)
    found = [_DASH_ROLES[role] for role in audio.roles if role in _DASH_ROLES]
    main = "main" if audio.is_main else "alternate"
    ET.SubElement(adaptation, "Role", {"schemeIdUri": _ROLE_SCHEME, "value": (found or [main])[0]})


def _add_representation(adaptation: ET.Element, kind: str, stream: Stream) -> None:
    attributes = {
        "id": stream.filename.rpartition(".")[0],
        "mimeType": f"{kind}/mp4",
        "codecs": stream.codecs,
        "bandwidth": str(stream.peak_bps),
    }
    if kind == "video":
        attributes |= {"width": str(stream.width), "height": str(stream.height)}
        attributes |= {"frameRate": str(stream.fps)}
    else:
        attributes |= {"audioSamplingRate": str(stream.sample_rate_hz)}
    one = ET.SubElement(adaptation, "Representation", attributes)
    ET.SubElement(one, "BaseURL").text = stream.filename
    index_start = stream.head_bytes - stream.index_bytes
    index = {"indexRange": f"{index_start}-{stream.head_bytes - 1}"}
    base = ET.SubElement(one, "SegmentBase", index)
    ET.SubElement(base, "Initialization", {"range": f"0-{index_start - 1}"})
