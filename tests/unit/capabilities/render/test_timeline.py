"""Timelines as scripts write them: what they become, and which are rejected."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.render.timeline.layer_models import MAX_LAYER_ELEMENTS
from cinemill.capabilities.render.timeline.pieces import MOST_CLIPS, split_into_pieces
from cinemill.capabilities.render.timeline.timeline import (
    GAP,
    WHITE,
    Clip,
    Overlay,
    Source,
    Timeline,
    Title,
    Transition,
    find_element_using,
)
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.core.output import OutputFormat
from cinemill.errors import InputRejected

PYDANTIC = re.compile("pydantic|[Ii]nput should|Extra inputs|Field required|[Vv]alue error")
"""Words of pydantic's own messages."""
NAMES = [
    *("clips", "scenes", "output", "width", "fps", "transitions", "path", "start", "end"),
    *("transition", "kind", "seconds", "video_path", "start_time", "end_time", "volume"),
    *("tracks", "overlays", "sounds", "start", "opacity", "asset_id"),
    *("gap", "background", "titles", "text", "from", "to", "place", "size", "colour"),
]


def contract_job(**changes: Any) -> dict[str, Any]:
    """The dictionary that scripts pass, to the letter."""
    job = {
        "scenes": [
            {"video_path": "scene1.mp4", "start_time": 0, "end_time": 10},
            {"video_path": "scene2.mp4", "start_time": 5, "end_time": 15},
        ],
        "output_format": {"width": 1920, "height": 1080, "fps": 30},
        "transitions": True,
        "use_gpu": True,
        "subtitles": "subtitles.srt",
    }
    return {**job, **changes}


def clip(**changes: Any) -> dict[str, Any]:
    return {"path": "a.mp4", "start": 0, "end": 4, **changes}


def reject(document: Any) -> InputRejected:
    with pytest.raises(InputRejected) as refused:
        read_timeline(document)
    return refused.value


def test_timeline_of_the_contract_is_read() -> None:
    fade = Transition("fade", Fraction(1))
    assert read_timeline(contract_job()) == Timeline(
        clips=(
            Clip(Source("scene1.mp4"), Fraction(0), Fraction(10), fade),
            Clip(Source("scene2.mp4"), Fraction(5), Fraction(15)),
        ),
        output=OutputFormat(1920, 1080, Fraction(30)),
        subtitles="subtitles.srt",
        use_gpu=True,
    )


def test_timeline_without_transitions_and_subtitles_is_read() -> None:
    timeline = read_timeline(contract_job(transitions=False, subtitles=None, use_gpu=False))
    assert [one.transition for one in timeline.clips] == [None, None]
    assert timeline.subtitles is None


def test_default_transition_fits_short_scenes() -> None:
    scenes = [
        {"video_path": "a.mp4", "start_time": 0, "end_time": end} for end in (5, "0.5", 5, "1/30")
    ]
    timeline = read_timeline(contract_job(scenes=scenes))
    assert [one.transition and one.transition.seconds for one in timeline.clips] == [
        Fraction(7, 30),
        Fraction(7, 30),
        None,
        None,
    ]


def test_full_form_is_read() -> None:
    document = {
        "clips": [
            clip(start="1/3", end=2.5, transition={"kind": "wipeleft", "seconds": 0.5}),
            {"asset_id": "abc", "start": 0, "end": 3, "volume": 0.5, "fade_in": 1, "fade_out": 2},
            clip(transition="cut"),
        ],
        "output": {"fps": "23.976"},
    }
    first, second, third = read_timeline(document).clips
    assert first.transition == Transition("wipeleft", Fraction(1, 2))
    assert (first.start, first.end) == (Fraction(1, 3), Fraction(5, 2))
    assert second.source == Source(asset_id="abc")
    assert (second.volume, second.fade_in_seconds, second.fade_out_seconds) == (
        Fraction(1, 2),
        Fraction(1),
        Fraction(2),
    )
    assert third.transition is None
    assert read_timeline(document).output.fps == Fraction(24000, 1001)


