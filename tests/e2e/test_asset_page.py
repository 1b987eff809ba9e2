"""The page of one video: lanes of scores, boxes over the picture, verdicts, and reviews."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.films import make_film

from cinemill.client import Client
from cinemill.storage.database import Database

from .analysis_rows import BOX, STEP_MS, add_analysis, add_failed_analysis, make_findings
from .conftest import Instance, OpenPage, write_captions
from .test_page import check_layout

WIDTH = 640


@pytest.fixture(scope="module")
def database(instance: Instance) -> Iterator[Database]:
    database = Database(instance.database_url, application_name="test")
    yield database
    database.close()


@pytest.fixture(scope="module")
def video(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the finished job of a video of 640 × 360 and three seconds."""
    path = make_film(tmp_path_factory.mktemp("faces") / "faces.mp4", seconds=3, size=(WIDTH, 360))
    with Client(instance.address, instance.token) as client:
        task = client.upload(path)["id"]
        for _event in client.watch(task):
            pass
        return dict(client.job(task))


def open_analysis(
    open_page: OpenPage, video: dict[str, Any], analysis_id: str, **more: Any
) -> Page:
    page = open_page(f"/assets/{video['asset_id']}#analysis={analysis_id}", **more)
    expect(page.locator("#analysis")).to_have_attribute("data-analysis", analysis_id)
    return page


@pytest.fixture
def flagged(open_page: OpenPage, database: Database, video: dict[str, Any]) -> Page:
    page = open_analysis(
        open_page, video, add_analysis(database, video["asset_id"], make_findings())
    )
    expect(page.locator(".player video")).to_have_js_property("readyState", 4)
    return page


def wait_for_time(page: Page, seconds: float) -> None:
    for _ in range(100):
        now = page.locator("video").evaluate("video => video.seeking ? -1 : video.currentTime")
        if abs(now - seconds) < 0.05:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"the video is at {now} s, not at {seconds} s")


def test_lane_seeks_by_click_and_by_keyboard(flagged: Page) -> None:
    page = flagged
    lane = page.get_by_role("slider", name="Face 1, score 0.91, 6 frames")
    expect(page.get_by_role("slider", name="No face, 1 frame")).to_be_visible()
    expect(lane.locator(".dot")).to_have_count(6)
    expect(lane.locator(".dot.high")).to_have_count(3)
    size = lane.bounding_box()
    assert size
    # Just beside the dot of 1.5 s: a click near a dot goes to its frame.
    share = 3 * STEP_MS / 3000
    lane.click(position={"x": share * size["width"] + 5, "y": 20})
    wait_for_time(page, 1.5)
    assert lane.get_attribute("aria-valuetext") == (
        "0:01.501, score 0.97, suspicious region, score 0.97"
    )
    head = lane.locator(".lane-head").bounding_box()
    assert head
    assert head["x"] == pytest.approx(size["x"] + share * size["width"], abs=4)
    region = lane.locator(".span.marked").bounding_box()
    assert region
    assert region["x"] - size["x"] == pytest.approx(size["width"] / 3, abs=2)
    assert region["width"] == pytest.approx(size["width"] / 2, abs=2)
    lane.press("ArrowRight")
    wait_for_time(page, 2.0)
    lane.press("ArrowLeft")
    wait_for_time(page, 1.5)
    lane.press("Home")
    wait_for_time(page, 0)
    page.get_by_role("button", name="0:01.000 to 0:02.500, face 1, score 0.97").click()
    wait_for_time(page, 1.0)


def test_boxes_lie_over_faces(flagged: Page) -> None:
    page = flagged
    lane = page.get_by_role("slider", name="Face 1")
    lane.press("Home")
    for _ in range(3):
        lane.press("ArrowRight")
    wait_for_time(page, 1.5)
    box = page.locator(".box[data-face='1']")
    expect(box).to_have_text("Face 1 · 0.97")
    expect(box).to_have_class("box marked")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 860})
        check_box(page)
    page.get_by_label("Boxes around faces").uncheck()
    expect(box).to_be_hidden()


def check_box(page: Page) -> None:
    """Check the box of the fourth frame against the picture, which fills the video element."""
    scale = page.locator("video").evaluate("video => video.clientWidth") / WIDTH
    expected = [scale * part for part in BOX._replace(left=BOX.left + 60)]
    for _ in range(100):
        shown = page.locator("video").evaluate(
            """video => {
              const at = video.getBoundingClientRect();
              const box = document.querySelector(".box").getBoundingClientRect();
              return [box.x - at.x, box.y - at.y, box.width, box.height];
            }"""
        )
        if shown == pytest.approx(expected, abs=1.5):
            return
        page.wait_for_timeout(50)  # until the browser has laid the new size out
    pytest.fail(f"the box is at {shown}, not at {expected}")


