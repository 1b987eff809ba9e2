"""Color conversion from HDR to SDR."""

from __future__ import annotations

from cinemill.core.media import MediaInfo


def tonemap(info: MediaInfo) -> list[str]:
    """Convert BT.2100 to BT.709: linear light, Hable tone mapping, back to gamma.

    Without chroma subsampling on either side, because zscale rejects odd sizes otherwise.
    """
    video = info.video
    primaries = "bt2020" if video.color_primaries == "unknown" else video.color_primaries
    return [
        "format=yuv444p10le",
        f"zscale=tin={video.color_transfer}:pin={primaries}:min=bt2020nc:rin=tv:t=linear:npl=100",
        "format=gbrpf32le",
        "zscale=p=bt709",
        "tonemap=hable:desat=0",
        "zscale=t=bt709:m=bt709:r=tv",
        "format=yuv444p",
    ]