def test_source_used_twice_is_listed_once() -> None:
    timeline = read_timeline({"clips": [clip(), clip(path="b.mp4"), clip(start=1)]})
    assert timeline.sources == (Source("a.mp4"), Source("b.mp4"))
    assert find_element_using(timeline, Source("b.mp4")) == "Clip 1"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (clip(start=-1), "clip_times_invalid"),
        (clip(start=4), "clip_times_invalid"),
        (clip(start=5), "clip_times_invalid"),
        (clip(end="soon"), "clip_times_invalid"),
        (clip(end=float("nan")), "clip_times_invalid"),
        (clip(end=float("inf")), "clip_times_invalid"),
        (clip(end="1e999999999"), "clip_times_invalid"),
        (clip(end="1/0"), "clip_times_invalid"),
        (clip(end=True), "clip_times_invalid"),
        ({"path": "a.mp4", "start": 0}, "clip_times_invalid"),
        (clip(end=10**9), "clip_times_invalid"),
        (clip(start=10**400), "clip_times_invalid"),
        (clip(start=10**5000), "clip_times_invalid"),
        (clip(start=10**400, end=10**400 + 1), "clip_times_invalid"),
        (clip(start=1e308), "clip_times_invalid"),
        (clip(fade_in=10**400), "timeline_invalid"),
        (clip(transition={"kind": "fade", "seconds": 10**400}), "timeline_invalid"),
        (clip(volume=10**5000), "timeline_invalid"),
        (clip(fade_in=3, fade_out=2), "clip_times_invalid"),
        (clip(transition="jump"), "transition_unknown"),
        (clip(transition="custom"), "transition_unknown"),
        (clip(transition={"kind": "fade", "seconds": 5}), "transition_too_long"),
        (clip(transition={"kind": "fade", "seconds": -1}), "timeline_invalid"),
        (clip(transition=3), "timeline_invalid"),
        (clip(path=3), "timeline_invalid"),
        (clip(path=""), "timeline_invalid"),
        (clip(path=None), "clip_source_missing"),
        (clip(asset_id="x"), "clip_source_missing"),
        (clip(volume=99), "timeline_invalid"),
        (clip(vol=1), "timeline_invalid"),
        ({"gap": 0}, "clip_times_invalid"),
        ({"gap": -1}, "clip_times_invalid"),
        ({"gap": None}, "clip_times_invalid"),
        ({"gap": 1, "path": "a.mp4"}, "timeline_invalid"),
        ("a.mp4", "timeline_invalid"),
    ],
)
def test_rejection_names_the_clip(wrong: Any, code: str) -> None:
    error = reject({"clips": [clip(), clip(), wrong, clip(end=60)]})
    assert len(error.message) < 200
    assert error.message.startswith("Clip 2: ")
    assert error.code == code


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (None, "timeline_invalid"),
        ([], "timeline_invalid"),
        ({}, "timeline_invalid"),
        ({"clips": []}, "timeline_empty"),
        ({"scenes": []}, "timeline_empty"),
        ({"clips": "a.mp4"}, "timeline_invalid"),
        ({"clips": [{"gap": 2}]}, "timeline_empty"),
        ({"clips": [clip()], "background": "red"}, "timeline_invalid"),
        ({"clips": [clip()], "background": "#ff880"}, "timeline_invalid"),
        ({"clips": [clip()], "background": "#000000\n"}, "timeline_invalid"),
        ({"clips": [clip()], "titles": {}}, "timeline_invalid"),
        ({"clips": [clip()], "tracks": [[clip()]]}, "timeline_invalid"),
        ({"tracks": []}, "timeline_invalid"),
        ({"tracks": [[]]}, "timeline_empty"),
        ({"tracks": [[clip()], 3]}, "timeline_invalid"),
        ({"tracks": [[clip()]] * 17}, "timeline_invalid"),
        (
            {"clips": [clip()], "titles": [{"text": "a"}] * (MAX_LAYER_ELEMENTS + 1)},
            "timeline_too_long",
        ),
        (contract_job(titles=[]), "timeline_invalid"),
        ({"clips": [clip()] * (MOST_CLIPS + 1)}, "timeline_too_long"),
        ({"clips": [clip(end=80_000)] * 2}, "timeline_too_long"),
        ({"clips": [clip()], "scenes": []}, "timeline_invalid"),
        ({"clips": [clip()], "output": {"width": 641}}, "timeline_invalid"),
        ({"clips": [clip()], "output": {"height": 0}}, "timeline_invalid"),
        ({"clips": [clip()], "output": {"fps": 0}}, "timeline_invalid"),
        ({"clips": [clip()], "output": {"fps": "1e999999999"}}, "timeline_invalid"),
        ({"clips": [clip()], "output": {"fps": 1000}}, "timeline_invalid"),
        ({"clips": [clip()], "output": "1080p"}, "timeline_invalid"),
        ({"clips": [clip()], "subtitles": 3}, "timeline_invalid"),
        ({"clips": [clip()], "output": {"width": 10**5000}}, "timeline_invalid"),
        ({"clips": [clip()], "output": {"fps": 10**5000}}, "timeline_invalid"),
        (contract_job(transitions=10**5000), "timeline_invalid"),
        (contract_job(transitions="fade"), "timeline_invalid"),
        (contract_job(use_gpu="yes"), "timeline_invalid"),
    ],
)
def test_broken_timeline_is_rejected(document: Any, code: str) -> None:
    assert reject(document).code == code


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("Hello", "timeline_invalid"),
        ({}, "timeline_invalid"),
        ({"text": " \n"}, "timeline_invalid"),
        ({"text": "a", "words": 1}, "timeline_invalid"),
        ({"text": "a", "size": 0}, "timeline_invalid"),
        ({"text": "a", "size": "3/2"}, "timeline_invalid"),
        ({"text": "a", "colour": "#ff88001"}, "timeline_invalid"),
        ({"text": "a", "place": "middle"}, "timeline_invalid"),
        ({"text": "a", "place": []}, "timeline_invalid"),
        ({"text": "a", "from": -1}, "timeline_invalid"),
        ({"text": "a", "from": 2, "to": 1}, "title_times_invalid"),
        ({"text": "a", "from": 2, "to": 2}, "title_times_invalid"),
        ({"text": "a", "from": 4, "to": 5}, "title_times_invalid"),
        ({"text": "a", "from": 1, "to": 2, "fade_in": 0.6, "fade_out": 0.6}, "title_times_invalid"),
    ],
)
def test_rejection_names_the_title(wrong: Any, code: str) -> None:
    error = reject({"clips": [clip()], "titles": [{"text": "a"}, wrong]})
    assert error.message.startswith("Title 1: ")
    assert error.code == code


