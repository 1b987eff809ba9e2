"""Corrections for the second attempt, by how much the first fell short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.transcode.vmaf_target import (
    LOWEST_CRF,
    MAX_BITRATE_FACTOR,
    adjust_for_vmaf,
)
from cinemill.core.encoding.rendition import (
    CRF_RANGES,
    LARGEST_BITRATE_BPS,
    LEAST_BITRATE_BPS,
    RenditionRequest,
    VideoCodec,
    read_rendition,
)

codecs = st.sampled_from(VideoCodec)
scores = st.floats(0, 99.9)
bitrates = st.integers(LEAST_BITRATE_BPS, LARGEST_BITRATE_BPS)


@st.composite
def by_crf(draw: st.DrawFn) -> RenditionRequest:
    codec = draw(codecs)
    return RenditionRequest(codec=codec, crf=draw(st.integers(*CRF_RANGES[codec])))


by_bitrate = st.builds(RenditionRequest, codec=codecs, bitrate_bps=bitrates)


def effort(request: RenditionRequest | None, before: RenditionRequest) -> int:
    """Return the effort: the larger, the better the quality; unchanged settings count as before."""
    request = request or before
    if request.bitrate_bps is not None:
        return request.bitrate_bps
    return -request.effective_crf


@given(st.one_of(by_crf(), by_bitrate), scores, scores, scores)
def test_vmaf_correction_grows_with_the_shortfall(
    request: RenditionRequest, wanted: float, one: float, other: float
) -> None:
    worse, better = sorted([one, other])
    after_worse, after_better = (adjust_for_vmaf(request, wanted, v) for v in (worse, better))
    assert effort(after_worse, request) >= effort(after_better, request)


@given(st.one_of(by_crf(), by_bitrate), scores, scores)
def test_vmaf_correction_is_better_and_within_bounds(
    request: RenditionRequest, wanted: float, reached: float
) -> None:
    corrected = adjust_for_vmaf(request, wanted, reached)
    if corrected is None:
        return
    assert reached < wanted
    assert effort(corrected, request) > effort(request, request)
    if corrected.bitrate_bps is None or request.bitrate_bps is None:
        assert corrected.effective_crf >= LOWEST_CRF
    else:
        max_bps = min(LARGEST_BITRATE_BPS, request.bitrate_bps * MAX_BITRATE_FACTOR)
        assert corrected.bitrate_bps <= max_bps
    same = corrected.model_copy(update={"crf": request.crf, "bitrate_bps": request.bitrate_bps})
    assert same == request  # nothing else was changed


@given(st.one_of(by_crf(), by_bitrate), scores, st.floats(0, 100))
def test_vmaf_target_reached_needs_no_correction(
    request: RenditionRequest, wanted: float, more: float
) -> None:
    assert adjust_for_vmaf(request, wanted, wanted + more) is None


@pytest.mark.parametrize(("codec", "crf"), [("h264", 22), ("h265", 22), ("vp9", 16), ("av1", 10)])
def test_vmaf_correction_for_twice_the_permitted_loss(codec: str, crf: int) -> None:
    """A halving of the loss and a fifth more."""
    corrected = adjust_for_vmaf(read_rendition({"codec": codec, "crf": 30}), 95, 90)
    assert corrected is not None
    assert corrected.crf == crf


def test_vmaf_correction_raises_the_bitrate_as_the_loss_must_shrink() -> None:
    corrected = adjust_for_vmaf(read_rendition({"bitrate": "1M"}), 95, 90)
    assert corrected is not None
    assert corrected.bitrate_bps == 2_500_000


@pytest.mark.parametrize("options", [{"crf": 0}, {"crf": 1}, {"bitrate": "2000M"}])
def test_vmaf_correction_is_none_if_nothing_better_can_be_requested(
    options: dict[str, str],
) -> None:
    assert adjust_for_vmaf(read_rendition(options), 95, 90) is None
