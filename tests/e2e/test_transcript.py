"""The transcript on a video's page: it follows playback, and is edited where it stands."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.model_files import link_models
from tests.waiting import PATIENCE_SECONDS

from .conftest import Instance, make_own_film, process, write_captions
from .test_page import check_layout

HOSTILE = "<img src=x onerror=alert(1)>"
LINES = [
    {"start_ms": 0, "end_ms": 2000, "lines": [f"Today, {HOSTILE}"], "speaker": "Ann"},
    {"start_ms": 4000, "end_ms": 6000, "lines": ["of negociations."], "speaker": ""},
]


@pytest.fixture(scope="module")
def video(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the id of a video that was ingested, and in which nobody speaks."""
    links = link_models(instance.home / "models", "minilm-l6-v2-int8")
    path = tmp_path_factory.mktemp("transcript") / "transcript.mp4"
    film = make_own_film(path, seconds=8, size=(320, 180), has_sound=False)
    yield str(process(instance, film, params={"profile": "quick"})["asset_id"])
    for link in links:
        link.unlink()


@pytest.fixture
def captions(reused_page: Page, instance: Instance, video: str) -> str:
    """Reset the captions of the video and return their address."""
    address = f"{instance.address}/api/v1/assets/{video}/captions/en"
    reused_page.goto(
        instance.address
    )  # requests that change something come from a page of this site
    write_captions(reused_page, address, LINES)
    return address


@pytest.fixture
def lines(reused_page: Page, instance: Instance, video: str, captions: str) -> Page:
    """Return the video's page with a transcript of two lines."""
    reused_page.goto(f"{instance.address}/assets/{video}")
    expect(reused_page.locator("#transcript .line")).to_have_count(2)
    expect(reused_page.locator("#player video")).to_have_js_property("readyState", 4)
    return reused_page


def test_transcript_seeks_and_follows(lines: Page) -> None:
    page = lines
    expect(page.get_by_role("slider", name="Captions")).to_be_visible()
    expect(page.locator("#transcript .line").first).to_contain_text(f"Ann: Today, {HOSTILE}")
    page.locator("#transcript .line").last.press("Enter")
    page.wait_for_function(
        "Math.abs(document.querySelector('#player video')?.currentTime - 4) < 0.1"
    )
    expect(page.locator("#transcript li").last).to_have_attribute("aria-current", "true")
    page.locator("#player video").evaluate("video => { video.currentTime = 0.5; }")
    expect(page.locator("#transcript li[aria-current]")).to_contain_text("Today")


def test_line_of_the_transcript_is_edited_where_it_stands(
    lines: Page, captions: str, instance: Instance, video: str
) -> None:
    page = lines
    page.get_by_role("button", name="Edit line 2").click()
    field = page.get_by_label("Text of line 2")
    expect(field).to_be_focused()
    field.fill("of carpentry.")
    field.press("Escape")
    expect(field).to_have_count(0)
    expect(page.get_by_role("button", name="Edit line 2")).to_be_focused()
    expect(page.locator("#transcript li").last).to_contain_text("of negociations.")
    page.keyboard.press("Enter")
    field.fill("of carpentry.")
    field.press("Enter")
    expect(page.locator("#transcript li").last).to_contain_text("of carpentry.")
    expect(page.get_by_role("slider", name="Captions")).to_contain_text("of carpentry.")
    kept = page.request.get(captions).json()
    assert kept["source"] == "person"
    assert kept["captions"] == [LINES[0], {**LINES[1], "lines": ["of carpentry."]}]
    expect(page.locator("#transcript-message")).to_have_text(
        "Saved. Search and answers use the new text."
    )
    hits = page.request.get(f"{instance.address}/api/v1/search?q=carpentry&asset={video}").json()
    assert [(one["start"], one["text"]) for one in hits["hits"]] == [(4, "of carpentry.")]


