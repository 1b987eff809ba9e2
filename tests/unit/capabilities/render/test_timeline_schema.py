"""The JSON Schema of timelines against the reader: what is read, the schema accepts as well."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cinemill.capabilities.render.timeline.clip_models import (
    ClipDocument,
    GapDocument,
    TransitionDocument,
)
from cinemill.capabilities.render.timeline.layer_models import (
    OverlayDocument,
    SoundDocument,
    TitleDocument,
)
from cinemill.capabilities.render.timeline.models import (
    OutputDocument,
    SceneListDocument,
    TimelineDocument,
)
from cinemill.capabilities.render.timeline.timeline import PLACES, TRANSITIONS
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline, write_schema
from cinemill.core.parameters import Parameters
from cinemill.errors import InputRejected

SCHEMA = write_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
Document = dict[str, Any]


def numbers(maximum: int) -> st.SearchStrategy[Any]:
    """Numbers as people write them, most of them in range."""
    return st.one_of(
        st.integers(0, maximum),
        st.floats(0, maximum),
        st.decimals(0, maximum, places=4).map(str),
        st.fractions(0, maximum, max_denominator=1001).map(str),
        st.sampled_from([None, -1, "-0", "1/0", "7\n", "0" * 12, True, "", "soon", 10**9 + 1]),
    )


TEXTS = st.one_of(
    st.text(max_size=8), st.sampled_from(["a.mp4", "\u200b", "\x1c", " ", "a" * 4097, None, 3])
)
COLORS = st.one_of(st.from_regex("#[0-9a-fA-F]{6}"), st.sampled_from([None, "red", "#12345"]))
KINDS = st.sampled_from(["cut", "jump", *TRANSITIONS[:3]])
SHARES, SECONDS = numbers(1), numbers(3)
SOURCES = st.fixed_dictionaries({}, optional={"path": TEXTS, "asset_id": TEXTS}) | st.just(
    {"path": "a.mp4"}
)
TRANSITION = st.one_of(
    KINDS,
    st.fixed_dictionaries({"kind": KINDS}, optional={"seconds": numbers(1)}),
    st.sampled_from([None, {}, 3]),
)
FADES = {"fade_in": numbers(1), "fade_out": numbers(1)}
SPAN = {"from": SECONDS, "to": SECONDS, **FADES}


def joined(*parts: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
    """One object of the members of all."""
    return st.tuples(*parts).map(lambda found: {k: v for one in found for k, v in one.items()})


def members(required: Document, optional: Document) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(required, optional={**optional})


CLIP = st.one_of(
    st.just({"path": "a.mp4", "start": 0, "end": 9}),
    joined(
        SOURCES,
        members(
            {"start": numbers(3), "end": numbers(9)},
            {"volume": numbers(16), "transition": TRANSITION, "vol": SECONDS, **FADES},
        ),
    ),
    members({"gap": SECONDS}, {"transition": TRANSITION}),
)
LISTS = {
    "titles": members(
        {"text": TEXTS},
        {"place": st.sampled_from([*PLACES, "middle"]), "size": SHARES, "colour": COLORS, **SPAN},
    ),
    "overlays": joined(
        SOURCES,
        members({}, {"place": st.sampled_from(PLACES), "size": SHARES, "opacity": SHARES, **SPAN}),
    ),
    "sounds": joined(SOURCES, members({}, {"start": SECONDS, "volume": numbers(16), **SPAN})),
}
SIDES = st.integers(0, 40) | st.sampled_from([None, 640.0, "640", 16386])
RATES = numbers(240) | st.sampled_from(["30000/1001", "23.976", 25])
TIMELINE = joined(
    st.one_of(
        members({"clips": st.lists(CLIP, max_size=4)}, {"tracks": st.none()}),
        members({"tracks": st.lists(st.lists(CLIP, max_size=2), max_size=3)}, {"clips": st.none()}),
    ),
    members(
        {},
        {
            **{name: st.none() | st.lists(one, max_size=2) for name, one in LISTS.items()},
            "output": st.none() | members({}, {"width": SIDES, "height": SIDES, "fps": RATES}),
            "background": COLORS,
            "use_gpu": st.sampled_from([True, False, None, 1]),
            "subtitles": TEXTS,
            "captions": TEXTS,
        },
    ),
)


def is_read(document: Any) -> bool:
    try:
        read_timeline(document)
    except InputRejected:
        return False
    return True


@pytest.mark.property
@given(TIMELINE)
def test_schema_accepts_every_timeline_that_is_read(document: Document) -> None:
    if is_read(document):
        VALIDATOR.validate(document)


@pytest.mark.parametrize(
    ("name", "element"),
    [("clips", CLIP), *LISTS.items()],
)
@pytest.mark.property
@given(data=st.data())
def test_schema_accepts_every_element_that_is_read(
    name: str, element: st.SearchStrategy[Document], data: st.DataObject
) -> None:
    usual = {"path": "a.mp4", "start": 0, "end": 9}
    document = {"clips": [usual], name: [usual] if name == "clips" else []}
    document[name].append(data.draw(element))
    if is_read(document):
        VALIDATOR.validate(document)


FULL: Document = {
    "clips": [
        {
            "path": "a.mp4",
            "asset_id": None,
            "start": "1/3",
            "end": 9.5,
            "volume": 0,
            "fade_in": None,
            "fade_out": "0.5",
            "transition": {"kind": "wipeleft", "seconds": None},
        },
        {"gap": "5/2", "transition": "fade"},
        {"asset_id": "abc", "start": 0, "end": 6, "transition": None},
    ],
    "tracks": None,
    "titles": [
        {"text": "a", "from": None, "to": 4, "place": "top", "size": 1, "colour": "#FfFfFf"}
    ],
    "overlays": [{"path": "a.png", "opacity": "1/2", "start": None, "size": 0.5}],
    "sounds": [{"asset_id": "b", "volume": 16, "fade_in": 1}],
    "output": {"width": 640, "height": None, "fps": "30000/1001"},
    "background": "#000000",
    "use_gpu": None,
    "subtitles": None,
    "captions": "en",
}


def test_schema_and_reader_accept_a_timeline_with_every_member() -> None:
    assert is_read(FULL)
    VALIDATOR.validate(FULL)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"clips": []},
        {"clips": [{"path": "a.mp4", "start": 0}]},
        {"clips": [{"path": "a.mp4", "start": 0, "end": "soon"}]},
        {"clips": [{"path": "a.mp4", "asset_id": "b", "start": 0, "end": 1}]},
        {"clips": [{"start": 0, "end": 1}]},
        {"clips": [{"path": None, "start": 0, "end": 1}]},
        {"clips": [{"path": "a.mp4", "start": -1, "end": 1}]},
        {"clips": [{"path": "a.mp4", "start": 0, "end": 1, "vol": 1}]},
        {"clips": [{"path": "a.mp4", "start": 0, "end": 1, "transition": "jump"}]},
        {"clips": [{"path": "a.mp4", "start": 0, "end": 1, "transition": {"seconds": 1}}]},
        {"clips": [{"gap": 0}]},
        {"tracks": []},
        {**FULL, "zoom": 1},
        {**FULL, "tracks": [[{"gap": 1}]]},
        {**FULL, "titles": [{"text": " "}]},
        {**FULL, "titles": [{"text": "a", "color": "#ffffff"}]},
        {**FULL, "overlays": [{"path": "a.png", "opacity": 0}]},
        {**FULL, "output": {"width": 641}},
        {**FULL, "output": {"fps": 0}},
        {**FULL, "background": "red"},
    ],
)
def test_schema_and_reader_reject_the_same_faults(wrong: Document) -> None:
    assert not is_read(wrong)
    assert not VALIDATOR.is_valid(wrong)


def test_schema_is_valid_and_names_its_elements() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == "Timeline"
    titles = {one.get("title") for one in SCHEMA["$defs"].values()}
    assert titles >= {"Clip", "Gap", "Output", "Overlay", "Sound", "Title"}


@pytest.mark.parametrize(
    "model",
    [
        *(ClipDocument, GapDocument, OutputDocument, OverlayDocument, SoundDocument),
        *(SceneListDocument, TimelineDocument, TitleDocument, TransitionDocument),
    ],
)
def test_schema_describes_every_member(model: type[Parameters]) -> None:
    document = model.model_json_schema()
    properties = document.get("properties") or document["oneOf"][1]["properties"]
    assert len(properties) == len(model.model_fields)
    assert [name for name, member in properties.items() if not member.get("description")] == []
