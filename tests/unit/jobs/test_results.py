"""Results of steps are read by their type, whichever version wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from cinemill.capabilities.captions.results import TranscribeResult
from cinemill.capabilities.render.results import (
    FetchResult,
    FoundSource,
    JoinResult,
    MixResult,
    PieceFacts,
    PieceResult,
    PiecesResult,
    StoredAudio,
    ValidateResult,
)
from cinemill.capabilities.transcode.results import ChunkResult, CutResult
from cinemill.core.media import MediaInfo, SourceFormat, VideoStream
from cinemill.core.text.subtitles import Cue, Subtitles
from cinemill.errors import OutputInvalid
from cinemill.jobs.results import Seconds, Timed, read_result, write_result
from cinemill.steps.source.results import ProbeResult


@dataclass(frozen=True, slots=True)
class Part:
    key: str
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    name: str
    parts: tuple[Part, ...] = ()
    stages: Mapping[str, float | None] = field(default_factory=dict)
    seconds: Seconds = None


FOUND = Found("a", (Part("x"), Part("y", is_new=False)), {"probe": 1.5, "intake": None})
DOCUMENT = {
    "name": "a",
    "parts": [{"key": "x", "is_new": True}, {"key": "y", "is_new": False}],
    "stages": {"probe": 1.5, "intake": None},
}


def test_result_is_plain_json_and_read_back() -> None:
    assert write_result(FOUND) == DOCUMENT
    assert read_result(Found, DOCUMENT) == FOUND


def test_step_duration_comes_from_the_database() -> None:
    assert read_result(Found, {**DOCUMENT, "seconds": 2.5}).seconds == 2.5
    assert read_result(Timed, {**DOCUMENT, "seconds": 2.5}).seconds == 2.5


def test_result_with_more_or_fewer_fields_is_read() -> None:
    assert read_result(Found, {"name": "a", "new": [1]}) == Found("a")


@pytest.mark.parametrize("document", [None, {}, [], {"name": 5}, {"name": "a", "parts": 3}])
def test_unreadable_result_is_reported(document: Any) -> None:
    with pytest.raises(OutputInvalid, match="a Found that this version can read") as refused:
        read_result(Found, document)
    assert "Submit the job again" in refused.value.hint


def test_unreadable_probe_result_is_reported() -> None:
    with pytest.raises(OutputInvalid):
        read_result(ProbeResult, {"asset_id": "a", "media": {"format": "odd"}})


VIDEO = VideoStream(
    index=0,
    codec="h264",
    width=640,
    height=360,
    display_width=640,
    display_height=360,
    fps=Fraction(30000, 1001),
    is_variable_rate=False,
    rotation_degrees=0,
    pixel_format="yuv420p",
    bit_depth=8,
    is_interlaced=False,
    color_primaries="",
    color_transfer="",
    color_space="",
    hdr="",
    frames_from_header=60,
    duration_seconds_from_header=2.0,
)
MEDIA = MediaInfo(SourceFormat.MP4, 1000, 2.0, 0.0, 4000, VIDEO, warnings=("odd size",))
PIECE = {"key": "k", "sha256": "s", "facts": {"frames": 25, "delay": 2, "settings": "x"}}
CHUNK = {"frames": 25, "delay": 2, "settings": "x", "is_whole": True, "cpu_seconds": 1.5}
STORED: list[tuple[type[Any], dict[str, Any], object]] = [
    (
        TranscribeResult,
        {"asset_id": "a", "transcript_id": "t", "language": "de", "model": "base", "stages": {}}
        | {"reused": True, "seconds": 2},
        TranscribeResult("a", "t", "de", "base", {}, reused=True, seconds=2.0),
    ),
    (
        ChunkResult,
        {**CHUNK, "key": "k", "sha256": "s", "reused": False, "seconds": 3.5},
        ChunkResult(
            "k", "s", 25, 2, "x", is_whole=True, reused=False, cpu_seconds=1.5, seconds=3.5
        ),
    ),
    (CutResult, {"asset_id": "a", "output_path": "/a", "made": []}, CutResult()),
    (CutResult, {"chunks": 3, "changes": ["why"]}, CutResult(3, ("why",))),
    (
        PiecesResult,
        {"pieces": [{**PIECE, "reused": False, "hardware": None, "changes": []}]}
        | {"cpu_seconds": 0.5},
        PiecesResult((PieceResult("k", "s", PieceFacts(25, 2, "x"), reused=False),), 0.5),
    ),
    (MixResult, {"sound": None, "reused": False}, MixResult(None)),
    (
        MixResult,
        {"sound": {"key": "k", "sha256": "s"}, "reused": True},
        MixResult(StoredAudio("k", "s"), reused=True),
    ),
    (ValidateResult, {"asset_ids": ["a"], "subtitles": None}, ValidateResult(("a",))),
    (JoinResult, {"asset_id": "a", "output_path": "/a", "pieces": {"total": 1}}, JoinResult()),
]


@pytest.mark.parametrize(("kind", "document", "result"), STORED)
def test_results_of_jobs_in_flight_are_read(
    kind: type[Any], document: dict[str, Any], result: object
) -> None:
    """As the steps wrote them before their results had types, with what the database adds."""
    assert read_result(kind, document) == result


def test_sources_are_read_by_their_number() -> None:
    stored = {"sources": {"0": {"asset_id": "a", "sha256": "s", "media": MEDIA.to_json()}}}
    result = read_result(FetchResult, stored)
    assert result == FetchResult({0: FoundSource("a", "s", MEDIA)})
    assert write_result(result) == stored


def test_subtitles_are_read_as_they_were_written() -> None:
    subtitles = Subtitles((Cue(0, 1000, "Good morning"),), size=(640, 360))
    stored = {"asset_ids": ["a"], "subtitles": json.loads(json.dumps(subtitles.to_json()))}
    result = read_result(ValidateResult, stored)
    assert result.subtitles == subtitles
    assert write_result(result) == stored