def test_line_that_is_being_saved_stays_and_chapters_follow(lines: Page, captions: str) -> None:
    page = lines
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "PUT":
            held.append(route)
        else:
            route.continue_()

    problems: list[str] = []
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    page.route(captions, hold)
    page.get_by_role("button", name="Edit line 2").click()
    field = page.get_by_label("Text of line 2")
    field.fill("of carpentry.")
    field.press("Enter")
    expect(field).to_have_js_property("readOnly", True)
    field.press("Escape")
    page.get_by_role("button", name="Cancel").click()
    expect(field).to_have_value("of carpentry.")
    page.get_by_role("button", name="Edit line 1").click()
    expect(page.locator("#transcript .edit-message")).to_have_text("This line is being saved.")
    expect(page.get_by_label("Text of line 1")).to_have_count(0)
    with page.expect_response(lambda reply: reply.url.endswith("/chapters")):
        held[0].continue_()
        expect(field).to_have_count(0)
        expect(page.locator("#transcript li").last).to_contain_text("of carpentry.")
    page.unroute(captions)
    expect(page.locator("#transcript-message")).to_have_text(
        "Saved. Search and answers use the new text."
    )
    assert problems == []


def wait_for_route(page: Page, held: list[Route], number: int) -> None:
    """Wait until so many requests are held: a request is seen before its route is called."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(held) < number:
        assert time.monotonic() < deadline, f"{len(held)} of {number} requests were held"
        page.wait_for_timeout(20)


def test_message_is_about_the_line_that_was_saved_last(lines: Page) -> None:
    """The events of the first save's job arrive after the second one was saved."""
    page = lines
    held: list[Route] = []
    events = re.compile("/events")
    page.route(events, lambda route: held.append(route))
    message = page.locator("#transcript-message")
    message.evaluate(
        """place => {
            window.shown = [];
            const remember = () => window.shown.push(place.textContent);
            new MutationObserver(remember).observe(place, { childList: true });
        }"""
    )
    for number, words in ((1, "Tomorrow,"), (2, "of carpentry.")):
        page.get_by_role("button", name=f"Edit line {number}").click()
        page.get_by_label(f"Text of line {number}").fill(words)
        with page.expect_request(events):
            page.keyboard.press("Enter")
        wait_for_route(page, held, number)
        expect(page.locator("#transcript li").nth(number - 1)).to_contain_text(words)
        expect(message).to_have_text("Saved. Updating search…")
    ended = 'event: progress\ndata: {"status": "cancelled", "message": "An older job."}\n\n'
    held[0].fulfill(body=ended, content_type="text/event-stream")
    held[1].continue_()
    expect(message).to_have_text("Saved. Search and answers use the new text.")
    assert not [words for words in page.evaluate("window.shown") if "An older job." in words]


def test_other_lines_that_were_saved_elsewhere_are_kept(lines: Page, captions: str) -> None:
    page = lines
    page.get_by_role("button", name="Edit line 2").click()
    page.get_by_label("Text of line 2").fill("of carpentry.")
    elsewhere = {**LINES[0], "lines": ["Yesterday,"]}
    write_captions(page, captions, [elsewhere, LINES[1]])
    page.locator("#transcript").get_by_role("button", name="Save").click()
    expect(page.locator("#transcript li").first).to_contain_text("Ann: Yesterday,")
    mine = {**LINES[1], "lines": ["of carpentry."]}
    assert page.request.get(captions).json()["captions"] == [elsewhere, mine]

    page.get_by_role("button", name="Edit line 1").click()
    page.get_by_label("Text of line 1").fill("Tomorrow,")
    write_captions(page, captions, [{**LINES[0], "lines": ["Now,"]}, mine])
    page.locator("#transcript").get_by_role("button", name="Save").click()
    message = page.locator("#transcript .edit-message")
    expect(message).to_contain_text("Someone else changed this line to “Now,”.")
    page.locator("#transcript").get_by_role("button", name="Save").click()
    expect(page.locator("#transcript li").first).to_contain_text("Ann: Tomorrow,")


