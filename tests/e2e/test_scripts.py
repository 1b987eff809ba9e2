"""Functions of the page's scripts, called in a browser."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import Page

from cinemill.core.media import CACHED_KINDS, ArtifactKind

from .conftest import Instance


@pytest.fixture
def scripts(reused_page: Page, instance: Instance) -> Page:
    """Return a page that loads nothing else."""
    reused_page.goto(f"{instance.address}/static/mark.svg")
    return reused_page


def test_positions_of_boxes_are_computed(scripts: Page) -> None:
    """The picture lies in the middle of its element, and a box between its measurements."""
    fit = scripts.evaluate(
        "import('/static/boxes.js').then(({ fitPicture }) => fitPicture("
        "{ clientWidth: 400, clientHeight: 400 }, { width: 200, height: 100 }))"
    )
    assert fit == {"left": 0, "top": 100, "width": 400, "height": 200}
    boxes = scripts.evaluate(
        """async () => {
          const { boxesAt } = await import("/static/boxes.js");
          const rest = { top: 0, width: 9, height: 9 };
          const at = (ms, left, score) => ({ ms, score, box: { left, ...rest } });
          const faces = new Map([[1, [at(0, 0, 0.5), at(1000, 100, 0.6), at(9000, 0, 0.7)]]]);
          return [0, 500, 1200, 5000, 8800].map((ms) => boxesAt(faces, ms)
            .map(({ box, score, isExact }) => [box.left, score, isExact])[0] ?? null);
        }"""
    )
    assert boxes == [[0, 0.5, True], [50, None, False], [100, None, False], None, [0, None, False]]


def test_points_are_joined_only_to_their_neighbors(scripts: Page) -> None:
    runs = scripts.evaluate(
        """async () => {
          const { joinPoints, snap, stepFrom } = await import("/static/lanes.js");
          const points = [[0, 0.1], [10, 0.2], [20, null], [30, 0.3], [90, 0.4], [100, 0.5]]
            .map(([ms, value]) => ({ ms, value }));
          return [joinPoints(points).map((run) => run.map(({ ms }) => ms)), snap([0, 50], 45, 9),
            snap([0, 50], 30, 9), stepFrom([0, 500], 501, -1), stepFrom([0, 500], 501, 1)];
        }"""
    )
    assert runs == [[[0, 10], [30], [90, 100]], 50, 30, 0, 500]


def test_every_kind_of_file_has_a_name(scripts: Page) -> None:
    kinds = [kind.value for kind in ArtifactKind if kind not in CACHED_KINDS]
    names = scripts.evaluate(
        """async (kinds) => {
          const { nameFile } = await import("/static/artifacts.js");
          return kinds.map((kind) => nameFile({ kind, variant: "x", filename: null, facts: {} }));
        }""",
        [kind for kind in kinds if kind != ArtifactKind.STREAM],
    )
    assert [name for name in names if name in {kind.replace("_", " ") for kind in kinds}] == []


def test_labels_of_a_crowd_are_shortened_or_left_out(scripts: Page) -> None:
    spots = scripts.evaluate(
        """async () => {
          const { placeLabels } = await import("/static/boxes.js");
          const labels = [{ words: "Face 7 · 0.97", width: 85 }, { words: "7", width: 18 }]
            .map((one) => ({ ...one, height: 18 }));
          const boxes = Array.from({ length: 60 }, (_, at) => ({
            left: 30 * (at % 12), top: 40 * Math.floor(at / 12), width: 28, height: 36, labels,
          }));
          return placeLabels(boxes, { width: 360, height: 200 }).filter(Boolean);
        }"""
    )
    assert list_overlaps(spots) == []
    for spot in spots:
        assert 0 <= spot["left"] <= 360 - spot["width"]
        assert 0 <= spot["top"] <= 200 - spot["height"]
    assert {spot["words"] for spot in spots} == {"Face 7 · 0.97", "7"}
    assert len(spots) > 30


def list_overlaps(places: list[dict[str, float]]) -> list[tuple[dict[str, float], ...]]:
    """Return the pairs of rectangles that lie over each other."""
    return [pair for pair in itertools.combinations(places, 2) if overlap(*pair)]


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("left", "width"), ("top", "height"))
    )
