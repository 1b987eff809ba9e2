"""The key of a rendition's work."""

from __future__ import annotations

from cinemill.capabilities.transcode.handlers import step_key
from cinemill.core.encoding.rendition import read_rendition


def test_rendition_key_includes_the_quality_target() -> None:
    requests = [{}, {"vmaf_min": 90}, {"vmaf_min": 93}, {"vmaf_min": 93, "crf": 30}]
    assert len({step_key("film", read_rendition(request)) for request in requests}) == len(requests)
    whole, exact = ({"vmaf_min": least} for least in (93, 93.0))
    assert step_key("film", read_rendition(whole)) == step_key("film", read_rendition(exact))
