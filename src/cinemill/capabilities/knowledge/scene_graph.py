"""Scene graphs: the things that are seen in one shot, and where they are to each other.

From boxes alone: "left of" and "above" are of the picture, and say nothing of depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from cinemill.core.findings.finding import Finding, PictureBox
from cinemill.core.knowledge.graph import Relation, RelationKind

MOST_FINDINGS = 400
"""Of one shot; the most confident ones."""
INSIDE_SHARE = 0.9
"""Share of a box that has to be in another one."""
OVERLAP_SHARE = 0.1
"""Share of the smaller box that two have to have in common."""
_LEAST_LENGTH = 1e-6
LONGEST_GAP_MS = 2000
"""Between two moments with the same relation that count as one range."""


class SpatialPredicate(StrEnum):
    """Where a thing is in the picture, as seen from another."""

    LEFT_OF = "left of"
    ABOVE = "above"
    INSIDE = "inside"
    OVERLAPS = "overlaps"


@dataclass(frozen=True, slots=True)
class SceneNode:
    """A thing in a shot: what has the same label and track is one thing."""

    label: str
    track: int | None
    """None where nothing was followed: then each label is one thing of the shot."""
    start_ms: int
    end_ms: int
    confidence: float | None
    """The highest of its findings."""


@dataclass(frozen=True, slots=True)
class SceneEdge:
    """Two things, by their numbers in the scene, and where they are to each other for a time."""

    subject: int
    predicate: SpatialPredicate
    object: int
    start_ms: int
    end_ms: int
    confidence: float | None
    """Of the less certain one of the two, where it is best seen."""


@dataclass(frozen=True, slots=True)
class SceneGraph:
    """The things of a shot in order of time, and their relations."""

    start_ms: int
    end_ms: int
    nodes: tuple[SceneNode, ...]
    edges: tuple[SceneEdge, ...]


_Thing = tuple[str, int | None]


def build_scene_graph(shot: Finding, findings: Sequence[Finding]) -> SceneGraph:
    """Return the things that are seen in a shot, and where they are to each other.

    Findings without a box, or outside of the shot's time, are left out. Two things relate only
    while both are seen. At most :data:`MOST_FINDINGS` findings.
    """
    seen = [
        one
        for one in findings
        if one.box is not None and one.start_ms < shot.end_ms and shot.start_ms < one.end_ms
    ]
    if len(seen) > MOST_FINDINGS:
        seen = sorted(seen, key=lambda one: -(one.confidence or 0.0))[:MOST_FINDINGS]
    seen.sort(key=lambda one: (one.start_ms, one.label, one.track is None, one.track or 0))
    things: dict[_Thing, list[Finding]] = {}
    for one in seen:
        things.setdefault((one.label, one.track), []).append(one)
    numbers = {thing: number for number, thing in enumerate(things)}
    nodes = tuple(_make_node(shot, thing, group) for thing, group in things.items())
    return SceneGraph(shot.start_ms, shot.end_ms, nodes, _make_edges(shot, seen, numbers))


def relate_boxes(first: PictureBox, second: PictureBox) -> tuple[SpatialPredicate, bool]:
    """Return where a box is to another one, and whether the second is the subject.

    Exactly one predicate holds of two boxes: inside, else overlaps, else the direction in which
    they are farther apart.
    """
    shared = _shared_area(first, second)
    areas = (first.width * first.height, second.width * second.height)
    if areas[0] != areas[1]:
        is_second_smaller = areas[1] < areas[0]
        if shared > 0 and shared >= INSIDE_SHARE * min(areas):
            return SpatialPredicate.INSIDE, is_second_smaller
    if shared > 0 and shared >= OVERLAP_SHARE * min(areas):
        return SpatialPredicate.OVERLAPS, False
    across = _distance(first.left, first.width, second.left, second.width)
    down = _distance(first.top, first.height, second.top, second.height)
    if abs(across) >= abs(down):
        return SpatialPredicate.LEFT_OF, across < 0
    return SpatialPredicate.ABOVE, down < 0


def list_scene_relations(scene: SceneGraph) -> list[Relation]:
    """Return the relations of a scene by their labels, for the graph of all videos.

    Of things with the same label nothing is said: "person left of person" answers no question.
    """
    return [
        Relation(
            subject=scene.nodes[edge.subject].label,
            predicate=edge.predicate.value,
            object=scene.nodes[edge.object].label,
            kind=RelationKind.SPATIAL,
            start_ms=edge.start_ms,
            end_ms=edge.end_ms,
            confidence=edge.confidence,
        )
        for edge in scene.edges
        if scene.nodes[edge.subject].label != scene.nodes[edge.object].label
    ]


def _make_node(shot: Finding, thing: _Thing, group: Sequence[Finding]) -> SceneNode:
    label, track = thing
    return SceneNode(
        label=label,
        track=track,
        start_ms=max(shot.start_ms, min(one.start_ms for one in group)),
        end_ms=min(shot.end_ms, max(one.end_ms for one in group)),
        confidence=max((c for one in group if (c := one.confidence) is not None), default=None),
    )


def _make_edges(
    shot: Finding, seen: Sequence[Finding], numbers: dict[_Thing, int]
) -> tuple[SceneEdge, ...]:
    groups: dict[tuple[int, SpatialPredicate, int], list[SceneEdge]] = {}
    for edge in _relate_all(shot, seen, numbers):
        groups.setdefault((edge.subject, edge.predicate, edge.object), []).append(edge)
    joined = [edge for group in groups.values() for edge in _join(group)]
    joined.sort(key=lambda edge: (edge.start_ms, edge.subject, edge.object, edge.predicate))
    return tuple(joined)


def _relate_all(
    shot: Finding, seen: Sequence[Finding], numbers: dict[_Thing, int]
) -> Iterator[SceneEdge]:
    for first, second in combinations(seen, 2):
        start_ms = max(shot.start_ms, first.start_ms, second.start_ms)
        end_ms = min(shot.end_ms, first.end_ms, second.end_ms)
        ends = [numbers[(one.label, one.track)] for one in (first, second)]
        if start_ms >= end_ms or ends[0] == ends[1] or not first.box or not second.box:
            continue
        predicate, is_turned = relate_boxes(first.box, second.box)
        if is_turned:
            ends.reverse()
        sure = [c for one in (first, second) if (c := one.confidence) is not None]
        confidence = min(sure) if len(sure) == 2 else None
        yield SceneEdge(ends[0], predicate, ends[1], start_ms, end_ms, confidence)


def _join(edges: Sequence[SceneEdge]) -> list[SceneEdge]:
    """Return edges of the same things and predicate with their ranges joined, in order."""
    joined: list[SceneEdge] = []
    for edge in sorted(edges, key=lambda one: (one.start_ms, one.end_ms)):
        if not joined or edge.start_ms - joined[-1].end_ms > LONGEST_GAP_MS:
            joined.append(edge)
            continue
        last = joined[-1]
        sure = [c for c in (last.confidence, edge.confidence) if c is not None]
        joined[-1] = SceneEdge(
            last.subject,
            last.predicate,
            last.object,
            last.start_ms,
            max(last.end_ms, edge.end_ms),
            max(sure, default=None),
        )
    return joined


def _shared_area(first: PictureBox, second: PictureBox) -> float:
    width = min(first.left + first.width, second.left + second.width) - max(first.left, second.left)
    height = min(first.top + first.height, second.top + second.height) - max(first.top, second.top)
    return max(0.0, width) * max(0.0, height)


def _distance(start: float, length: float, other_start: float, other_length: float) -> float:
    """Return how far the second range lies after the first one, from middle to middle.

    Negative where it lies before it; measured in halves of both lengths, so that long ranges
    count as apart only when their borders are.
    """
    middles = other_start + other_length / 2 - (start + length / 2)
    return middles / max((length + other_length) / 2, _LEAST_LENGTH)
