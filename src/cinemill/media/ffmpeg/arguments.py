"""Arguments that several commands share: inputs, sizes, stills, and the audio clock."""

from __future__ import annotations

from fractions import Fraction

from cinemill.core.media import (
    AudioStream,
    MediaInfo,
    SourceFormat,
)

AUDIO_RATE_HZ = 16_000
LONGEST_SIDE_PIXELS = 8192
"""x264 and JPEG take more; browsers do not."""
_AGE_SECONDS = 1_000_000
"""Longer than any video: a rate of one frame in this time yields the frame at a timestamp."""
_ROUNDING_MICROSECONDS = 500
"""Containers that keep milliseconds shift frames by up to this."""
FLICK_HZ = 705_600_000
"""A clock in which the frames of every usual rate are whole ticks, and of any other rate within 2
ns."""
CHUNK_MUXER = (
    *("-movflags", "frag_keyframe+delay_moov", "-movie_timescale", str(FLICK_HZ)),
    *("-f", "mp4"),
)
"""Fragments, whose timestamps are whole ticks of the encoder's clock from the video's start on,
with all color metadata, for which simpler containers have no fields."""
CUTTABLE_FORMATS = frozenset({SourceFormat.MP4, SourceFormat.MATROSKA})
"""Containers with an index, which allow seeking without reading what comes before."""


def fit_height(width: int, height: int, target_height: int) -> tuple[int, int]:
    """Return even sizes of the same shape, at most ``target_height`` high, never larger than given.

    A side of one pixel becomes two: encoders take no less.
    """
    scale = min(Fraction(1), Fraction(target_height, height), Fraction(LONGEST_SIDE_PIXELS, width))
    return _even(width * scale), _even(height * scale)


def choose_audio(info: MediaInfo) -> AudioStream | None:
    """Return the default track, else the first."""
    chosen = [track for track in info.audio if track.is_default] or list(info.audio)
    return chosen[0] if chosen else None


def _even(length: Fraction) -> int:
    return max(2, int(length / 2 + Fraction(1, 2)) * 2 if length % 2 else int(length))


def input_arguments(source: str, info: MediaInfo, max_pixels: int) -> list[str]:
    """Return arguments that open ``source`` (a path) as the format of its first bytes only."""
    demuxer = info.format.value
    arguments = ["-f", demuxer, "-format_whitelist", demuxer, "-protocol_whitelist", "file"]
    arguments += ["-max_pixels", str(max_pixels)]
    if not info.video.is_interlaced and not info.video.rotation_degrees:
        # A video that changes its frame size midway continues through the same graph: a new graph
        # would restart its clock and its sheet of tiles. Only scale and similar filters may meet
        # it.
        arguments += ["-reinit_filter", "0"]
    return [*arguments, "-i", f"file:{source}"]


def freeze(at_seconds: Fraction) -> list[str]:
    """Return filters to the one frame on screen ``at_seconds`` on their input's clock.

    Before the first frame, that is the first; after the end, the last. It may come twice.

    The clock is shifted so that all frames that begin by then fall into the first slot of a very
    slow rate, and later ones into the next; the end, which is rounded up, always does. So the frame
    is output as soon as the next one has begun, and no later than the end.
    """
    slot = _AGE_SECONDS * 1_000_000
    ahead = slot - 1 - round(at_seconds * 1_000_000) - _ROUNDING_MICROSECONDS
    return [
        "settb=AVTB",  # some clocks tick once a frame, and the timestamp may lie in between
        f"setpts=PTS+{ahead}",
        f"fps=1/{_AGE_SECONDS}:round=down:eof_action=pass:start_time=0",
        "setpts=0",
    ]


def audio_clock_filters(info: MediaInfo) -> str:
    """Return filters that put audio on the video's clock.

    Silence is added if it begins later; it is cut if it begins earlier.
    """
    lead_seconds = info.start_seconds - info.clock_start_seconds
    return f"asetpts=PTS-({lead_seconds:.6f})/TB,aresample=async=1:first_pts=0"


UNINDEXED_FORMATS = frozenset({SourceFormat.MPEG_TS, SourceFormat.MPEG_PS})
"""Formats without an index."""
