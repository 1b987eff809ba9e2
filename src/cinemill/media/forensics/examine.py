"""All examinations of one video, in the child: packets and headers to a report."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from cinemill.core.media import SourceFormat
from cinemill.core.origin.forensics import (
    FindingStrength,
    ForensicsFinding,
    ForensicsReport,
    ForensicsState,
)
from cinemill.media.forensics.declared import (
    DeclaredFacts,
    check_settings,
    compare_declared,
    describe_origin,
    read_number,
)
from cinemill.media.forensics.earlier_encoding import (
    EXAMINED_CODECS,
    FEWEST_FRAMES,
    find_earlier_encoding,
)
from cinemill.media.forensics.encoders import find_encoder, read_header_tags
from cinemill.media.forensics.packet_table import PacketTable, read_packet_table
from cinemill.media.forensics.structure import (
    find_configuration_changes,
    find_joins,
    find_key_frames_off_beat,
    find_structure_changes,
)
from cinemill.media.forensics.timing import (
    Cadence,
    describe_hidden_frames,
    find_time_breaks,
    measure_cadence,
)
from cinemill.media.probe.durations import stream_seconds
from cinemill.media.probe.mp4_boxes import read_boxes
from cinemill.media.probe.streams import is_cover_art

MOST_FINDINGS = 60
_ORDER = {FindingStrength.STRONG: 0, FindingStrength.WEAK: 1, FindingStrength.NOTE: 2}


def examine_file(
    path: Path, container_format: SourceFormat, *, stream_index: int, cpu_seconds: float
) -> ForensicsReport:
    """Return the findings of the video stream at ``stream_index`` of the file at ``path``.

    Raises av.FFmpegError where the file cannot be read at all.
    """
    boxes = read_boxes(path)
    with (
        path.open("rb") as file,
        av.open(
            file,
            format=container_format.value,
            options={"protocol_whitelist": "file", "format_whitelist": container_format.value},
            metadata_errors="replace",
        ) as container,
    ):
        stream = _find_stream(container, stream_index)
        if stream is None:
            return ForensicsReport(ForensicsState.UNSUPPORTED, "The file has no video stream.")
        declared = _read_declared(container, stream, container_format)
        table = read_packet_table(container, stream, cpu_seconds=cpu_seconds)
    return examine_packets(table, declared, hides_frames=boxes.has_edit_list)


def examine_packets(
    table: PacketTable, declared: DeclaredFacts, *, hides_frames: bool = False
) -> ForensicsReport:
    """Return the findings of packets and header, the strongest first."""
    if not len(table.times):
        return ForensicsReport(ForensicsState.FAILED, "The video has no frames.", table.codec)
    cadence, encoder = measure_cadence(table), find_encoder(table)
    findings = [
        *find_joins(table),
        *find_configuration_changes(table),
        *find_structure_changes(table, cadence),
        *find_key_frames_off_beat(table, encoder),
        *find_earlier_encoding(table),
        *find_time_breaks(table, cadence),
        *([describe_hidden_frames()] if hides_frames else []),
        *compare_declared(declared, table, cadence),
        *check_settings(encoder, table),
        *describe_origin(declared.tags, encoder),
    ]
    findings.sort(key=_sort_key)
    return ForensicsReport(
        ForensicsState.EXAMINED,
        codec=table.codec,
        frames=len(table.times),
        seconds=round(table.seconds, 3),
        is_whole=table.is_whole,
        findings=tuple(findings[:MOST_FINDINGS]),
        not_examined=tuple(_list_gaps(table, cadence)),
    )


def _sort_key(finding: ForensicsFinding) -> tuple[int, int]:
    return _ORDER[finding.strength], -1 if finding.time_ms is None else finding.time_ms


def _list_gaps(table: PacketTable, cadence: Cadence) -> list[str]:
    gaps = []
    if table.codec not in EXAMINED_CODECS:
        gaps.append(f"Traces of an earlier encoding: they are not looked for in {table.codec}.")
    elif len(table.times) < FEWEST_FRAMES:
        gaps.append("Traces of an earlier encoding: the video is too short.")
    if not cadence.is_steady:
        gaps.append("Gaps between frames: the frame rate varies, or the video is too short.")
    if bool(table.is_key.all()):
        gaps.append("Key frames: every frame is one.")
    if not table.is_whole:
        gaps.append(f"What comes after {table.seconds:.0f} s.")
    return gaps


def _find_stream(container: Any, index: int) -> Any:
    videos = [stream for stream in container.streams.video if not is_cover_art(stream)]
    decodable = [stream for stream in videos if stream.codec_context is not None]
    chosen = [stream for stream in decodable if stream.index == index]
    return (chosen or decodable or [None])[0]


def _read_declared(container: Any, stream: Any, container_format: SourceFormat) -> DeclaredFacts:
    audio = next(iter(container.streams.audio), None)
    is_flv = container_format is SourceFormat.FLV
    kilobits = read_number(container.metadata, "videodatarate") if is_flv else None
    return DeclaredFacts(
        stream_rate=_stream_rate(stream),
        bitrate_bps=kilobits * 1000 if kilobits else read_number(stream.metadata, "BPS"),
        frames=read_number(stream.metadata, "NUMBER_OF_FRAMES"),
        video_seconds=stream_seconds(container, stream) or None,
        audio_seconds=(stream_seconds(container, audio) or None) if audio is not None else None,
        tags=read_header_tags(container.metadata, stream.metadata),
    )


def _stream_rate(stream: Any) -> Fraction | None:
    try:
        rate = stream.codec_context.framerate
    except (AttributeError, ZeroDivisionError):
        return None
    return Fraction(rate) if rate else None
