"""Handling of chunks that turn out not to be the video's frames, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cinemill.capabilities.transcode.chunk_handlers import join_chunks, name_chunk
from cinemill.capabilities.transcode.chunks import Chunk
from cinemill.capabilities.transcode.plan import ChunkParameters
from cinemill.core.encoding.rendition import RenditionRequest, VideoCodec
from cinemill.core.job import ClaimedRun
from cinemill.core.parameter_reader import read_parameters
from cinemill.jobs.step import StepContext

WHOLE = {
    "is_whole": True,
    "settings": "same",
    "key": "chunk",
    "sha256": "0" * 64,
    "frames": 25,
    "delay": 2,
    "reused": False,
}
STORED = {
    "request": {"codec": "h264", "container": "mp4", "audio": "auto", "preset": "web"},
    "time_base": "1/12800",
    "threads": 1,
    "chunk": {"first_pts": 0, "end_pts": 12800, "enter_pts": None, "frames": 25},
}
"""A step's row as the first version that cut videos wrote it."""
PARAMS = read_parameters(ChunkParameters, STORED)
STORED_KEY = "79e1ea5f0f0c2748b22d5fb0f2a1de4dd1a4155eccdc92887f10f698dd14c63d"


def meet(inputs: dict[str, Any]) -> StepContext:
    run = ClaimedRun(
        *("run", "token", "job", "transcode", "step", "join", "join_chunks"),
        *("ann", None, 1, {"codec": "h264"}, {}, inputs),
    )
    return StepContext(run, Path(), lambda share, message: None, lambda: None, 2**30)


@pytest.mark.parametrize(
    "other",
    [{**WHOLE, "is_whole": False}, {**WHOLE, "settings": "other"}],
    ids=["a picture is missing", "another encoder"],
)
def test_unusable_chunks_lead_to_encoding_the_video_whole(other: dict[str, Any]) -> None:
    # The resources are not used: nothing of the chunks is usable.
    outcome = join_chunks(None, meet({"chunk-0": WHOLE, "chunk-1": other}))  # type: ignore[arg-type]
    (whole,) = outcome.steps
    assert (whole.kind, whole.params["codec"]) == ("encode_whole", "h264")
    assert "encoded_whole_because" in outcome.result


def change(**members: object) -> ChunkParameters:
    return PARAMS.model_copy(update=members)


def test_chunk_keys_are_unchanged_and_steps_of_earlier_versions_are_read() -> None:
    assert PARAMS.to_json() == STORED
    assert name_chunk("film", PARAMS, "9.0") == STORED_KEY


def test_chunk_key_is_equal_for_equal_chunks() -> None:
    assert name_chunk("film", PARAMS.model_copy(), "9.0") == name_chunk("film", PARAMS, "9.0")


@pytest.mark.parametrize(
    "name",
    [
        name_chunk("another film", PARAMS, "9.0"),
        name_chunk("film", PARAMS, "8.1"),
        name_chunk("film", change(threads=2), "9.0"),
        name_chunk("film", change(request=RenditionRequest(codec=VideoCodec.AV1)), "9.0"),
        name_chunk("film", change(chunk=Chunk(0, 25600, None, 50)), "9.0"),
    ],
)
def test_chunk_key_differs_for_any_other_input(name: str) -> None:
    assert name != name_chunk("film", PARAMS, "9.0")
