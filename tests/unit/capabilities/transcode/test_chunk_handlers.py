"""What becomes of chunks that turn out not to be the film's pictures, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cinemill.capabilities.transcode.chunk_handlers import join_film, name_chunk
from cinemill.capabilities.transcode.chunks import Chunk
from cinemill.core.job import ClaimedRun
from cinemill.jobs.step import StepContext

WHOLE = {"is_whole": True, "settings": "same", "key": "chunk"}
PARAMS = {
    "request": {"codec": "h264"},
    "time_base": "1/12800",
    "threads": 1,
    "chunk": Chunk(0, 12800, None, 25).to_json(),
}


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
def test_the_film_is_encoded_whole_instead(other: dict[str, Any]) -> None:
    # The resources is not asked for anything: nothing of the chunks is of use.
    outcome = join_film(None, meet({"chunk-0": WHOLE, "chunk-1": other}))  # type: ignore[arg-type]
    (whole,) = outcome.steps
    assert (whole.kind, whole.params["codec"]) == ("encode_whole", "h264")
    assert "encoded_whole_because" in outcome.result


def test_the_same_chunk_has_the_same_name() -> None:
    assert name_chunk("film", dict(PARAMS), "9.0") == name_chunk("film", PARAMS, "9.0")


@pytest.mark.parametrize(
    "name",
    [
        name_chunk("another film", PARAMS, "9.0"),
        name_chunk("film", PARAMS, "8.1"),
        name_chunk("film", {**PARAMS, "threads": 2}, "9.0"),
        name_chunk("film", {**PARAMS, "request": {"codec": "av1"}}, "9.0"),
        name_chunk("film", {**PARAMS, "chunk": Chunk(0, 25600, None, 50).to_json()}, "9.0"),
    ],
)
def test_any_other_has_another(name: str) -> None:
    assert name != name_chunk("film", PARAMS, "9.0")
