"""Deleting videos where people look: the list, the result and the video's own page."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.waiting import wait_until

from cinemill.client import Client

from .conftest import Instance, OpenPage, make_own_film, process
from .test_page import check_layout

# In one go: the row may be drawn again between two questions.
IS_LARGE = """id => {
  const button = document.querySelector(`#recent li[data-task="${id}"] .delete`);
  return button && Math.min(button.offsetWidth, button.offsetHeight) >= 44;
}"""
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (390, "dark"))


# Counts how often the page's list has been read, and so drawn, or would have been.
COUNT_READINGS = """
window.readings = 0;
const wait = window.setTimeout;
window.setTimeout = (act, delay, ...rest) => {
  if (delay >= 2500) window.readings += 1;  // until the list is read the next time
  return wait(act, delay, ...rest);
};
"""


@pytest.fixture
def job(instance: Instance, tmp_path: Path) -> dict[str, Any]:
    """Return the finished job of a video of its own."""
    path = make_own_film(tmp_path / "to be deleted.mp4", seconds=1, size=(160, 90))
    return process(instance, path)


@pytest.fixture
def page(reused_page: Page, instance: Instance) -> Page:
    reused_page.goto(instance.address)
    return reused_page


def find_row(page: Page, job: dict[str, Any]) -> Locator:
    return page.locator(f'#recent li[data-task="{job["id"]}"]')


def find_note(page: Page) -> Locator:
    return page.get_by_role("region", name="Deleted videos").locator(".note")


def undo(page: Page) -> None:
    page.get_by_role("button", name="Undo: delete to be deleted.mp4").click()


def pass_by(page: Page) -> None:
    """Do as a person who comes back to the tab: its lists are read again."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def is_there(instance: Instance, job: dict[str, Any]) -> bool:
    """Return whether the server has the video, and none is about to be deleted."""
    with Client(instance.address, instance.token) as client:
        return job["asset_id"] in {asset["id"] for asset in client.assets(limit=500)}


def wait_until_gone(page: Page, instance: Instance, job: dict[str, Any]) -> None:
    address = f"{instance.address}/api/v1/assets/{job['asset_id']}"
    wait_until(lambda: page.request.get(address).status == 404)
    assert page.request.get(f"{instance.address}/api/v1/jobs/{job['id']}").status == 404


def test_video_deleted_in_the_list_can_be_brought_back(
    page: Page, instance: Instance, job: dict[str, Any]
) -> None:
    find_row(page, job).get_by_role("button", name="Delete to be deleted.mp4").click()
    expect(find_row(page, job)).to_have_count(0)
    expect(find_note(page)).to_contain_text("to be deleted.mp4 is deleted.")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    expect(page.locator("#announcer")).to_contain_text("can be undone for 10 seconds")
    assert not is_there(instance, job)
    page.keyboard.press("Enter")
    expect(find_row(page, job).locator(".job")).to_be_focused()
    expect(find_note(page)).to_have_count(0)
    assert is_there(instance, job)


def test_click_is_not_lost_when_the_list_changes_under_it(page: Page, job: dict[str, Any]) -> None:
    button = find_row(page, job).get_by_role("button", name="Delete")
    button.hover()
    page.mouse.down()
    page.evaluate(COUNT_READINGS)
    pass_by(page)
    page.wait_for_function("window.readings > 0")
    page.mouse.up()
    expect(find_note(page)).to_be_visible()
    expect(find_row(page, job)).to_have_count(0)
    undo(page)
    expect(find_row(page, job)).to_be_visible()


def test_undo_survives_a_reload_and_is_offered_in_other_tabs(
    page: Page, instance: Instance, job: dict[str, Any]
) -> None:
    other = page.context.new_page()
    other.goto(instance.address)
    expect(find_row(other, job)).to_be_visible()
    find_row(page, job).get_by_role("button", name="Delete").click()
    expect(find_note(other)).to_be_visible()
    expect(find_row(other, job)).to_have_count(0)
    page.reload()
    expect(find_note(page)).to_be_visible()
    undo(other)
    for tab in (page, other):
        expect(find_note(tab)).to_have_count(0)
        expect(find_row(tab, job)).to_be_visible()
    other.close()
    assert is_there(instance, job)


