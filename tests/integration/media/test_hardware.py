"""Hardware detection by encoding.

The machines that run these tests may have no hardware encoders: the real ones must then fail with a
reason, and a software encoder takes the place of a real one behind the same interface, so that
everything except the hardware runs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.core.encoding.rendition import VideoCodec, read_rendition
from cinemill.errors import CommandFailed
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
"""A software encoder with the interface of a hardware encoder."""
H264 = HardwareEncoder("libx264", VideoCodec.H264, STAND_IN)
H265 = HardwareEncoder("libx265", VideoCodec.H265, STAND_IN)
NONE_THERE = Path("/dev/dri/renderD128")


def make_candidates() -> list[HardwareEncoder]:
    """Return everything that a machine with every kind of hardware would try."""
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
def test_missing_hardware_is_reported_with_the_reason(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox
) -> None:
    candidates = make_candidates()
    found = probe_all(ffmpeg_binary, sandbox, candidates)
    assert found.encoders == ()
    assert set(found.refused) == {one.name for one in candidates}
    for reason in found.refused.values():
        assert reason
        assert "bwrap" not in reason  # the sandbox is not the reason
    assert "this FFmpeg has no" in found.refused["h264_videotoolbox"]


def test_working_hardware_encoder_is_found_once_with_its_abilities(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox
) -> None:
    found = probe_all(ffmpeg_binary, sandbox, [H264, *make_candidates()[:1], H265, H264])
    assert [(one.name, one.is_deep) for one in found.encoders] == [
        ("libx264", False),  # h264 has eight bits, whatever the encoder supports
        ("libx265", True),
    ]


def test_command_with_devices_and_drivers_works_in_the_sandbox(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox
) -> None:
    assert try_encoder(ffmpeg_binary, sandbox, replace(H264, devices=(Path("/dev/null"),))) is None


def test_hardware_trial_encodes_like_a_rendition(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox
) -> None:
    """The encoder's quality options are tried too."""
    wrong = HardwareEncoder("libx264", VideoCodec.H264, NVENC)
    reason = try_encoder(ffmpeg_binary, sandbox, wrong)
    assert reason is not None
    assert "p5" in reason


def test_rendition_in_hardware_names_its_encoder_and_vendor(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=1)
    outcome = encode(
        FfmpegSession(
            processor.ffmpeg_binary,
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


def test_failure_of_hardware_is_not_blamed_on_the_video(
    processor: Processor, tmp_path: Path
) -> None:
    """Software tries next, which a rejection would prevent."""
    broken = HardwareVendor("broken", (VideoCodec.H264,), lambda *_: ["-preset", "nonesuch"])
    film = films.make_film(tmp_path / "film.mp4", seconds=1)
    with pytest.raises(CommandFailed) as failed:
        encode(
            FfmpegSession(
                processor.ffmpeg_binary,
                processor.folder,
                processor.limits,
                processor.sandbox,
                should_stop=processor.should_stop,
            ),
            film,
            processor.probe(film),
            read_rendition({"use_gpu": True}),
            hardware=HardwareEncoder("libx264", VideoCodec.H264, broken),
        )
    assert "nonesuch" in failed.value.log_tail
