"""Renditions of sound alone for adaptive streaming: one decode, a file per track and bitrate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.streaming.encode_ladder import (
    MASTER_PLAYLIST,
    LadderOutcome,
    read_codecs,
    read_stream,
    remove_leftovers,
    run_ladder,
)
from cinemill.capabilities.streaming.encode_plan import MANIFEST, describe_channels, muxer_arguments
from cinemill.capabilities.streaming.ladder import (
    SEGMENT_SECONDS,
    Stream,
    write_manifest_of_sets,
    write_media,
    write_media_playlist,
)
from cinemill.core.media import MediaInfo
from cinemill.core.tracks.channels import SPEAKERS, choose_front
from cinemill.core.tracks.choice import choose_audio_track, list_roles
from cinemill.core.tracks.names import name_tracks
from cinemill.media.encoding.steady_audio import with_steady_audio
from cinemill.media.ffmpeg.arguments import audio_clock_filters, input_arguments
from cinemill.media.ffmpeg.channels import fold_filter, locate_audio
from cinemill.media.ffmpeg.process import FfmpegFailed
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.rejections import reject_media
from cinemill.media.verify.integrity import blame_source, ends_cleanly, find_sound_flaw
from cinemill.media.verify.joints import without_joints

RUNGS_BPS = (256_000, 128_000, 64_000)
"""Of AAC with one or two channels: as good as the source, usual, and for slow connections."""

Tracks = Sequence[Sequence[Stream]]
"""By audio track of the source, its renditions, the best first."""


def choose_sound_rungs(source_bps: int, tracks: int) -> tuple[int, ...]:
    """Return bitrates for a source of this bitrate, best first; 0 means unknown.

    The first is the least that is no worse than the source's.
    """
    own_bps = source_bps // max(1, tracks)
    if not own_bps:
        return RUNGS_BPS
    enough = [bps for bps in RUNGS_BPS if bps >= own_bps]
    best = enough[-1] if enough else RUNGS_BPS[0]
    return tuple(bps for bps in RUNGS_BPS if bps <= best)


def make_sound_ladder(
    session: FfmpegSession, source: Path, info: MediaInfo, *, best_effort: bool = False
) -> LadderOutcome:
    """Encode every track at every bitrate as AAC, in the session's empty folder.

    With ``best_effort``, damage is no error as long as something can be heard.

    Raises MediaRejected, OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever
    ``should_stop`` returns.
    """
    try:
        return with_steady_audio(
            session, source, info, lambda steady: _encode(session, source, steady, best_effort)
        )
    except FfmpegFailed as failed:
        raise (blame_source(failed) or failed) from failed


def _encode(
    session: FfmpegSession, source: Path, info: MediaInfo, best_effort: bool
) -> LadderOutcome:
    rungs = choose_sound_rungs(info.bitrate_bps, len(info.audio))
    plan = plan_sound_ladder(source, info, rungs, session.limits.max_pixels)
    tally = without_joints(run_ladder(session, source, info, plan), source, info.format)
    tracks = _read_tracks(session.folder, info, rungs)
    seconds = max(track[0].seconds for track in tracks)
    flaw = find_sound_flaw(info, tally, seconds, has_clean_end=ends_cleanly(source, info.format))
    if flaw and not (best_effort and seconds):
        raise reject_media(flaw)
    streams = tuple(stream for track in tracks for stream in track)
    files = _write_lists(session.folder, tracks)
    changes = describe_channels(info)
    return LadderOutcome(files, (), streams, 0, changes, tally.cpu_seconds, flaw)


def plan_sound_ladder(
    source: Path, info: MediaInfo, rungs: Sequence[int], max_pixels: int
) -> list[str]:
    """Return FFmpeg's arguments: each track decoded once, split, and encoded once for each rung."""
    graph: list[str] = []
    maps: list[str] = []
    for number, track in enumerate(info.audio):
        labels = [f"[track{number}_{rung}]" for rung in range(len(rungs))]
        filters = f"{audio_clock_filters(info)},{fold_filter(track, choose_front(track))}"
        graph.append(f"[{locate_audio(info, track)}]{filters},asplit={len(rungs)}{''.join(labels)}")
        for label, bps in zip(labels, rungs, strict=True):
            maps += ["-map", label, f"-b:a:{len(maps) // 4}", str(bps)]
    return [
        *input_arguments(str(source), info, max_pixels),
        *("-filter_complex", ";".join(graph), *maps, "-c:a", "aac", "-ar", "48000"),
        *muxer_arguments(Fraction(SEGMENT_SECONDS), len(info.audio) * len(rungs)),
    ]


def _read_tracks(folder: Path, info: MediaInfo, rungs: Sequence[int]) -> Tracks:
    """Read FFmpeg's output files and give them our names. Raises OutputInvalid."""
    codecs = read_codecs(folder / MANIFEST)
    names, main = name_tracks(info.audio), choose_audio_track(info.audio)
    tracks = [
        [
            replace(
                read_stream(
                    folder,
                    number * len(rungs) + rung,
                    _name(number, bps),
                    codecs,
                ),
                sample_rate_hz=48_000,
                channels=len(SPEAKERS[choose_front(track)]),
                language=track.language,
                name=names[number],
                roles=list_roles(track),
                is_main=track == main,
            )
            for rung, bps in enumerate(rungs)
        ]
        for number, track in enumerate(info.audio)
    ]
    remove_leftovers(folder)
    return tracks


def _name(number: int, bps: int) -> str:
    return f"sound-{number + 1}-{bps // 1000}k.mp4"


def _write_lists(folder: Path, tracks: Tracks) -> tuple[Path, ...]:
    streams = [stream for track in tracks for stream in track]
    texts = {stream.playlist_name: write_media_playlist(stream) for stream in streams}
    texts[MASTER_PLAYLIST] = write_sound_master_playlist(tracks)
    texts[MANIFEST] = write_manifest_of_sets([("audio", track) for track in tracks])
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return (*(folder / one.filename for one in streams), *(folder / name for name in texts))


def write_sound_master_playlist(tracks: Tracks) -> str:
    """Return the playlist that players open: a variant for each bitrate, the best first.

    Of several tracks, each variant has a group to choose from (RFC 8216, section 4.3.4.1).
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    has_choice = len(tracks) > 1
    main = next((track for track in tracks if track[0].is_main), tracks[0])
    for rung, variant in enumerate(main):
        group = f"sound-{rung + 1}"
        listed = [track[rung] for track in tracks]
        if has_choice:
            lines += [write_media(one, group) for one in listed]
        codecs = ",".join(dict.fromkeys(one.codecs for one in listed))
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={max(one.peak_bps for one in listed)},"
            f'AVERAGE-BANDWIDTH={max(one.average_bps for one in listed)},CODECS="{codecs}"'
            + (f',AUDIO="{group}"' if has_choice else "")
        )
        lines.append(variant.playlist_name)
    return "\n".join([*lines, ""])