OVERLAY = {"path": "logo.png"}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"overlays": ["logo.png"]}, "timeline_invalid"),
        ({"overlays": [OVERLAY, {}]}, "overlay_source_missing"),
        ({"overlays": [OVERLAY, {**OVERLAY, "asset_id": "a"}]}, "overlay_source_missing"),
        ({"overlays": [OVERLAY, {**OVERLAY, "from": 2, "to": 1}]}, "overlay_times_invalid"),
        ({"overlays": [OVERLAY, {**OVERLAY, "from": 9}]}, "overlay_times_invalid"),
        ({"overlays": [OVERLAY, {**OVERLAY, "to": 1, "fade_in": 2}]}, "overlay_times_invalid"),
        ({"overlays": [OVERLAY, {**OVERLAY, "opacity": 0}]}, "timeline_invalid"),
        ({"overlays": [OVERLAY, {**OVERLAY, "size": 2}]}, "timeline_invalid"),
        ({"overlays": [OVERLAY, {**OVERLAY, "volume": 1}]}, "timeline_invalid"),
        ({"sounds": [OVERLAY, {}]}, "sound_source_missing"),
        ({"sounds": [OVERLAY, {**OVERLAY, "from": 4}]}, "sound_times_invalid"),
        ({"sounds": [OVERLAY, {**OVERLAY, "volume": -1}]}, "timeline_invalid"),
        ({"sounds": [OVERLAY, {**OVERLAY, "place": "top"}]}, "timeline_invalid"),
    ],
)
def test_rejection_names_the_overlay_or_sound(wrong: dict[str, Any], code: str) -> None:
    error = reject({"clips": [clip()], **wrong})
    assert re.match(r"(Overlay|Sound) [01]: ", error.message)
    assert error.code == code


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (clip(start=4), "clip_times_invalid"),
        (clip(transition="fade"), "timeline_invalid"),
        (clip(fade_in=5), "clip_times_invalid"),
        ({"gap": 0}, "clip_times_invalid"),
        (clip(path=None), "clip_source_missing"),
    ],
)
def test_rejection_names_the_upper_clip(wrong: Any, code: str) -> None:
    error = reject({"tracks": [[clip(end=30)], [{"gap": 1}, wrong]]})
    assert error.code == code
    assert error.message.startswith("Track 1, clip 1: ")


