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


def test_words_of_a_query_are_marked(scripts: Page) -> None:
    marks = scripts.evaluate(
        """async () => {
          const { markWords } = await import("/static/marks.js");
          const show = (text, query) => markWords(text, query)
            .map((node) => (typeof node === "string" ? node : `[${node.textContent}]`)).join("");
          const long = `${"word ".repeat(200)}the élan <b>`;
          return [
            show("Two Years of négotiation", "of two negotiations?"), show("who is", "who is"),
            show("<b>bold</b>", "<b>"), show(long, "elan").slice(-24), show("", "x"),
            show(long, "elan").length < 400,
          ];
        }"""
    )
    assert marks == [
        *("[Two] Years of [négotiation]", "[who] [is]", "<[b]>bold</[b]>"),
        *("word word the [élan] <b>", "", True),
    ]


def test_labels_that_overlap_are_joined(scripts: Page) -> None:
    spans = scripts.evaluate(
        """async () => {
          const { sweepLabels } = await import("/static/sweep.js");
          const one = (start, end, label) => ({ start, end, label });
          return sweepLabels([one(0, 10, "a"), one(5, 15, "b"), one(10, 12, "a"), one(20, 30, "a")])
            .map(({ start, end, words }) => [start, end, words]);
        }"""
    )
    assert spans == [[0, 5, "a"], [5, 12, "a, b"], [12, 15, "b"], [20, 30, "a"]]


def test_events_and_statements_of_an_answer_are_read(scripts: Page) -> None:
    """An event may come in parts, and marks are citations only at the end of a statement."""
    read = scripts.evaluate(
        """async () => {
          const { readEvents } = await import("/static/eventstream.js");
          const { parseStatement } = await import("/static/thread.js");
          const parts = [": still here\\n", "\\nevent: delta\\nda", 'ta: {"text": "é"}\\n', "\\n"];
          const body = new ReadableStream({ start(controller) {
            parts.forEach((part) => controller.enqueue(new TextEncoder().encode(part)));
            controller.close();
          } });
          const events = [];
          for await (const event of readEvents(new Response(body))) events.push(event);
          return [events, parseStatement("See [9] there.[1][12]"), parseStatement("None")];
        }"""
    )
    assert read == [
        [{"name": "delta", "data": {"text": "é"}}],
        {"words": "See [9] there.", "numbers": [1, 12]},
        {"words": "None", "numbers": []},
    ]


def list_overlaps(places: list[dict[str, float]]) -> list[tuple[dict[str, float], ...]]:
    """Return the pairs of rectangles that lie over each other."""
    return [pair for pair in itertools.combinations(places, 2) if overlap(*pair)]


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("left", "width"), ("top", "height"))
    )
