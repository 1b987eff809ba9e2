"""Hardware by its devices, and each family told in its own words what a rendition is to be."""

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


def tell(family: HardwareVendor, **options: object) -> str:
    """What a family is told, as one line."""
    request = read_rendition(options)
    return " ".join(HardwareEncoder("it", request.codec, family).plan_arguments(request))


def test_a_machine_without_devices_has_no_candidates(tmp_path: Path) -> None:
    assert list_candidates(tmp_path, "linux") == []


def test_devices_name_the_candidates_the_best_first(tmp_path: Path) -> None:
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


def test_each_of_two_cards_is_a_candidate(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    for name in ("renderD128", "renderD129"):
        (tmp_path / "dri" / name).touch()
    found = [one for one in list_candidates(tmp_path, "linux") if one.name == "h264_vaapi"]
    assert [one.devices[0].name for one in found] == ["renderD128", "renderD129"]


def test_apples_machines_are_known_by_their_name(tmp_path: Path) -> None:
    names = [one.name for one in list_candidates(tmp_path, "darwin")]
    assert names == ["h264_videotoolbox", "hevc_videotoolbox"]


@pytest.mark.parametrize(
    ("family", "codec", "crf", "told"),
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
def test_a_crf_in_the_words_of_each_family(
    family: HardwareVendor, codec: str, crf: int, told: str
) -> None:
    assert told in tell(family, codec=codec, crf=crf)


@pytest.mark.parametrize("family", [NVENC, QSV, VAAPI, VIDEOTOOLBOX], ids=lambda one: one.name)
def test_a_bitrate_is_kept_over_two_seconds_and_quality_is_not_spoken_of(
    family: HardwareVendor,
) -> None:
    told = tell(family, bitrate="2M")
    assert told.endswith("-b:v 2000000 -maxrate 3000000 -bufsize 4000000")
    for word in ("-cq", "-global_quality", "-q:v", "CQP"):
        assert word not in told


@given(st.sampled_from([NVENC, QSV, VAAPI, VIDEOTOOLBOX]), st.data())
def test_a_worse_crf_never_asks_for_a_better_picture(
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


def test_vaapi_is_told_its_device_and_given_pictures_in_its_memory() -> None:
    encoder = HardwareEncoder("hevc_vaapi", VideoCodec.H265, VAAPI, (NODE,))
    assert encoder.input_arguments == ["-vaapi_device", str(NODE)]
    assert encoder.plan_filters(is_deep=False) == ["format=nv12", "hwupload"]
    assert encoder.plan_filters(is_deep=True) == ["format=p010le", "hwupload"]


def test_a_preset_chooses_the_effort() -> None:
    told = [
        " ".join(
            HardwareEncoder("h264_nvenc", VideoCodec.H264, NVENC).plan_arguments(
                read_rendition({"preset": preset})
            )
        )
        for preset in ("archive", "web", "mobile")
    ]
    assert [line.split()[3] for line in told] == ["p7", "p5", "p3"]


def test_a_wish_is_part_of_a_request_only_where_it_is_made() -> None:
    assert "use_gpu" not in RenditionRequest().to_json()
    wish = read_rendition({"use_gpu": True})
    assert read_rendition(wish.to_json()) == wish


LOG = """\
[h264_nvenc @ 0x55a05b029940] [error] Cannot load libcuda.so.1
[vf#0:0 @ 0x55a05b045400] [error] Error sending frames to consumers: Operation not permitted"""


def test_the_reason_is_the_logs_first_line_without_its_address() -> None:
    failed = CommandFailed("FFmpeg failed with exit code 1.", exit_code=1, log_tail=LOG)
    assert failure_reason(failed) == "[h264_nvenc] Cannot load libcuda.so.1"


def test_without_a_log_the_reason_is_the_errors_own() -> None:
    failed = CommandFailed("FFmpeg failed with exit code 1.", exit_code=1, log_tail="")
    assert failure_reason(failed) == "FFmpeg failed with exit code 1."
