"""Hardware is found by encoding with it. No machine that this is tested on has any: the real ones
are seen to fail as they should, and a software encoder takes a real one's place behind the same
door, so that everything but the silicon runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.core.encoding.rendition import VideoCodec, read_rendition
from cinemill.media.encoding.encode import encode
from cinemill.media.encoding.hardware import (
    NVENC,
    QSV,
    VAAPI,
    VIDEOTOOLBOX,
    HardwareEncoder,
    HardwareVendor,
    list_candidates,
)
from cinemill.media.encoding.hardware_probe import probe_all, try_encoder
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.ffmpeg.session import FfmpegSession

STAND_IN = HardwareVendor(
    "stand-in", (VideoCodec.H264,), lambda _codec, crf: ["-crf", str(crf), "-preset", "veryfast"]
)
"""Not hardware, but told what to do in the same way."""
H264 = HardwareEncoder("libx264", VideoCodec.H264, STAND_IN)
H265 = HardwareEncoder("libx265", VideoCodec.H265, STAND_IN)
NONE_THERE = Path("/dev/dri/renderD128")


def make_candidates() -> list[HardwareEncoder]:
    """All that a machine with every kind of hardware would try."""
    names = {VideoCodec.H265: "hevc"}
    return [
        HardwareEncoder(f"{names.get(codec, codec.value)}_{family.name}", codec, family, devices)
        for family, devices in (
            (NVENC, (Path("/dev/nvidia0"),)),
            (QSV, (NONE_THERE,)),
            (VAAPI, (NONE_THERE,)),
            (VIDEOTOOLBOX, ()),
        )
        for codec in family.codecs
    ]


@pytest.mark.skipif(
    bool(list_candidates(Path("/dev"), "linux")), reason="this machine may have the hardware"
)
def test_what_is_not_there_is_refused_with_the_reason(
    toolbox: FfmpegBinary, sandbox: Sandbox
) -> None:
    candidates = make_candidates()
    found = probe_all(toolbox, sandbox, candidates)
    assert found.encoders == ()
    assert set(found.refused) == {one.name for one in candidates}
    for reason in found.refused.values():
        assert reason
        assert "bwrap" not in reason  # the walls are not what it failed by
    assert "this FFmpeg has no" in found.refused["h264_videotoolbox"]


def test_what_encodes_is_found_once_with_what_it_can(
    toolbox: FfmpegBinary, sandbox: Sandbox
) -> None:
    found = probe_all(toolbox, sandbox, [H264, *make_candidates()[:1], H265, H264])
    assert [(one.name, one.is_deep) for one in found.encoders] == [
        ("libx264", False),  # h264 has eight bits, whatever the encoder could
        ("libx265", True),
    ]


def test_what_may_reach_devices_and_drivers_still_works_behind_walls(
    toolbox: FfmpegBinary, sandbox: Sandbox
) -> None:
    assert try_encoder(toolbox, sandbox, replace(H264, devices=(Path("/dev/null"),))) is None


def test_a_trial_is_made_as_films_are_made(toolbox: FfmpegBinary, sandbox: Sandbox) -> None:
    """What the encoder is told of quality is tried too."""
    wrong = HardwareEncoder("libx264", VideoCodec.H264, NVENC)
    reason = try_encoder(toolbox, sandbox, wrong)
    assert reason is not None
    assert "p5" in reason


def test_a_film_in_hardware(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=1)
    outcome = encode(
        FfmpegSession(
            processor.toolbox,
            processor.folder,
            processor.limits,
            processor.sandbox,
            should_stop=processor.should_stop,
        ),
        film,
        processor.probe(film),
        read_rendition({"use_gpu": True}),
        hardware=H264,
    )
    assert outcome.facts["encoder"] == "libx264"
    assert outcome.facts["hardware"] == "stand-in"
    assert outcome.facts["frames"] == 25
