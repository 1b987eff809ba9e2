"""Copying coded streams into an MP4, whatever container they come from.

A broadcast or a joined file may state a codec's settings anew midway, as for channels that change;
an MP4 or MKV states them once, and what follows a change would be silent in it. So where that may
happen, copied audio is decoded, too, and nothing is kept of that: see :func:`hear_copies`.

Containers differ in how they mark and wrap the same stream. AVI and MPEG-TS name H.264 by tags of
their own, which FFmpeg takes along into fragments and then refuses; MPEG-TS carries AAC with a
header before each frame (ADTS), which an MP4 states once. So tags and bitstream filters are always
stated here. Annex B start codes become lengths in the MP4 muxer itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from cinemill.core.media import AudioStream, MaterialFormat, MediaInfo, SourceFormat

_TIMED_FORMATS = frozenset(
    {SourceFormat.MP4, SourceFormat.MATROSKA, SourceFormat.FLV, SourceFormat.MPEG_TS}
)
"""Containers that state when each frame is shown. AVI, for one, only counts frames in the order in
which they are decoded, and of reordered ones nobody can tell the times without decoding."""
_RESTATING_FORMATS = frozenset(
    {SourceFormat.MPEG_TS, SourceFormat.FLV, SourceFormat.OGG, MaterialFormat.AAC}
)
"""Containers that may state a codec's settings anew midway."""
STATED_ONCE = frozenset({"aac", "opus", "vorbis", "flac", "alac"})
"""Codecs whose channels and rate an MP4 or MKV states at its beginning only."""
_LEAST_MP3_HZ = 16_000
"""The MP4 muxer refuses MP3 of lower rates, which are not in the standard."""
COPY_H264 = ("-c:v", "copy", "-tag:v", "avc1")
COPY_AAC = ("-c:a", "copy", "-tag:a", "mp4a", "-bsf:a", "aac_adtstoasc")
"""The filter leaves AAC alone that has no headers."""


def has_frame_times(info: MediaInfo) -> bool:
    """Check whether frames can be copied with the times at which they are shown."""
    return info.format in _TIMED_FORMATS


def fits_mp4(track: AudioStream) -> bool:
    """Check whether an MP4 takes a track of a codec that it can hold."""
    return track.codec != "mp3" or track.sample_rate_hz >= _LEAST_MP3_HZ


def hear_copies(info: MediaInfo, copied: Iterable[AudioStream]) -> list[str]:
    """Return an output that decodes copied tracks whose channels may change, and keeps nothing.

    FFmpeg fails over a change then, which a copy alone would not show.
    """
    if info.format not in _RESTATING_FORMATS:
        return []
    heard = [f"0:{track.index}" for track in copied if track.codec in STATED_ONCE]
    maps = [word for name in heard for word in ("-map", name)]
    return [*maps, "-f", "null", "-"] if maps else []