def test_upper_track_becomes_overlays_and_sounds() -> None:
    upper = clip(path="b.mp4", start=1, end=3, volume=0.5, fade_in=1)
    document = {"tracks": [[clip()], [{"gap": 1}, upper, {"gap": "1/2"}, clip(path="b.mp4")]]}
    timeline = read_timeline(document)
    names = ["Track 1, clip 1", "Track 1, clip 3"]
    assert [one.name for one in timeline.overlays] == names
    first, second = timeline.overlays
    assert first == Overlay(
        Source("b.mp4"),
        since=Fraction(1),
        until=Fraction(3),
        name=names[0],
        start=Fraction(1),
        fade_in_seconds=Fraction(1),
    )
    assert [second.since, second.until] == [Fraction(7, 2), Fraction(4)]
    assert [(one.volume, one.may_be_missing) for one in timeline.sounds] == [
        (Fraction(1, 2), True),
        (Fraction(1), True),
    ]
    assert timeline.sources == (Source("a.mp4"), Source("b.mp4"))
    assert find_element_using(timeline, Source("b.mp4")) == names[0]


def test_upper_clip_after_the_first_track_is_rejected() -> None:
    error = reject({"tracks": [[clip()], [clip(), clip()]]})
    assert (error.code, error.message[:15]) == ("clip_times_invalid", "Track 1, clip 1")


def test_upper_clip_fades_must_fit_the_first_track() -> None:
    long = clip(path="b.mp4", end=4, fade_in=2, fade_out=2)
    assert read_timeline({"tracks": [[clip(end=4)], [long]]}).overlays
    error = reject({"tracks": [[clip(end=2)], [long]]})
    assert (error.code, error.message[:15]) == ("clip_times_invalid", "Track 1, clip 0")


@pytest.mark.parametrize("text", ["\u200b", "\x01", " \n\u2060\ufeff"])
def test_invisible_title_is_rejected(text: str) -> None:
    error = reject({"clips": [clip()], "titles": [{"text": text}]})
    assert (error.code, error.message[:8]) == ("timeline_invalid", "Title 0:")


def test_simultaneous_overlays_are_limited() -> None:
    assert len(read_timeline({"clips": [clip()], "overlays": [OVERLAY] * 8}).overlays) == 8
    error = reject({"clips": [clip()], "overlays": [OVERLAY] * 10})
    assert (error.code, error.message[:10]) == ("overlays_too_many", "Overlay 8:")
    after = [{**OVERLAY, "from": n, "to": n + 1} for n in range(30)]
    timeline = read_timeline({"clips": [clip(end=30)], "overlays": after})
    assert len(split_into_pieces(timeline)) == 4
    assert reject({"clips": [clip()], "overlays": [OVERLAY] * 1001}).code == "timeline_too_long"


def test_titles_gaps_and_background_are_read() -> None:
    document = {
        "clips": [clip(), {"gap": "1/2", "transition": "cut"}, clip()],
        "background": "#FF8800",
        "titles": [
            {"text": "Hello"},
            {"text": "{a}\nb", "from": 1, "to": 99, "place": "top", "size": 0.1, "fade_in": 1},
        ],
    }
    timeline = read_timeline(document)
    assert timeline.clips[1] == Clip(GAP, Fraction(0), Fraction(1, 2))
    assert timeline.sources == (Source("a.mp4"),)
    assert timeline.background == "#ff8800"
    end = Fraction(17, 2)
    assert timeline.titles == (
        Title("Hello", Fraction(0), end),
        Title("{a}\nb", Fraction(1), end, "top", Fraction(1, 10), WHITE, Fraction(1)),
    )


def test_longest_timeline_is_read() -> None:
    timeline = read_timeline({"clips": [clip()] * MOST_CLIPS})
    assert len(timeline.clips) == MOST_CLIPS


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(NAMES),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_read_or_rejected_in_our_words(document: Any) -> None:
    try:
        read_timeline(document)
    except InputRejected as error:
        assert not PYDANTIC.search(error.message)  # noqa: PT017 - most documents are rejected