def test_boxes_follow_playback(flagged: Page) -> None:
    page = flagged
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator(".box.between")).to_be_visible()
    expect(page.locator(".box.marked")).to_be_visible()


def test_positions_of_boxes_are_computed(page: Page) -> None:
    """The picture lies in the middle of its element, and a box between its measurements."""
    fit = page.evaluate(
        "import('/static/boxes.js').then(({ fitPicture }) => fitPicture("
        "{ clientWidth: 400, clientHeight: 400 }, { width: 200, height: 100 }))"
    )
    assert fit == {"left": 0, "top": 100, "width": 400, "height": 200}
    boxes = page.evaluate(
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


def test_points_are_joined_only_to_their_neighbors(page: Page) -> None:
    runs = page.evaluate(
        """async () => {
          const { joinPoints, snap, stepFrom } = await import("/static/lanes.js");
          const points = [[0, 0.1], [10, 0.2], [20, null], [30, 0.3], [90, 0.4], [100, 0.5]]
            .map(([ms, value]) => ({ ms, value }));
          return [joinPoints(points).map((run) => run.map(({ ms }) => ms)), snap([0, 50], 45, 9),
            snap([0, 50], 30, 9), stepFrom([0, 500], 501, -1), stepFrom([0, 500], 501, 1)];
        }"""
    )
    assert runs == [[[0, 10], [30], [90, 100]], 50, 30, 0, 500]


def test_verdict_is_told_in_words_with_its_reasons(flagged: Page) -> None:
    verdict = flagged.locator(".verdict")
    expect(verdict.get_by_role("heading")).to_have_text("A face is likely manipulated")
    expect(verdict.locator(".sentences li")).to_have_text(["The score is higher than nearly all."])
    expect(verdict).to_contain_text("Score 0.91")
    expect(verdict).to_contain_text("flagged from 0.80")
    report = verdict.get_by_role("link", name="Open the report").get_attribute("href") or ""
    assert re.fullmatch(r"/api/v1/analyses/[0-9a-f-]{36}/report\.html", report)
    verdict.get_by_text("What this rests on").click()
    expect(verdict).to_contain_text("7 examined, 1 without a face, 6 faces scored")


def test_review_overrides_and_leaves_a_trail(
    open_page: OpenPage, database: Database, video: dict[str, Any], instance: Instance
) -> None:
    analysis = add_analysis(database, video["asset_id"], make_findings("inconclusive", 0.55))
    page = open_page("/reviews")
    row = page.locator(f"#queue a[href$='{analysis}']")
    expect(row).to_contain_text("faces.mp4")
    expect(row).to_contain_text("Inconclusive")
    row.click()
    expect(page.locator(".reviews")).to_contain_text("Nobody has reviewed this analysis yet.")
    # Somebody else decides after this page was loaded.
    page.request.post(
        f"{instance.address}/api/v1/analyses/{analysis}/reviews",
        data={"action": "flag", "reviewer": "Bob", "reason": "Look at the mouth."},
        headers={"Origin": instance.address},
    )
    page.get_by_label("Decide otherwise").check()
    page.get_by_label("Your verdict").select_option("no_manipulation_found")
    page.get_by_label("Your name").fill("Eve Example")
    page.get_by_label("Reason").fill("The original is known.")
    page.get_by_role("button", name="Add review").click()
    expect(page.locator(".form-message")).to_contain_text("in the meantime")
    expect(page.locator(".trail li")).to_have_count(1)
    page.get_by_role("button", name="Add review").click()
    trail = page.locator(".trail li")
    expect(trail.last).to_contain_text("Eve Example decided otherwise: No manipulation was found.")
    expect(trail.last).to_contain_text("The original is known.")
    expect(page.locator(".personal")).to_contain_text("No manipulation was found")
    # The model's own verdict stays.
    expect(page.locator(".verdict-words")).to_have_text("Inconclusive")
    page.reload()
    expect(page.locator(".trail li")).to_have_count(2)
    expect(page.get_by_label("Your name")).to_have_value("Eve Example")
    page.goto(f"{instance.address}/reviews")
    expect(page.locator("#queue li, #empty:visible").first).to_be_visible()
    expect(row).to_have_count(0)


def test_video_is_analyzed_without_a_detector(
    open_page: OpenPage, instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = make_film(tmp_path_factory.mktemp("new") / "new.mp4", seconds=1)
    with Client(instance.address, instance.token) as client:
        task = client.upload(path)["id"]
        for _event in client.watch(task):
            pass
        asset = client.job(task)["asset_id"]
    page = open_page(f"/assets/{asset}")
    panel = page.locator("#analysis")
    expect(panel).to_have_attribute("data-state", "none")
    page.get_by_label("Fast: 8 frames instead of 32").check()
    page.get_by_role("button", name="Analyse for manipulated faces").click()
    expect(panel).to_have_attribute("data-state", "completed")
    expect(panel.locator(".verdict-words")).to_have_text("Not examined: no detector is installed")
    expect(panel.get_by_role("link", name="guide to training")).to_be_visible()
    expect(panel.get_by_label("Reason")).to_have_count(0)


@pytest.mark.parametrize(
    ("verdict", "score", "words"),
    [
        ("no_face", None, "No face to examine"),
        ("inconclusive", None, "Inconclusive"),
        ("no_manipulation_found", 0.05, "No manipulation was found"),
    ],
)
def test_each_outcome_has_its_words(
    open_page: OpenPage,
    database: Database,
    video: dict[str, Any],
    verdict: str,
    score: float | None,
    words: str,
) -> None:
    findings = make_findings(verdict, score)
    page = open_analysis(open_page, video, add_analysis(database, video["asset_id"], findings))
    expect(page.locator(".verdict-words")).to_have_text(words)
    expect(page.locator(".verdict")).to_contain_text(f"The band of {verdict}.")
    if verdict == "inconclusive":
        # Nothing was scored, and no score is shown for that.
        expect(page.get_by_role("slider", name="Face 1, no score, 6 frames")).to_be_visible()
        expect(page.locator(".dot.none")).to_have_count(7)
    if score is None:
        expect(page.locator(".score-line")).to_have_count(0)


def test_failed_analysis_shows_why(
    open_page: OpenPage, database: Database, video: dict[str, Any]
) -> None:
    page = open_analysis(open_page, video, add_failed_analysis(database, video["asset_id"]))
    error = page.locator("#analysis .error")
    expect(error.locator(".code")).to_have_text("command_failed")
    expect(error.locator(".hint")).to_have_text("Retry the job.")
    expect(page.get_by_role("button", name="Analyse again")).to_be_visible()


def test_running_analysis_shows_its_progress(
    open_page: OpenPage, database: Database, video: dict[str, Any], instance: Instance
) -> None:
    """Progress comes from the job's events, and the verdict appears when they end."""
    analysis = add_analysis(database, video["asset_id"], make_findings())
    page = open_page()
    api = f"{instance.address}/api/v1"
    listed = page.request.get(f"{api}/assets/{video['asset_id']}/analyses").json()
    for one in listed["analyses"]:
        if one["id"] == analysis:
            one.update(status="running", verdict=None)
    page.route("**/assets/*/analyses?*", lambda route: route.fulfill(json=listed))
    status = page.request.get(f"{api}/jobs/{analysis}/status").json()
    looking = {
        **status,
        "status": "running",
        "progress": 42,
        "message": "Looking at faces: frame 13 of 32",
    }
    page.route("**/jobs/*/events", lambda route: route.abort())
    page.route("**/jobs/*/status", lambda route: route.fulfill(json=looking))
    page.goto(f"{instance.address}/assets/{video['asset_id']}#analysis={analysis}")
    panel = page.locator("#analysis")
    expect(panel.locator(".words")).to_have_text("Looking at faces: frame 13 of 32")
    expect(panel.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "42")
    expect(panel.get_by_role("button", name="Cancel")).to_be_visible()
    page.unroute("**/assets/*/analyses?*")
    page.unroute("**/jobs/*/status")
    expect(panel.locator(".verdict-words")).to_have_text("A face is likely manipulated")


def test_many_faces_are_folded(
    open_page: OpenPage, database: Database, video: dict[str, Any]
) -> None:
    findings = make_findings()
    frames = [
        replace(findings.frames[0], face_number=number, score=number / 50)
        for number in range(1, 41)
    ]
    findings = replace(findings, frames=frames, regions=())
    page = open_analysis(open_page, video, add_analysis(database, video["asset_id"], findings))
    lanes = page.locator("#lanes .lane-track")
    expect(lanes).to_have_count(8)
    # The highest scores come first.
    expect(lanes.first).to_have_attribute("aria-label", re.compile("^Face 40,"))
    page.get_by_role("button", name="Show all 40 rows").click()
    expect(lanes).to_have_count(40)


def test_asset_page_fits_and_has_enough_contrast(
    open_page: OpenPage, database: Database, video: dict[str, Any]
) -> None:
    outcomes = (("likely_manipulated", 0.91), ("inconclusive", None), ("no_model", None))
    for verdict, score in outcomes:
        findings = make_findings(verdict, score)
        analysis = add_analysis(database, video["asset_id"], findings)
        page = open_analysis(open_page, video, analysis)
        page.get_by_text("What this rests on").click()
        check_looks(page)
    page.goto(page.url.partition("/assets/")[0] + "/reviews")
    expect(page.locator("#queue li").first).to_be_visible()
    check_looks(page)


def check_looks(page: Page) -> None:
    """Check the layout on a desk and on a phone, light and dark."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 860})
        page.emulate_media(color_scheme="dark" if width == 390 else "light")
        check_layout(page)
        page.emulate_media(color_scheme="light" if width == 390 else "dark")
        check_layout(page)


def test_video_that_does_not_exist_is_reported(open_page: OpenPage) -> None:
    page = open_page("/assets/11111111-2222-3333-4444-555555555555")
    expect(page.locator(".code")).to_have_text("asset_not_found")
    expect(page.get_by_role("link", name="Show all videos")).to_be_visible()


def test_video_page_is_linked_from_the_result_and_the_list(
    open_page: OpenPage, video: dict[str, Any]
) -> None:
    page = open_page(f"/#task={video['id']}")
    expect(page.get_by_role("link", name="Page of faces.mp4").first).to_be_visible()
    page.get_by_role("link", name="Video’s page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("faces.mp4")
    expect(page.locator("#facts")).to_contain_text("640 × 360")
    # Scripts that ask the same address for no HTML still get the document.
    document = page.request.get(page.url.partition("#")[0], headers={"Accept": "*/*"})
    assert document.json()["filename"] == "faces.mp4"


def test_captions_are_a_lane_too(
    open_page: OpenPage, talk: dict[str, Any], instance: Instance
) -> None:
    page = open_page()
    cues = [
        {"start_ms": 0, "end_ms": 900, "lines": ["The first."]},
        {"start_ms": 2000, "end_ms": 3000, "lines": ["The second."]},
    ]
    address = f"{instance.address}/api/v1/assets/{talk['asset_id']}/captions/en"
    write_captions(page, address, cues)
    page.goto(f"{instance.address}/assets/{talk['asset_id']}")
    lane = page.get_by_role("slider", name="Captions, English")
    expect(lane.locator(".span")).to_have_text(["The first.", "The second."])
    expect(page.locator(".player video")).to_have_js_property("readyState", 4)
    lane.press("End")
    wait_for_time(page, 2.0)
    expect(lane).to_have_attribute("aria-valuetext", re.compile("The second."))


def test_traces_of_encoding_stand_apart_from_the_verdict(
    open_page: OpenPage, video: dict[str, Any], instance: Instance
) -> None:
    page = open_page()
    asset = page.request.get(f"{instance.address}/api/v1/assets/{video['asset_id']}").json()
    url = "/api/v1/assets/none/files/finding?variant=encoding"
    asset["artifacts"].append(
        {**asset["artifacts"][0], "kind": "finding", "variant": "encoding", "url": url}
    )
    trace = {"code": "joined", "strength": "strong", "sentence": "Joined here.", "time_ms": 1000}
    report = {"state": "examined", "reason": "", "findings": [trace], "limits": "Only traces."}
    page.route("**/api/v1/assets/*", lambda route: route.fulfill(json=asset))
    page.route(f"**{url}".replace("?", "\\?"), lambda route: route.fulfill(json=report))
    page.goto(f"{instance.address}/assets/{video['asset_id']}")
    panel = page.get_by_role("region", name="Apart from the verdict")
    expect(panel).to_contain_text("No part of this enters the score or the verdict.")
    expect(panel.locator(".traces li")).to_contain_text("Strong sign")
    expect(page.locator(".player video")).to_have_js_property("readyState", 4)
    panel.get_by_role("button", name="Show 0:01.000").click()
    wait_for_time(page, 1.0)