def test_line_cannot_be_emptied_and_one_that_is_being_written_stays(lines: Page) -> None:
    page = lines
    page.get_by_role("button", name="Edit line 1").click()
    field = page.get_by_label("Text of line 1")
    field.fill(" ")
    field.press("Enter")
    message = page.locator("#transcript .edit-message")
    expect(message).to_have_text("A line needs some text.")
    page.get_by_role("button", name="Edit line 2").click()
    expect(message).to_have_text("Save or cancel this line first.")
    expect(field).to_be_focused()
    check_layout(page)
    page.set_viewport_size({"width": 390, "height": 844})
    check_layout(page)
    page.get_by_role("button", name="Cancel").click()
    expect(field).to_have_count(0)


def test_focus_and_other_lines_survive_what_was_saved_elsewhere(lines: Page, captions: str) -> None:
    page = lines
    message = page.locator("#transcript .edit-message")
    rows = page.locator("#transcript li")

    def meet_others(number: int, cues: list[dict[str, Any]]) -> Locator:
        """Edit a line, and save it after others have saved theirs."""
        page.get_by_role("button", name=f"Edit line {number}").click()
        field = page.get_by_label(f"Text of line {number}")
        field.fill("Mine.")
        write_captions(page, captions, cues)
        field.press("Enter")
        expect(message).to_contain_text("Someone else changed this line")
        return field

    now, later, last = ({**LINES[0], "lines": [words]} for words in ("Now,", "Later,", "Last,"))
    between = {**LINES[1], "start_ms": 2000, "end_ms": 3000, "lines": ["between"]}
    meet_others(1, [now, LINES[1]]).press("Escape")
    expect(rows.first).to_contain_text("Ann: Now,")
    expect(page.get_by_role("button", name="Edit line 1")).to_be_focused()
    # The line that is chosen next is found among the lines of the others.
    meet_others(1, [later, between, LINES[1]]).fill("Later,")
    page.get_by_role("button", name="Edit line 2").click()
    expect(rows).to_have_count(3)
    expect(page.get_by_label("Text of line 3")).to_have_value("of negociations.")
    expect(page.get_by_label("Text of line 3")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Edit line 3")).to_be_focused()
    meet_others(1, [last, LINES[1]]).fill("Last,")
    page.get_by_role("button", name="Edit line 2").click()
    expect(rows).to_have_count(2)
    expect(page.locator("#transcript textarea")).to_have_count(0)
    expect(page.locator("#transcript-message")).to_have_text(
        "Someone else removed or moved this line."
    )


def test_current_line_stays_marked_when_it_was_edited(lines: Page) -> None:
    page = lines
    current = page.locator("#transcript li[aria-current]")
    page.locator("#transcript .line").last.press("Enter")
    expect(current).to_contain_text("of negociations.")
    page.get_by_role("button", name="Edit line 2").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("of carpentry.")
    page.keyboard.press("Enter")
    expect(current).to_contain_text("of carpentry.")


def test_speaker_of_a_line_that_is_edited_is_shown(lines: Page) -> None:
    page = lines
    page.get_by_role("button", name="Edit line 1").click()
    row = page.locator("#transcript li").first
    expect(row.locator(".line")).to_contain_text("Ann:", use_inner_text=True)
    expect(row.locator(".words")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(row.locator(".words")).to_be_visible()


def test_words_of_a_short_line_do_not_crowd_the_timeline(
    reused_page: Page, instance: Instance, video: str, captions: str
) -> None:
    page = reused_page
    short = {"start_ms": 0, "end_ms": 200, "lines": ["No room for this."], "speaker": ""}
    write_captions(page, captions, [short, LINES[1]])
    page.goto(f"{instance.address}/assets/{video}")
    words = page.get_by_role("slider", name="Captions").locator(".span-text")
    expect(words).to_have_text(["No room for this.", "of negociations."])
    expect(words.last).to_be_visible()
    expect(words.first).to_be_hidden()
