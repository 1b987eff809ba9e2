"""What makes two renditions the same work."""

from __future__ import annotations

from cinemill.capabilities.transcode.handlers import step_key
from cinemill.core.encoding.rendition import read_rendition


def test_how_good_it_must_be_is_part_of_what_is_made() -> None:
    wishes = [{}, {"vmaf_min": 90}, {"vmaf_min": 93}, {"vmaf_min": 93, "crf": 30}]
    assert len({step_key("film", read_rendition(wish)) for wish in wishes}) == len(wishes)
    whole, exact = ({"vmaf_min": least} for least in (93, 93.0))
    assert step_key("film", read_rendition(whole)) == step_key("film", read_rendition(exact))
