"""The page of one video: lanes of scores, boxes over the picture, verdicts, and reviews."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, Route, expect

from cinemill.storage.analyses.records import Box
from cinemill.storage.analyses.results import Findings
from cinemill.storage.database import Database

from .analysis_rows import BOX, STEP_MS, add_analysis, add_failed_analysis, make_findings
from .conftest import PATIENCE_MILLISECONDS, Instance, make_own_film, process, write_captions
from .test_page import check_layout
from .test_scripts import list_overlaps

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/cinemill/cinemill"
WIDTH = 640
POLL_MILLISECONDS = 50
POLLS = int(PATIENCE_MILLISECONDS / POLL_MILLISECONDS)
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (390, "dark"))


@pytest.fixture(scope="module")
def database(instance: Instance) -> Iterator[Database]:
    database = Database(instance.database_url, application_name="test")
    yield database
    database.close()


@pytest.fixture(scope="module")
def video(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the finished job of a video of 640 × 360 and three seconds."""
    path = tmp_path_factory.mktemp("faces") / "faces.mp4"
    return process(instance, make_own_film(path, seconds=3, size=(WIDTH, 360)))


@pytest.fixture
def page(reused_page: Page) -> Page:
    return reused_page


@dataclass(frozen=True)
class Analyses:
    """Opens analyses of the video, with findings of a test's choice, on its page."""

    page: Page
    database: Database
    asset_id: str
    address: str
    """Of the video's page."""

    def open(self, findings: Findings) -> Page:
        return self.show(add_analysis(self.database, self.asset_id, findings))

    def show(self, analysis_id: str) -> Page:
        self.page.goto(f"{self.address}#analysis={analysis_id}")
        expect(self.page.locator("#analysis")).to_have_attribute("data-analysis", analysis_id)
        return self.page


@pytest.fixture
def analyses(page: Page, database: Database, video: dict[str, Any], instance: Instance) -> Analyses:
    asset_id = video["asset_id"]
    return Analyses(page, database, asset_id, f"{instance.address}/assets/{asset_id}")


@pytest.fixture(scope="module")
def flagged_id(database: Database, video: dict[str, Any]) -> str:
    return add_analysis(database, video["asset_id"], make_findings())


@pytest.fixture
def flagged(analyses: Analyses, flagged_id: str) -> Page:
    page = analyses.show(flagged_id)
    expect(page.locator(".player video")).to_have_js_property("readyState", 4)
    return page


def wait_for_time(page: Page, seconds: float) -> None:
    for _ in range(POLLS):
        now = page.locator("video").evaluate("video => video.seeking ? -1 : video.currentTime")
        if abs(now - seconds) < 0.05:
            return
        page.wait_for_timeout(POLL_MILLISECONDS)
    pytest.fail(f"the video is at {now} s, not at {seconds} s")


def test_lane_seeks_by_click_and_by_keyboard(flagged: Page) -> None:
    page = flagged
    lane = page.get_by_role("slider", name="Face 1, score 0.91, 6 frames")
    expect(page.get_by_role("slider", name="No face, 1 frame")).to_be_visible()
    expect(lane.locator(".dot")).to_have_count(6)
    expect(lane.locator(".dot.high")).to_have_count(3)
    size = lane.bounding_box()
    assert size
    # Just next to the dot of 1.5 s: a click near a dot goes to its frame.
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
    label = page.locator(".box-label[data-face='1']")
    expect(box).to_have_class("box marked")
    expect(label).to_have_text("Face 1 · 0.97")
    expect(label).to_have_class("box-label marked")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 860})
        check_box(page)
    page.get_by_label("Boxes around faces").uncheck()
    expect(box).to_be_hidden()
    expect(label).to_be_hidden()


def check_box(page: Page) -> None:
    """Check the box of the fourth frame against the picture, which fills the video element."""
    scale = page.locator("video").evaluate("video => video.clientWidth") / WIDTH
    expected = [scale * part for part in BOX._replace(left=BOX.left + 60)]
    for _ in range(POLLS):
        shown = page.locator("video").evaluate(
            """video => {
              const at = video.getBoundingClientRect();
              const box = document.querySelector(".box").getBoundingClientRect();
              return [box.x - at.x, box.y - at.y, box.width, box.height];
            }"""
        )
        if shown == pytest.approx(expected, abs=1.5):
            return
        page.wait_for_timeout(POLL_MILLISECONDS)  # until the browser has laid the new size out
    pytest.fail(f"the box is at {shown}, not at {expected}")


def test_boxes_follow_playback(flagged: Page) -> None:
    page = flagged
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator(".box.between")).to_be_visible()
    expect(page.locator(".box.marked")).to_be_visible()


LABELS = """
() => [...document.querySelectorAll(".boxes span")].filter((one) => one.checkVisibility({
  visibilityProperty: true,
})).map((one) => one.getBoundingClientRect().toJSON())
"""


