"""Hardware by its devices, and each vendor's options for a rendition."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.encoding.rendition import (
    CRF_RANGES,
    RenditionRequest,
    VideoCodec,
    read_rendition,
)
from cinemill.errors import CommandFailed
from cinemill.media.encoding.hardware import (
    NVENC,
    QSV,
    VAAPI,
    VIDEOTOOLBOX,
    HardwareEncoder,
    HardwareVendor,
    list_candidates,
)
from cinemill.media.encoding.hardware_probe import failure_reason

NODE = Path("/dev/dri/renderD128")


def show_options(family: HardwareVendor, **options: object) -> str:
    """Return a vendor's options as one line."""
    request = read_rendition(options)
    return " ".join(HardwareEncoder("it", request.codec, family).plan_arguments(request))


def test_hardware_candidates_are_empty_without_devices(tmp_path: Path) -> None:
    assert list_candidates(tmp_path, "linux") == []


def test_hardware_candidates_follow_from_devices_best_first(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm", "dri/card0", "dri/renderD128"):
        (tmp_path / name).touch()
    found = list_candidates(tmp_path, "linux")
    assert [encoder.name for encoder in found] == [
        *("h264_nvenc", "hevc_nvenc", "av1_nvenc"),
        *("h264_qsv", "hevc_qsv", "vp9_qsv", "av1_qsv"),
        *("h264_vaapi", "hevc_vaapi", "vp9_vaapi", "av1_vaapi"),
    ]
    assert {path.name for path in found[0].devices} == {"nvidia0", "nvidiactl", "nvidia-uvm"}
    assert found[-1].devices == (tmp_path / "dri" / "renderD128",)


def test_hardware_candidates_include_each_of_two_cards(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    for name in ("renderD128", "renderD129"):
        (tmp_path / "dri" / name).touch()
    found = [one for one in list_candidates(tmp_path, "linux") if one.name == "h264_vaapi"]
    assert [one.devices[0].name for one in found] == ["renderD128", "renderD129"]


def test_hardware_candidates_on_macos_are_videotoolbox(tmp_path: Path) -> None:
    names = [one.name for one in list_candidates(tmp_path, "darwin")]
    assert names == ["h264_videotoolbox", "hevc_videotoolbox"]


@pytest.mark.parametrize(
    ("family", "codec", "crf", "options"),
    [
        (NVENC, "h264", 22, "-rc vbr -cq 22 -b:v 0"),
        (NVENC, "h264", 0, "-rc vbr -cq 1 -b:v 0"),
        (QSV, "h265", 25, "-global_quality 25"),
        (QSV, "av1", 63, "-global_quality 51"),
        (VAAPI, "h264", 22, "-rc_mode CQP -global_quality 22"),
        (VAAPI, "vp9", 32, "-rc_mode CQP -global_quality 128"),
        (VIDEOTOOLBOX, "h265", 25, "-q:v 50"),
    ],
)
def test_crf_is_converted_for_each_vendor(
    family: HardwareVendor, codec: str, crf: int, options: str
) -> None:
    assert options in show_options(family, codec=codec, crf=crf)


@pytest.mark.parametrize("family", [NVENC, QSV, VAAPI, VIDEOTOOLBOX], ids=lambda one: one.name)
def test_bitrate_arguments_have_a_two_second_buffer_and_no_quality_option(
    family: HardwareVendor,
) -> None:
    options = show_options(family, bitrate="2M")
    assert options.endswith("-b:v 2000000 -maxrate 3000000 -bufsize 4000000")
    for word in ("-cq", "-global_quality", "-q:v", "CQP"):
        assert word not in options


@given(st.sampled_from([NVENC, QSV, VAAPI, VIDEOTOOLBOX]), st.data())
def test_higher_crf_never_requests_better_hardware_quality(
    family: HardwareVendor, data: st.DataObject
) -> None:
    codec = data.draw(st.sampled_from(family.codecs))
    least, most = CRF_RANGES[codec]
    better, worse = sorted(data.draw(st.tuples(*[st.integers(least, most)] * 2)))
    first, second = (
        max(int(word) for word in family.quality_arguments(codec, crf) if word.isdigit())
        for crf in (better, worse)
    )
    assert second <= first if family is VIDEOTOOLBOX else first <= second


def test_vaapi_gets_its_device_and_uploaded_frames() -> None:
    encoder = HardwareEncoder("hevc_vaapi", VideoCodec.H265, VAAPI, (NODE,))
    assert encoder.input_arguments == ["-vaapi_device", str(NODE)]
    assert encoder.plan_filters(is_deep=False) == ["format=nv12", "hwupload"]
    assert encoder.plan_filters(is_deep=True) == ["format=p010le", "hwupload"]


def test_preset_selects_the_hardware_effort() -> None:
    options = [
        " ".join(
            HardwareEncoder("h264_nvenc", VideoCodec.H264, NVENC).plan_arguments(
                read_rendition({"preset": preset})
            )
        )
        for preset in ("archive", "web", "mobile")
    ]
    assert [line.split()[3] for line in options] == ["p7", "p5", "p3"]


def test_hardware_is_in_the_request_document_only_if_requested() -> None:
    assert "use_gpu" not in RenditionRequest().to_json()
    request = read_rendition({"use_gpu": True})
    assert read_rendition(request.to_json()) == request


LOG = """\
[h264_nvenc @ 0x55a05b029940] [error] Cannot load libcuda.so.1
[vf#0:0 @ 0x55a05b045400] [error] Error sending frames to consumers: Operation not permitted"""


def test_hardware_failure_reason_is_the_first_log_line_without_addresses() -> None:
    failed = CommandFailed("FFmpeg failed with exit code 1.", exit_code=1, log_tail=LOG)
    assert failure_reason(failed) == "[h264_nvenc] Cannot load libcuda.so.1"


def test_hardware_failure_reason_without_a_log_is_the_errors_message() -> None:
    failed = CommandFailed("FFmpeg failed with exit code 1.", exit_code=1, log_tail="")
    assert failure_reason(failed) == "FFmpeg failed with exit code 1."
