"""Which frames are measured, and parsing of libvmaf's log."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.transcode.vmaf import MAX_FRAMES, choose_interval, read_scores
from cinemill.errors import OutputInvalid


def write_log(path: Path, frames: int, **scores: float) -> Path:
    measured = [{"frameNum": number} for number in range(frames)]
    path.write_text(json.dumps({"frames": measured, "pooled_metrics": {"vmaf": scores}}))
    return path


@given(st.integers(1, MAX_FRAMES))
def test_vmaf_measures_every_frame_of_a_short_video(frames: int) -> None:
    assert choose_interval(frames) == 1


@given(st.integers(MAX_FRAMES + 1, 10**7))
def test_vmaf_interval_of_a_long_video_never_matches_encoder_patterns(frames: int) -> None:
    every = choose_interval(frames)
    assert every % 2 == 1
    assert every % 5 != 0
    assert MAX_FRAMES / 3 <= math.ceil(frames / every) <= MAX_FRAMES


def test_vmaf_scores_are_read_from_the_log(tmp_path: Path) -> None:
    log = write_log(tmp_path / "vmaf.json", 3, mean=93.1251, min=87.004)
    assert read_scores(log, frames=3) == (93.13, 87.0)


@pytest.mark.parametrize(
    ("frames", "scores"),
    [
        (2, {"mean": 93.0, "min": 90.0}),
        (3, {"mean": math.nan, "min": 90.0}),
        (3, {"mean": 93.0, "min": 94.0}),
        (3, {"mean": 193.0, "min": 94.0}),
        (3, {"mean": 93.0}),
    ],
    ids=["too few", "no number", "crossed", "too much", "incomplete"],
)
def test_vmaf_log_with_impossible_values_is_rejected(
    tmp_path: Path, frames: int, scores: dict[str, float]
) -> None:
    log = write_log(tmp_path / "vmaf.json", frames, **scores)
    with pytest.raises(OutputInvalid):
        read_scores(log, frames=3)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"frames": 3, "pooled_metrics": {}}'])
def test_vmaf_log_that_cannot_be_read_is_rejected(tmp_path: Path, text: str | None) -> None:
    log = tmp_path / "vmaf.json"
    if text is not None:
        log.write_text(text)
    with pytest.raises(OutputInvalid):
        read_scores(log, frames=3)
