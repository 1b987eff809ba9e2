"""Results of Rekognition as findings: exact times within the video, boxes within the picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.findings.finding import Finding, FindingKind, PictureBox
from cinemill.inference.providers.failures import ProviderReplyInvalid
from cinemill.inference.providers.jobs import FindingSet
from cinemill.inference.providers.rekognition.features import OPERATIONS, Feature
from cinemill.inference.providers.rekognition.mapping import TOLERANCE_MS, map_results
from cinemill.inference.providers.rekognition.paging import Results

DURATION_MS = 10_000
BOX = {"Left": 0.25, "Top": 0.5, "Width": 0.25, "Height": 0.25}


def label(name: str = "Car", start: int = 0, end: int = 500, **members: Any) -> dict[str, Any]:
    return {
        "Label": {"Name": name, "Confidence": 87.5, "Instances": [], "Parents": []} | members,
        "Timestamp": start,
        "StartTimestampMillis": start,
        "EndTimestampMillis": end,
    }


def instance(confidence: float = 75, **box: float) -> dict[str, Any]:
    return {"BoundingBox": BOX | box, "Confidence": confidence}


def segment(kind: str, start: int, end: int, **members: Any) -> dict[str, Any]:
    return {"Type": kind, "StartTimestampMillis": start, "EndTimestampMillis": end} | members


def shot(index: int, start: int, end: int) -> dict[str, Any]:
    return segment("SHOT", start, end, ShotSegment={"Index": index, "Confidence": 99.5})


def cue(name: str, start: int, end: int) -> dict[str, Any]:
    return segment(
        "TECHNICAL_CUE", start, end, TechnicalCueSegment={"Type": name, "Confidence": 90}
    )


def face(moment: int, **box: float) -> dict[str, Any]:
    return {
        "Timestamp": moment,
        "Face": {
            "BoundingBox": BOX | box,
            "Confidence": 99,
            "AgeRange": {"Low": 20, "High": 30},
            "Gender": {"Value": "Female", "Confidence": 90},
        },
    }


def text(words: str, moment: int = 0, kind: str = "LINE") -> dict[str, Any]:
    detection = {"DetectedText": words, "Type": kind, "Id": 0, "Confidence": 80}
    return {"Timestamp": moment, "TextDetection": detection | {"Geometry": {"BoundingBox": BOX}}}


def moderation(name: str, parent: str, start: int, end: int) -> dict[str, Any]:
    return {
        "ModerationLabel": {"Name": name, "ParentName": parent, "Confidence": 60},
        "Timestamp": start,
        "StartTimestampMillis": start,
        "EndTimestampMillis": end,
    }


def map_items(
    feature: Feature, items: list[Any], *, view: int = 0, duration_ms: int = DURATION_MS
) -> Mapping[FindingKind, FindingSet]:
    sets = map_results(
        Results(items, "3.0"), OPERATIONS[feature].views[view], duration_ms=duration_ms
    )
    return {one.kind: one for one in sets}


def map_tags(*items: Any) -> list[Finding]:
    return map_items(Feature.LABELS, list(items))[FindingKind.TAG].findings


def test_label_over_a_range_is_a_tag_with_the_services_times() -> None:
    (tag,) = map_tags(label("Car", 1033, 4567))
    assert tag == Finding(1033, 4567, "Car", 0.875)


def test_findings_carry_the_services_model() -> None:
    found = map_items(Feature.LABELS, [label()])[FindingKind.TAG]
    assert (found.model.provider, found.model.name) == ("rekognition", "rekognition tag")
    assert (found.model.revision, found.model.version) == ("3.0", 1)


def test_instance_of_a_label_is_an_object_until_the_next_sample() -> None:
    items = [
        label("Car", 0, Instances=[instance(), instance(50, Left=0.75)]),
        label("Road", 200),
        label("Car", 5000, Instances=[instance()]),
    ]
    objects = map_items(Feature.LABELS, items, view=1)[FindingKind.OBJECT].findings
    assert [(one.start_ms, one.end_ms, one.label) for one in objects] == [
        (0, 200, "Car"),
        (0, 200, "Car"),
        (5000, 5500, "Car"),
    ]
    assert objects[0].box == PictureBox(0.25, 0.5, 0.25, 0.25)
    assert [one.confidence for one in objects] == [0.75, 0.5, 0.75]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ({"Left": -0.25, "Width": 0.5}, PictureBox(0, 0.5, 0.25, 0.25)),
        ({"Top": 0.75, "Height": 0.5}, PictureBox(0.25, 0.75, 0.25, 0.25)),
        ({"Left": 1.5}, None),
        ({"Width": 0}, None),
        ({"Width": -0.5}, None),
    ],
)
def test_box_is_cut_to_the_picture(box: dict[str, float], expected: PictureBox | None) -> None:
    faces = map_items(Feature.FACES, [face(0, **box)])[FindingKind.FACE].findings
    assert [one.box for one in faces] == ([] if expected is None else [expected])


def test_face_is_kept_without_guesses_about_the_person() -> None:
    (found,) = map_items(Feature.FACES, [face(400)])[FindingKind.FACE].findings
    assert found == Finding(400, 900, "face", 0.99, PictureBox(0.25, 0.5, 0.25, 0.25))


def test_segments_are_shots_and_cues() -> None:
    items = [cue("BlackFrames", 0, 400), cue("Novelty", 9000, 10_000), shot(1, 4000, 10_000)]
    sets = map_items(Feature.SEGMENTS, [*items, shot(0, 0, 4000)])
    assert sets[FindingKind.SHOT].findings == [
        Finding(0, 4000, "shot", 0.995, details={"index": 0}),
        Finding(4000, 10_000, "shot", 0.995, details={"index": 1}),
    ]
    cues = sets[FindingKind.CUE].findings
    assert [(one.start_ms, one.end_ms, one.label) for one in cues] == [
        (0, 400, "black frames"),
        (9000, 10_000, "Novelty"),
    ]


def test_lines_of_text_are_kept_and_their_words_are_not() -> None:
    items = [
        text("Press\nroom\u202e", 500),
        text("Press", 500, "WORD"),
        text("\x00\u200b", 500),
        text("EXIT", 9900),
    ]
    texts = map_items(Feature.TEXT, items)[FindingKind.TEXT].findings
    assert [(one.start_ms, one.end_ms, one.label) for one in texts] == [
        (500, 1000, "Press room"),
        (9900, 10_000, "EXIT"),
    ]


def test_moderation_label_has_its_wider_class() -> None:
    items = [moderation("Weapons", "Violence", 100, 200), moderation("Violence", "", 100, 200)]
    found = map_items(Feature.MODERATION, items)[FindingKind.MODERATION].findings
    assert [(one.label, one.details) for one in found] == [
        ("Violence", {}),
        ("Weapons", {"parent": "Violence"}),
    ]


@given(
    ranges=st.lists(
        st.tuples(st.integers(0, DURATION_MS + TOLERANCE_MS), st.integers(0, 10**9)), max_size=20
    ),
    duration_ms=st.just(DURATION_MS),
)
def test_times_lie_within_the_video(ranges: list[tuple[int, int]], duration_ms: int) -> None:
    items = [label("Car", start, start + length) for start, length in ranges]
    found = map_items(Feature.LABELS, items, duration_ms=duration_ms)[FindingKind.TAG].findings
    assert len(found) == len(ranges)
    assert all(0 <= one.start_ms < one.end_ms <= duration_ms for one in found)
    assert found == sorted(found, key=lambda one: (one.start_ms, one.end_ms))


@given(moments=st.lists(st.integers(0, DURATION_MS), max_size=20))
def test_samples_do_not_reach_over_the_next(moments: list[int]) -> None:
    found = map_items(Feature.FACES, [face(one) for one in moments])[FindingKind.FACE].findings
    times = sorted(set(moments))
    assert all(1 <= one.end_ms - one.start_ms <= 500 for one in found)
    assert all(one.end_ms <= later for one in found for later in times if later > one.start_ms)


def test_label_at_the_last_millisecond_has_a_range() -> None:
    (tag,) = map_tags(label("Car", DURATION_MS, DURATION_MS))
    assert (tag.start_ms, tag.end_ms) == (DURATION_MS - 1, DURATION_MS)


def test_times_of_another_video_are_refused() -> None:
    with pytest.raises(ProviderReplyInvalid) as refused:
        map_tags(label("Car", DURATION_MS + TOLERANCE_MS + 1, 10**6))
    assert refused.value.code == "provider_other_video"


@pytest.mark.parametrize(
    ("feature", "item"),
    [
        (Feature.LABELS, label(Name="")),
        (Feature.LABELS, label(Name="\x00 ")),
        (Feature.LABELS, label(Name=None)),
        (Feature.LABELS, label(Confidence=101)),
        (Feature.LABELS, label(Confidence="87")),
        (Feature.LABELS, label(Confidence=float("nan"))),
        (Feature.LABELS, label(start=500, end=499)),
        (Feature.LABELS, label() | {"StartTimestampMillis": -1}),
        (Feature.LABELS, label() | {"EndTimestampMillis": 0.5}),
        (Feature.LABELS, label() | {"EndTimestampMillis": 10**30}),
        (Feature.LABELS, {"Label": {"Name": "Car"}}),
        (Feature.SEGMENTS, segment("SHOT", 0, 1)),
        (Feature.SEGMENTS, segment("TECHNICAL_CUE", 0, 1)),
        (Feature.SEGMENTS, segment("SCENE", 0, 1)),
        (Feature.FACES, face(0, Left=float("inf"))),
        (Feature.FACES, {"Timestamp": 0}),
        (Feature.TEXT, text("x", kind="PARAGRAPH")),
        (Feature.MODERATION, moderation("", "", 0, 1)),
        (Feature.MODERATION, None),
    ],
)
def test_result_of_another_shape_is_refused_as_a_whole(feature: Feature, item: Any) -> None:
    with pytest.raises(ProviderReplyInvalid) as refused:
        map_items(feature, [item])
    assert refused.value.code == "provider_reply_invalid"