def test_labels_of_adjoining_boxes_do_not_overlap(analyses: Analyses) -> None:
    """Four faces side by side, in a row of boxes each narrower than its label on a phone."""
    findings = make_findings()
    faces = [
        replace(findings.frames[0], face_number=number, box=Box(130 + 75 * number, 90, 70, 90))
        for number in range(4)
    ]
    faces = [replace(face, face_number=face.face_number + 1) for face in faces]
    page = analyses.open(replace(findings, frames=faces, regions=()))
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 860})
        expect(page.locator(".box")).to_have_count(4)
        labels = page.evaluate(LABELS)
        assert len(labels) == 4
        assert list_overlaps(labels) == []


def test_verdict_is_in_words_with_its_reasons(flagged: Page) -> None:
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
    page: Page, database: Database, video: dict[str, Any], instance: Instance
) -> None:
    analysis = add_analysis(database, video["asset_id"], make_findings("inconclusive", 0.55))
    page.goto(f"{instance.address}/reviews")
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
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    path = make_own_film(tmp_path / "new.mp4", seconds=1, size=(160, 90))
    # Nothing that a browser plays is made: no analysis needs it.
    job = process(instance, path, kind="generate_preview", params={"num_frames": 1})
    page.goto(f"{instance.address}/assets/{job['asset_id']}")
    panel = page.locator("#analysis")
    expect(panel).to_have_attribute("data-state", "none")
    page.get_by_label("Fast: 8 frames instead of 32").check()
    page.get_by_role("button", name="Analyze for manipulated faces").click()
    expect(panel).to_have_attribute("data-state", "completed")
    expect(panel.locator(".verdict-words")).to_have_text("Not examined: no detector is installed")
    guide = panel.get_by_role("link", name="tutorial on training").get_attribute("href") or ""
    page_of_guide = guide.removeprefix(f"{REPOSITORY}/blob/main/")
    assert (ROOT / page_of_guide).read_text("utf-8").startswith("# Train a detector")
    expect(panel.get_by_label("Reason")).to_have_count(0)


@pytest.mark.parametrize(
    ("verdict", "score", "words"),
    [
        ("likely_manipulated", 0.91, "A face is likely manipulated"),
        ("no_face", None, "No face to examine"),
        ("no_model", None, "Not examined: no detector is installed"),
        ("inconclusive", None, "Inconclusive"),
        ("no_manipulation_found", 0.05, "No manipulation was found"),
    ],
)
def test_each_outcome_has_its_words_and_fits(
    analyses: Analyses, verdict: str, score: float | None, words: str
) -> None:
    page = analyses.open(make_findings(verdict, score))
    expect(page.locator(".verdict-words")).to_have_text(words)
    if verdict != "likely_manipulated":  # its heading says it all
        expect(page.locator(".verdict")).to_contain_text(f"The band of {verdict}.")
    if verdict == "inconclusive":
        # Nothing was scored, and no score is shown for that.
        expect(page.get_by_role("slider", name="Face 1, no score, 6 frames")).to_be_visible()
        expect(page.locator(".dot.none")).to_have_count(7)
    if score is None:
        expect(page.locator(".score-line")).to_have_count(0)
    page.get_by_text("What this rests on").click()
    check_looks(page)


def test_review_queue_fits(page: Page, flagged_id: str, instance: Instance) -> None:
    page.goto(f"{instance.address}/reviews")
    row = page.locator(f"#queue a[href$='{flagged_id}']")
    expect(row).to_be_visible()
    check_looks(page)
    page.set_viewport_size({"width": 1280, "height": 860})
    badge = row.locator(".badge").bounding_box()
    assert badge
    assert badge["height"] < 30, "the verdict does not fit on one line"


def check_looks(page: Page) -> None:
    """Check the layout on a desk and on a phone, and the colors of both schemes."""
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 860})
        page.emulate_media(color_scheme=scheme)
        check_layout(page)


def test_failed_analysis_shows_why(analyses: Analyses) -> None:
    page = analyses.show(add_failed_analysis(analyses.database, analyses.asset_id))
    error = page.locator("#analysis .error")
    expect(error.locator(".code")).to_have_text("command_failed")
    expect(error.locator(".hint")).to_have_text("Retry the job.")
    expect(page.get_by_role("button", name="Analyze again")).to_be_visible()