def test_video_is_gone_after_ten_seconds_even_if_every_page_is_closed(
    open_page: OpenPage, instance: Instance, job: dict[str, Any]
) -> None:
    page = open_page()
    find_row(page, job).get_by_role("button", name="Delete").click()
    expect(find_note(page)).to_be_visible()
    page.close()
    later = open_page()
    expect(find_note(later)).to_have_count(0)
    expect(find_row(later, job)).to_have_count(0)
    wait_until_gone(later, instance, job)


def test_undo_that_is_answered_late_brings_the_video_back(
    page: Page, instance: Instance, job: dict[str, Any]
) -> None:
    held: list[Route] = []
    page.route("**/restore", lambda route: held.append(route))
    find_row(page, job).get_by_role("button", name="Delete").click()
    undo(page)
    page.evaluate(
        "const now = performance.now.bind(performance); performance.now = () => now() + 11_000"
    )
    expect(find_note(page).locator(".numbers")).to_have_text("0 s")
    held[0].continue_()
    expect(find_note(page)).to_have_count(0)
    expect(find_row(page, job)).to_be_visible()
    assert is_there(instance, job)


def test_open_result_closes_with_its_video_and_opens_again(page: Page, job: dict[str, Any]) -> None:
    find_row(page, job).locator(".job").click()
    result = page.locator("#task .result")
    result.get_by_role("button", name="Delete to be deleted.mp4").click()
    expect(result).to_have_count(0)
    expect(page.locator("#drop")).to_be_visible()
    undo(page)
    expect(result.locator(".name")).to_have_text("to be deleted.mp4")
    assert page.url.endswith(f"#task={job['id']}")


