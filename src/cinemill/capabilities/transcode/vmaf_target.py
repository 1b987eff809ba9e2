"""The required quality of a rendition, and what to change if it is not reached. Pure.

VMAF says from 0 to 100 how near a frame comes to its original; the distance to 100 is called loss
here. By measurements on four videos, each halving of the loss takes about as many steps of an
encoder's crf as ``CRF_TO_HALVE`` says, and a bitrate about twice as high.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from cinemill.core.encoding.rendition import (
    CRF_RANGES,
    HIGHEST_VMAF,
    LARGEST_BITRATE_BPS,
    RenditionRequest,
    VideoCodec,
)

CRF_TO_HALVE: Mapping[VideoCodec, int] = {
    VideoCodec.H264: 6,
    VideoCodec.H265: 6,
    VideoCodec.VP9: 10,
    VideoCodec.AV1: 15,
}
TARGET_LOSS_SHARE = 0.8
"""Share of the permitted loss: there is no third attempt, and videos differ."""
MAX_BITRATE_FACTOR = 4
"""A bitrate beyond this would no longer be the requested one."""
LOWEST_CRF = 1
"""0 is lossless in some encoders, which browsers do not play."""


def adjust_for_vmaf(
    request: RenditionRequest, vmaf_min: float, vmaf: float
) -> RenditionRequest | None:
    """Return the next request after one that reached ``vmaf`` instead of ``vmaf_min``.

    Both are at least 0 and below 100. Returns None if the target is reached, and if nothing better
    can be requested.
    """
    if vmaf >= vmaf_min:
        return None
    excess = (HIGHEST_VMAF - vmaf) / ((HIGHEST_VMAF - vmaf_min) * TARGET_LOSS_SHARE)
    if request.bitrate_bps is not None:
        return _raise_bitrate(request, request.bitrate_bps, excess)
    return _lower_crf(request, excess)


def _raise_bitrate(request: RenditionRequest, bps: int, excess: float) -> RenditionRequest | None:
    max_bps = min(LARGEST_BITRATE_BPS, bps * MAX_BITRATE_FACTOR)
    raised_bps = min(max_bps, math.ceil(bps * excess))
    return request.model_copy(update={"bitrate_bps": raised_bps}) if raised_bps > bps else None


def _lower_crf(request: RenditionRequest, excess: float) -> RenditionRequest | None:
    codec, crf = request.codec, request.effective_crf
    steps = math.ceil(math.log2(excess) * CRF_TO_HALVE[codec])
    lowered = max(LOWEST_CRF, CRF_RANGES[codec][0], crf - steps)
    return request.model_copy(update={"crf": lowered}) if lowered < crf else None