def test_running_analysis_shows_its_progress(
    page: Page, flagged_id: str, video: dict[str, Any], instance: Instance
) -> None:
    """Progress comes from the job's events, and the verdict appears when they end."""
    api = f"{instance.address}/api/v1"
    listed = page.request.get(f"{api}/assets/{video['asset_id']}/analyses").json()
    for one in listed["analyses"]:
        if one["id"] == flagged_id:
            one.update(status="running", verdict=None)
    page.route("**/assets/*/analyses?*", lambda route: route.fulfill(json=listed))
    status = page.request.get(f"{api}/jobs/{flagged_id}/status").json()
    looking = {
        **status,
        "status": "running",
        "progress": 42,
        "message": "Looking at faces: frame 13 of 32",
    }
    event = f"retry: 100\nevent: progress\ndata: {json.dumps(looking)}\n\n"
    page.route(
        "**/jobs/*/events",
        lambda route: route.fulfill(body=event, content_type="text/event-stream"),
    )
    page.goto(f"{instance.address}/assets/{video['asset_id']}#analysis={flagged_id}")
    panel = page.locator("#analysis")
    expect(panel.locator(".words")).to_have_text("Looking at faces: frame 13 of 32")
    expect(panel.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "42")
    expect(panel.get_by_role("button", name="Cancel")).to_be_visible()
    page.unroute("**/assets/*/analyses?*")
    page.unroute("**/jobs/*/events")
    expect(panel.locator(".verdict-words")).to_have_text("A face is likely manipulated")


def test_many_faces_are_folded(analyses: Analyses) -> None:
    findings = make_findings()
    frames = [
        replace(findings.frames[0], face_number=number, score=number / 50)
        for number in range(1, 41)
    ]
    page = analyses.open(replace(findings, frames=frames, regions=()))
    lanes = page.locator("#lanes .lane-track")
    expect(lanes).to_have_count(8)
    # The highest scores come first.
    expect(lanes.first).to_have_attribute("aria-label", re.compile("^Face 40,"))
    page.get_by_role("button", name="Show all 40 rows").click()
    expect(lanes).to_have_count(40)


def test_video_that_does_not_exist_is_reported(page: Page, instance: Instance) -> None:
    page.goto(f"{instance.address}/assets/11111111-2222-3333-4444-555555555555")
    expect(page.locator(".code")).to_have_text("asset_not_found")
    expect(page.get_by_role("link", name="Show all videos")).to_be_visible()


def test_video_page_is_linked_from_the_result_and_the_list(
    page: Page, video: dict[str, Any], instance: Instance
) -> None:
    page.goto(f"{instance.address}/#task={video['id']}")
    expect(page.get_by_role("link", name="Page of faces.mp4").first).to_be_visible()
    page.get_by_role("link", name="Video’s page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("faces.mp4")
    expect(page.locator("#facts")).to_contain_text("640 × 360")
    # Scripts that ask the same address for no HTML still get the document.
    document = page.request.get(page.url.partition("#")[0], headers={"Accept": "*/*"})
    assert document.json()["filename"] == "faces.mp4"


@pytest.fixture
def captioned(page: Page, video: dict[str, Any], instance: Instance) -> Iterator[str]:
    """Give the video captions while a test runs, and return the address of its page."""
    cues = [
        {"start_ms": 0, "end_ms": 900, "lines": ["The first."]},
        {"start_ms": 2000, "end_ms": 3000, "lines": ["The second."]},
    ]
    address = f"{instance.address}/api/v1/assets/{video['asset_id']}/captions/en"
    page.goto(instance.address)  # requests that change something come from a page of this site
    write_captions(page, address, cues)
    yield f"{instance.address}/assets/{video['asset_id']}"
    assert page.request.delete(address, headers={"If-Match": "*"}).ok


def test_captions_are_a_lane_too(page: Page, captioned: str, flagged_id: str) -> None:
    page.goto(f"{captioned}#analysis={flagged_id}")
    lane = page.get_by_role("slider", name="Captions, English")
    expect(lane.locator(".span")).to_have_text(["The first.", "The second."])
    expect(page.locator(".player video")).to_have_js_property("readyState", 4)
    lane.press("End")
    wait_for_time(page, 2.0)
    expect(lane).to_have_attribute("aria-valuetext", re.compile("The second."))


def test_work_in_a_lane_goes_on_while_an_analysis_arrives(
    page: Page, captioned: str, flagged_id: str
) -> None:
    held: list[Route] = []
    address = f"**/api/v1/analyses/{flagged_id}"
    page.route(address, lambda route: held.append(route))
    with page.expect_request(address):
        page.goto(f"{captioned}#analysis={flagged_id}")
    lane = page.get_by_role("slider", name="Captions, English")
    lane.focus()
    held[0].continue_()
    expect(page.get_by_role("slider", name="Face 1, score 0.91, 6 frames")).to_be_visible()
    expect(page.locator("#analysis")).to_have_attribute("data-state", "completed")
    expect(lane).to_be_focused()


def test_traces_of_encoding_stand_apart_from_the_verdict(
    page: Page, video: dict[str, Any], instance: Instance
) -> None:
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
    expect(page.locator("#downloads")).to_contain_text("Traces of encoding (JSON)")
    expect(page.locator(".player video")).to_have_js_property("readyState", 4)
    panel.get_by_role("button", name="Show 0:01.000").click()
    wait_for_time(page, 1.0)
