"""Arguments that several commands share: inputs, sizes, stills, and the audio clock."""

from __future__ import annotations

import math
from fractions import Fraction

from cinemill.core.media import ANIMATIONS, MediaInfo, SourceFormat
from cinemill.media.ffmpeg.channels import steady_arguments

AUDIO_RATE_HZ = 16_000
LONGEST_SIDE_PIXELS = 8192
"""x264 and JPEG take more; browsers do not."""
_AGE_SECONDS = 1_000_000
"""Longer than any video: a rate of one frame in this time yields the frame at a timestamp."""
_ROUNDING_MICROSECONDS = 500
"""Containers that keep milliseconds shift frames by up to this."""
_CLOCK_SLACK_SECONDS = 0.004
"""Two clocks differ by less in what they round; frames, by more."""
FLICK_HZ = 705_600_000
"""A clock in which the frames of every usual rate are whole ticks, and of any other rate within 2
ns."""
CHUNK_MUXER = (
    *("-movflags", "frag_keyframe+delay_moov", "-movie_timescale", str(FLICK_HZ)),
    *("-f", "mp4"),
)
"""Fragments, whose timestamps are whole ticks of the encoder's clock from the video's start on,
with all color metadata, for which simpler containers have no fields."""
_TURNS = {
    90: (["transpose=cclock"], ["transpose=clock"]),
    180: (["vflip"], ["vflip"]),
    270: (["transpose=clock"], ["transpose=cclock"]),
}
"""Filters to stored rows and back again, by the clockwise angle that a frame was turned by."""
UNSEEKABLE_FORMATS = ANIMATIONS
"""Pictures, each frame of which may be a change of the one before: they are read from the start."""
CUTTABLE_FORMATS = frozenset({SourceFormat.MP4, SourceFormat.MATROSKA})
"""Containers with an index, which allow seeking without reading what comes before."""


def fit_height(width: int, height: int, target_height: int) -> tuple[int, int]:
    """Return even sizes of the same shape, at most ``target_height`` high, never larger than given.

    A side of one pixel becomes two: encoders take no less.
    """
    scale = min(Fraction(1), Fraction(target_height, height), Fraction(LONGEST_SIDE_PIXELS, width))
    return _even(width * scale), _even(height * scale)


def _even(length: Fraction) -> int:
    return max(2, int(length / 2 + Fraction(1, 2)) * 2 if length % 2 else int(length))


def input_arguments(source: str, info: MediaInfo, max_pixels: int) -> list[str]:
    """Return arguments that open ``source`` (a path) as the format of its first bytes only.

    Tracks whose channels change have inputs of their own after it: see ``channels.locate_audio``.
    """
    arguments = []
    if info.audio:
        # A new graph would pad the audio's beginning with silence again: see ``steady_audio``.
        arguments += ["-reinit_filter:a", "0"]
    if info.has_picture and not (info.video.rotation_degrees or info.video.has_alpha):
        # A video that changes its frame size midway continues through the same graph: a new graph
        # would restart its clock and its sheet of tiles. Only scale and similar filters may meet
        # it; before it, a frame is turned.
        arguments += ["-reinit_filter:v", "0"]
    return [*arguments, *open_arguments(source, info, max_pixels), *steady_arguments(info)]


def open_arguments(source: str, info: MediaInfo, max_pixels: int) -> list[str]:
    """Return arguments that open ``source``, and nothing about what happens to it."""
    demuxer = info.format.value
    arguments = ["-f", demuxer, "-format_whitelist", demuxer, "-protocol_whitelist", "file"]
    arguments += ["-max_pixels", str(max_pixels)]
    if info.video.alpha_decoder:
        arguments += [f"-c:{info.video.index}", info.video.alpha_decoder]
    return [*arguments, "-i", f"file:{source}"]


def keep_clock(info: MediaInfo, number: int = 0) -> list[str]:
    """Return an output that uses the video of an input and keeps nothing of it.

    For commands that write audio only: in MPEG-TS, FFmpeg counts times from the earliest stream
    that is used, and audio that begins late would begin at once.
    """
    if not info.has_picture or info.format not in UNINDEXED_FORMATS:
        return []
    used = ["-map", f"{number}:{info.video.index}", "-c", "copy", "-frames:v", "1"]
    return [*used, "-f", "null", "-"]


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