def test_failed_video_can_be_deleted_where_its_error_is(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    path = make_own_film(tmp_path / "to be deleted.mkv", seconds=1, extra=["-vn"])
    job = process(instance, path, kind="generate_preview", params={"num_frames": 1})
    page.goto(f"{instance.address}/#task={job['id']}")
    page.reload()
    page.get_by_role("button", name="Delete the video").click()
    expect(page.locator("#task .error")).to_have_count(0)
    wait_until_gone(page, instance, job)


def test_videos_own_page_is_out_of_use_until_the_deletion_is_undone(
    page: Page, instance: Instance, job: dict[str, Any]
) -> None:
    page.goto(f"{instance.address}/assets/{job['asset_id']}")
    page.get_by_role("button", name="Delete to be deleted.mp4").click()
    video = page.locator("#video")
    expect(video).to_have_attribute("inert", "")
    page.reload()
    expect(video).to_have_attribute("inert", "")
    undo(page)
    expect(video).not_to_have_attribute("inert", "")
    expect(page.locator("#asset-name")).to_be_focused()
    page.get_by_role("button", name="Delete to be deleted.mp4").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This video does not exist")
    expect(find_note(page)).to_have_count(0)
    wait_until_gone(page, instance, job)


def fulfill(route: Route, *, status: int, body: str) -> None:
    route.fulfill(status=status, body=body)


def test_page_of_a_video_that_is_gone_at_once_leads_to_all_videos(
    page: Page, instance: Instance, job: dict[str, Any]
) -> None:
    address = f"{instance.address}/api/v1/assets/{job['asset_id']}"
    document = {**page.request.get(address).json(), "deleted_in_seconds": 0}
    page.goto(f"{instance.address}/assets/{job['asset_id']}")
    for status, body in ((202, json.dumps(document)), (204, "")):
        answer = partial(fulfill, status=status, body=body)
        page.route("**/api/v1/assets/*?undo_seconds=*", answer)
        page.reload()
        page.get_by_role("button", name="Delete to be deleted.mp4").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("This video does not exist")
        expect(page.locator("#video")).not_to_have_attribute("inert", "")
        expect(find_note(page)).to_have_count(0)
    page.get_by_role("link", name="Show all videos").click()
    expect(find_row(page, job)).to_be_visible()


def test_answers_that_come_after_the_deletion_do_not_bring_the_video_back(
    page: Page, instance: Instance, job: dict[str, Any]
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    held: list[Route] = []
    below, jobs = f"**/assets/{job['asset_id']}/**", f"**/api/v1/jobs?*{job['asset_id']}*"
    page.route(below, lambda route: held.append(route))
    page.route(f"**/assets/{job['asset_id']}/captions*", lambda route: route.continue_())
    page.route(jobs, lambda route: held.append(route))
    page.route("**/api/v1/assets/*?undo_seconds=*", lambda route: route.fulfill(status=204))
    page.goto(f"{instance.address}/assets/{job['asset_id']}")
    page.get_by_role("button", name="Delete to be deleted.mp4").click()
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text("This video does not exist")
    assert held
    for pattern in (below, jobs):  # later requests are not held
        page.unroute(pattern)
    for route in held:
        route.continue_()
    page.wait_for_load_state("networkidle")
    expect(title).to_have_text("This video does not exist")
    assert errors == []


def test_video_that_is_uploaded_again_after_the_undo_is_shown(
    page: Page, job: dict[str, Any]
) -> None:
    # As long as the server still has the row, an upload of the same file takes it over.
    page.route("**/api/v1/assets/*?undo_seconds=*", lambda route: route.fulfill(status=204))
    find_row(page, job).get_by_role("button", name="Delete").click()
    expect(find_row(page, job)).to_have_count(0)
    pass_by(page)
    expect(find_row(page, job)).to_be_visible()


def test_note_that_ends_leaves_the_focus_of_other_tabs(page: Page, job: dict[str, Any]) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    expect(find_row(other, job)).to_be_visible()
    find_row(page, job).get_by_role("button", name="Delete").click()
    expect(find_note(other)).to_be_visible()
    undo(page)
    for tab in (page, other):
        expect(find_note(tab)).to_have_count(0)
        expect(find_row(tab, job)).to_be_visible()
    expect(find_row(page, job).locator(".job")).to_be_focused()
    assert other.evaluate("document.activeElement === document.body")
    other.close()


def test_running_work_goes_on_until_the_undo_is_over(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    film = make_own_film(tmp_path / "to be deleted.mp4", seconds=40, size=(1280, 720))
    with Client(instance.address, instance.token) as client:
        job: dict[str, Any] = {**client.upload(film)}
        find_row(page, job).get_by_role("button", name="Delete").click()
        expect(find_note(page)).to_be_visible()
        assert client.job(job["id"])["status"] not in ("cancelled", "failed")
    wait_until_gone(page, instance, job)


def test_reason_why_a_video_cannot_be_deleted_stays_until_it_was_read(
    page: Page, instance: Instance, job: dict[str, Any]
) -> None:
    find_row(page, job).get_by_role("button", name="Delete").wait_for()
    page.route(
        "**/api/v1/assets/*?undo_seconds=*",
        lambda route: route.fulfill(
            status=409,
            json={
                "code": "asset_in_use",
                "detail": "Job 5 needs this video and has not ended.",
                "hint": "Cancel that job.",
                "status": 409,
                "retryable": False,
            },
        ),
    )
    find_row(page, job).get_by_role("button", name="Delete").click()
    note = find_note(page)
    expect(note).to_contain_text("to be deleted.mp4: Job 5 needs this video")
    expect(note).to_contain_text("Cancel that job.")
    page.reload()
    expect(find_row(page, job)).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_notes_and_buttons_are_laid_out(
    page: Page,
    instance: Instance,
    job: dict[str, Any],
    tmp_path: Path,
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    long = "a name so long that it never fits into a row of the list on a phone.mp4"
    other = process(instance, make_own_film(tmp_path / long, seconds=1, size=(160, 90)))
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme)
    page.reload()
    for one in (job, other):
        page.wait_for_function(IS_LARGE, arg=one["id"])
        find_row(page, one).get_by_role("button").click()
    expect(find_note(page)).to_have_count(2)
    for undo_button in find_note(page).get_by_role("button").all():
        box = undo_button.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width  # a long name pushes no button out of the window
    check_layout(page)


def test_lists_are_read_to_their_end(page: Page) -> None:
    def send(route: Route) -> None:
        name = "reviews" if "/reviews?" in route.request.url else "regions"
        is_last = "cursor=more" in route.request.url
        route.fulfill(json={name: [{"id": int(is_last)}], "next": None if is_last else "more"})

    page.route("**/api/v1/analyses/*/*", send)
    for read in ("listReviews", "listRegions"):
        found = page.evaluate(f"import('/static/api.js').then(api => api.{read}('one'))")
        assert [one["id"] for one in found] == [0, 1]
