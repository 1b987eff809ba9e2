"""FFmpeg's arguments for the channels of audio: where they go, and tracks whose channels change.

``pan`` names channels by their number, so that it takes every layout, also those that FFmpeg does
not know, and never guesses one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cinemill.core.media import AudioStream, MediaInfo
from cinemill.core.tracks.channels import SPEAKERS, fold, list_places
from cinemill.core.tracks.joined import JoinedTrack

STEADY_FORMAT = "matroska"


@dataclass(frozen=True, slots=True)
class SteadyTrack(AudioStream):
    """A track that needs a file of its own: its channels change midway, or are several tracks."""

    filename: str = ""
    """In the private folder."""
    starts_at_seconds: float = 0.0
    """Of its first sample, on the clock of the video's file from its earliest stream on."""
    part_indexes: tuple[int, ...] = ()
    """Of the tracks that it was joined of: see ``core.tracks.joined``."""


def locate_audio(info: MediaInfo, track: AudioStream, first_input: int = 0) -> str:
    """Return how a filter or ``-map`` names a track; the video is the input ``first_input``."""
    if not isinstance(track, SteadyTrack):
        return f"{first_input}:{track.index}"
    return f"{first_input + 1 + list_steady(info).index(track)}:0"


def list_steady(info: MediaInfo) -> list[SteadyTrack]:
    """Return the tracks that have files of their own, in the order of their inputs."""
    return [track for track in info.audio if isinstance(track, SteadyTrack)]


def count_inputs(info: MediaInfo) -> int:
    """Return how many inputs ``input_arguments`` opens for a video."""
    return 1 + len(list_steady(info))


def shift_steady(info: MediaInfo, seconds: float) -> MediaInfo:
    """Return a video that is read from ``seconds`` on, with tracks of their own in step with it."""
    return replace(
        info,
        audio=tuple(
            replace(track, starts_at_seconds=track.starts_at_seconds - seconds)
            if isinstance(track, SteadyTrack)
            else track
            for track in info.audio
        ),
    )


def steady_arguments(info: MediaInfo) -> list[str]:
    """Return the inputs that follow the video's own: its tracks with files of their own."""
    arguments: list[str] = []
    for track in list_steady(info):
        arguments += ["-itsoffset", f"{track.starts_at_seconds:.6f}", "-f", STEADY_FORMAT]
        arguments += ["-i", track.filename]
    return arguments


def fold_filter(track: AudioStream, layout: str) -> str:
    """Return the filter that puts a track's channels into a layout of ``SPEAKERS``."""
    if list_places(track) == SPEAKERS[layout]:
        return f"aformat=channel_layouts={layout}"
    rows = [
        f"c{speaker}={_join_gains(gains)}"
        for speaker, gains in enumerate(fold(track, layout).gains)
    ]
    return "|".join([f"pan={layout}", *rows])


def join_graph(track: JoinedTrack, layout: str, label: str) -> str:
    """Return filters from the tracks that a sound is stored in to one of ``layout``.

    All begin with the file's clock: those that begin later have silence before.
    """
    columns = zip(*fold(track, layout).gains, strict=True)
    graph = []
    for part, column in zip(track.part_indexes, columns, strict=True):
        rows = (f"c{speaker}={gain:.6f}*c0" for speaker, gain in enumerate(column))
        clock = f"aresample={track.sample_rate_hz}:async=1:first_pts=0"
        graph.append(f"[0:{part}]{clock},{'|'.join([f'pan={layout}', *rows])}[{label}_{part}]")
    parts = "".join(f"[{label}_{part}]" for part in track.part_indexes)
    count = len(track.part_indexes)
    return ";".join([*graph, f"{parts}amix=inputs={count}:duration=longest:normalize=0[{label}]"])


def _join_gains(gains: tuple[float, ...]) -> str:
    terms = [f"{gain:+.6f}*c{channel}" for channel, gain in enumerate(gains) if gain]
    return "".join(terms).removeprefix("+") or "0*c0"


def describe_fold(track: AudioStream, layout: str) -> str:
    """Return what becomes of a track's channels, in words; empty where each has its speaker."""
    if isinstance(track, JoinedTrack | SteadyTrack) and track.part_indexes:
        return (
            f"its {len(track.part_indexes)} channels are tracks of their own: all became {layout}"
        )
    if isinstance(track, SteadyTrack):
        return f"its channels change during the video: all of it became {layout}"
    return fold(track, layout).change


def describe_folds(info: MediaInfo, layouts: dict[int, str]) -> list[str]:
    """Return what becomes of the channels of tracks, by stream index, in words."""
    found = [
        (number, describe_fold(track, layouts[track.index]))
        for number, track in enumerate(info.audio, 1)
        if track.index in layouts
    ]
    return [f"audio track {number}: {words}" for number, words in found if words]