def deinterlace(info: MediaInfo) -> list[str]:
    """Return filters that join the two moments of each frame that says it has two.

    Other frames pass as they are, and all keep their times: broadcasts change between both. The
    deinterlacer bears no change of the frame size, which often comes with that, so frames are
    scaled to the size of the first before it, where they differ from that. Fields are rows of
    stored frames, and FFmpeg turns these upright before any filter, so they are turned back and
    forth.
    """
    if not info.video.is_interlaced:
        return []
    back, forth = _TURNS.get(info.video.rotation_degrees, ([], []))
    return [*back, "scale=interl=-1", "bwdif=mode=send_frame:deint=interlaced", *forth]


def change_rate(info: MediaInfo, fps: Fraction, *, begins_seconds: float) -> list[str]:
    """Return filters that lead to another frame rate, up to the end of the last frame.

    FFmpeg rounds that end to the nearest frame, so a video of less than half a frame would have
    none; for so short a one it is rounded up. ``begins_seconds`` is as in :func:`hold_frames`.
    """
    is_short = _picture_seconds(info) * fps < 1
    end = ":eof_action=pass" if is_short else ""
    return [f"fps={fps}{end}", *hold_frames(info, fps, begins_seconds=begins_seconds)]


def hold_frames(info: MediaInfo, fps: Fraction, *, begins_seconds: float) -> list[str]:
    """Return filters after ``fps`` that repeat a held last frame up to its end.

    Decoders do not know that end where a container states it of the track, and not of the frame.
    ``begins_seconds`` is when the first frame is shown on the filters' clock.
    """
    if not info.video.holds_last_frame:
        return []
    end = math.ceil((Fraction(begins_seconds) + _picture_seconds(info)) * fps) / fps
    return [
        f"tpad=stop_mode=clone:stop_duration={info.video.last_frame_seconds:.6f}",
        f"trim=end={float(end):.6f}",
    ]


def hold_packets(info: MediaInfo, *, begins_seconds: float) -> list[str]:
    """Return arguments that write the end of a held last frame where frames keep their own times.

    Some encoders forget how long it lasts. The packet that is stored last gets the same end: the
    duration of an MP4's track is counted in the order in which packets are stored. As
    :func:`hold_frames` has it, ``begins_seconds`` is when the first frame is shown.
    """
    if not info.video.holds_last_frame:
        return []
    end = float(Fraction(begins_seconds) + _picture_seconds(info))
    last = end - info.video.last_frame_seconds - _CLOCK_SLACK_SECONDS
    is_last = f"{_IS_STORED_LAST}+gte(PTS*TB,{last:.6f})"
    return ["-bsf:v", f"setts=pts=PTS:dts=DTS:{_end_at(end, is_last)}"]


def end_track(end_seconds: float) -> list[str]:
    """Return arguments that let an MP4's track last until its last frame ends, on its own clock.

    The packet that is stored last is decoded no earlier, before it is shown, than the first one; or
    it is shown before the last frame, and then lasts as long.
    """
    late = f"if({_IS_STORED_LAST},max(DTS,PTS-STARTPTS+STARTDTS),DTS)"
    return ["-bsf:v", f"setts=pts=PTS:dts='{late}':{_end_at(end_seconds, _IS_STORED_LAST)}"]


_IS_STORED_LAST = "lt(NEXT_DTS,DTS)"


def _end_at(end_seconds: float, are_ended: str) -> str:
    return f"duration='if({are_ended},{end_seconds:.6f}/TB-PTS,DURATION)'"


def _picture_seconds(info: MediaInfo) -> Fraction:
    return Fraction(info.picture_seconds).limit_denominator(90_000)


def audio_clock_filters(info: MediaInfo) -> str:
    """Return filters that put audio on the video's clock.

    Silence is added if it begins later; it is cut if it begins earlier.
    """
    lead_seconds = info.start_seconds - info.clock_start_seconds
    return f"asetpts=PTS-({lead_seconds:.6f})/TB,aresample=async=1:first_pts=0"


UNINDEXED_FORMATS = frozenset({SourceFormat.MPEG_TS, SourceFormat.MPEG_PS})
"""Formats without an index."""
