"""Where things are to each other in a shot, by their boxes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from cinemill.capabilities.knowledge.scene_graph import (
    MOST_FINDINGS,
    SceneEdge,
    SpatialPredicate,
    build_scene_graph,
    list_scene_relations,
    relate_boxes,
)
from cinemill.core.findings.finding import Finding, PictureBox
from cinemill.core.knowledge.graph import RelationKind

SHOT = Finding(1000, 5000, "shot")
LEFT = PictureBox(0.1, 0.4, 0.2, 0.2)
RIGHT = PictureBox(0.7, 0.4, 0.2, 0.2)
share = st.integers(0, 64).map(lambda n: n / 64)


@st.composite
def boxes(draw: st.DrawFn) -> PictureBox:
    left, right = sorted((draw(share), draw(share)))
    top, bottom = sorted((draw(share), draw(share)))
    return PictureBox(left, top, right - left, bottom - top)


def seen(label: str, box: PictureBox | None, start_ms: int = 1000, end_ms: int = 2000) -> Finding:
    return Finding(start_ms, end_ms, label, 0.8, box)


def describe(shot: Finding, *findings: Finding) -> list[tuple[str, str, str, int, int]]:
    found = list_scene_relations(build_scene_graph(shot, findings))
    return [(r.subject, r.predicate, r.object, r.start_ms, r.end_ms) for r in found]


def test_thing_is_left_of_another() -> None:
    found = describe(SHOT, seen("tree", RIGHT), seen("dog", LEFT))
    assert found == [("dog", "left of", "tree", 1000, 2000)]


def test_thing_is_above_inside_and_overlaps_another() -> None:
    above, small = PictureBox(0.1, 0.1, 0.2, 0.1), PictureBox(0.12, 0.42, 0.05, 0.05)
    across = replace(LEFT, left=0.2)
    assert relate_boxes(LEFT, above) == (SpatialPredicate.ABOVE, True)
    assert relate_boxes(small, LEFT) == (SpatialPredicate.INSIDE, False)
    assert relate_boxes(LEFT, small) == (SpatialPredicate.INSIDE, True)
    assert relate_boxes(LEFT, across)[0] is SpatialPredicate.OVERLAPS


@given(boxes(), boxes())
def test_order_of_boxes_does_not_matter(first: PictureBox, second: PictureBox) -> None:
    predicate, is_turned = relate_boxes(first, second)
    other, is_other_turned = relate_boxes(second, first)
    assert predicate is other
    if predicate is not SpatialPredicate.OVERLAPS:
        middles = [(box.left + box.width / 2, box.top + box.height / 2) for box in (first, second)]
        assert is_turned != is_other_turned or middles[0] == middles[1]


@given(boxes(), boxes())
def test_mirrored_boxes_turn_left_round(first: PictureBox, second: PictureBox) -> None:
    predicate, is_turned = relate_boxes(first, second)
    mirrored = [replace(box, left=1 - box.left - box.width) for box in (first, second)]
    assume(first.left + first.width / 2 != second.left + second.width / 2)
    other, is_other_turned = relate_boxes(*mirrored)
    assert predicate is other
    if predicate is SpatialPredicate.LEFT_OF:
        assert is_turned != is_other_turned


def test_things_that_are_not_seen_together_have_no_relation() -> None:
    assert describe(SHOT, seen("dog", LEFT, 1000, 2000), seen("tree", RIGHT, 2000, 3000)) == []


def test_relation_ends_with_its_shot() -> None:
    found = describe(SHOT, seen("dog", LEFT, 0, 9000), seen("tree", RIGHT, 4000, 9000))
    assert found == [("dog", "left of", "tree", 4000, 5000)]
    assert describe(SHOT, seen("dog", LEFT, 0, 1000), seen("tree", RIGHT, 0, 1000)) == []


def test_moments_in_a_row_are_one_relation_and_moments_far_apart_two() -> None:
    shot = Finding(0, 20_000, "shot")
    moments = [0, 1500, 3000, 12_000]
    findings = [
        seen(label, box, start, start + 100)
        for start in moments
        for label, box in (("dog", LEFT), ("tree", RIGHT))
    ]
    assert describe(shot, *findings) == [
        ("dog", "left of", "tree", 0, 3100),
        ("dog", "left of", "tree", 12_000, 12_100),
    ]


def test_tracks_of_one_label_are_two_things_without_a_relation_by_label() -> None:
    dogs = [replace(seen("dog", LEFT), track=1), replace(seen("dog", RIGHT), track=2)]
    scene = build_scene_graph(SHOT, dogs)
    assert [(node.label, node.track) for node in scene.nodes] == [("dog", 1), ("dog", 2)]
    assert scene.edges == (SceneEdge(0, SpatialPredicate.LEFT_OF, 1, 1000, 2000, 0.8),)
    assert list_scene_relations(scene) == []


def test_findings_without_a_box_are_left_out() -> None:
    assert build_scene_graph(SHOT, [seen("beach", None)]).nodes == ()


def test_least_certain_findings_are_left_out_of_a_crowd() -> None:
    crowd = [replace(seen(f"thing {n}", LEFT), confidence=n / 1000) for n in range(600)]
    nodes = build_scene_graph(SHOT, crowd).nodes
    assert len(nodes) == MOST_FINDINGS
    assert min(node.confidence or 0 for node in nodes) == (600 - MOST_FINDINGS) / 1000


def test_relations_are_spatial() -> None:
    scene = build_scene_graph(SHOT, [seen("dog", LEFT), seen("tree", RIGHT)])
    assert {one.kind for one in list_scene_relations(scene)} == {RelationKind.SPATIAL}
