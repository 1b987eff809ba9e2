"""The package's own tests: its plan, its reading of FFmpeg's figures, and its command on a fake."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.capability import PROTOCOL_VERSION, InputRejected, SourceParameters
from cinemill.capability.handlers import OutputInvalid
from cinemill.client import ClientError
from cinemill.testing import FakeClient, fail, succeed
from cinemill_loudness import CAPABILITY, JOB, plan_loudness
from cinemill_loudness.command import measure_file
from cinemill_loudness.measure import parse_frames

FRAMES = """frame:0    pts:0       pts_time:0
lavfi.r128.I=-70.000
lavfi.r128.LRA=0.000
lavfi.r128.true_peak=0.000
frame:1    pts:4410    pts_time:0.1
lavfi.r128.I=-21.766
lavfi.r128.LRA=20.000
lavfi.r128.true_peak=0.500
"""


def test_the_package_names_the_protocol_that_it_was_tested_with() -> None:
    assert CAPABILITY.protocol == PROTOCOL_VERSION


def test_a_stored_video_is_probed_then_measured() -> None:
    steps = plan_loudness(SourceParameters(), "asset-1")
    assert [(step.name, step.after) for step in steps] == [("probe", ()), ("loudness", ("probe",))]


def test_a_job_without_a_video_is_rejected() -> None:
    with pytest.raises(InputRejected, match="path of a video"):
        plan_loudness(SourceParameters(), None)


def test_the_last_figures_count() -> None:
    assert parse_frames(FRAMES.splitlines()) == {
        "integrated_lufs": -21.77,
        "range_lu": 20.0,
        "true_peak_dbtp": -6.02,
    }


def test_silence_has_no_peak() -> None:
    assert parse_frames(FRAMES.splitlines()[:4])["true_peak_dbtp"] is None


def test_a_measurement_without_figures_is_an_invalid_output() -> None:
    with pytest.raises(OutputInvalid, match="integrated_lufs"):
        parse_frames([])


def test_the_command_returns_what_the_job_measured(tmp_path: Path) -> None:
    client = FakeClient(outcomes={JOB: succeed(integrated_lufs=-23.0)}, kinds=[JOB])
    assert measure_file(client, _write_video(tmp_path))["integrated_lufs"] == -23.0


def test_the_command_reports_a_job_that_failed(tmp_path: Path) -> None:
    client = FakeClient(outcomes={JOB: fail("media_no_sound", "It is silent.")}, kinds=[JOB])
    with pytest.raises(ClientError, match="It is silent") as refused:
        measure_file(client, _write_video(tmp_path))
    assert refused.value.code == "media_no_sound"


def _write_video(folder: Path) -> Path:
    path = folder / "video.mkv"
    path.write_bytes(bytes.fromhex("1a45dfa3") + b"\0" * 60)
    return path
