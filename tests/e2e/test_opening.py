"""What a person opens comes into view and takes the focus, wherever the page is scrolled to."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from cinemill.client import Client

from .conftest import Instance, make_own_film, process

ROWS = 24
WINDOWS = ((390, 640), (1280, 620))


@pytest.fixture(scope="module")
def jobs(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Fill the list with jobs of one video; the first two of it are done and rejected."""
    folder = tmp_path_factory.mktemp("opening")
    done = process(instance, make_own_film(folder / "opened.mp4", seconds=1, size=(160, 90)))
    silent = make_own_film(folder / "silent.mp4", seconds=1, size=(160, 90), has_sound=False)
    failed = process(instance, silent, kind="caption", params={})
    with Client(instance.address, instance.token) as client:
        for _ in range(ROWS):
            last = client.create_job(done["asset_id"], "process_video")
        for _event in client.watch(last["id"]):
            pass
    return [done, failed]


@pytest.fixture(params=WINDOWS, ids=["phone", "desk"])
def page(
    request: pytest.FixtureRequest,
    reused_page: Page,
    instance: Instance,
    jobs: list[dict[str, Any]],
) -> Page:
    width, height = request.param
    reused_page.set_viewport_size({"width": width, "height": height})
    reused_page.goto(instance.address)
    expect(reused_page.locator("#recent .job").first).to_be_visible()
    show_all_rows(reused_page)
    return reused_page


def show_all_rows(page: Page) -> None:
    more = page.get_by_role("button", name="Show older")
    before = page.locator("#recent .job").count()
    if more.is_visible():
        more.click()
        expect(page.locator("#recent .job").nth(before)).to_be_attached()


def find_row(page: Page, job: dict[str, Any]) -> Locator:
    """Return the job's row, scrolled into view; what is above the list is out of it."""
    link = page.locator(f'#recent a.job[href="#task={job["id"]}"]')
    link.evaluate("link => link.scrollIntoView({ block: 'end' })")
    assert page.evaluate("scrollY") > 200
    return link


def expect_opened(page: Page, selector: str = "#task .name") -> None:
    """Expect that it has the focus, and is in the upper half of the window."""
    name = page.locator(selector)
    expect(name).to_be_focused()
    expect(name).to_be_in_viewport()
    top = name.evaluate("name => name.getBoundingClientRect().top")
    assert 0 <= top <= page.evaluate("innerHeight") / 2


def test_finished_video_comes_into_view(page: Page, jobs: list[dict[str, Any]]) -> None:
    find_row(page, jobs[0]).click()
    expect_opened(page)
    expect(page.locator("#task .result .name")).to_have_text("opened.mp4")


def test_failed_video_comes_into_view(page: Page, jobs: list[dict[str, Any]]) -> None:
    find_row(page, jobs[1]).click()
    expect_opened(page)
    expect(page.locator("#task .error")).to_be_visible()


@pytest.mark.parametrize("status", ["pending", "running", "cancelled"])
def test_video_that_is_not_done_comes_into_view(
    page: Page, jobs: list[dict[str, Any]], status: str
) -> None:
    address = f"**/api/v1/jobs/{jobs[0]['id']}/status"

    def change(route: Route) -> None:
        document = route.fetch().json()
        route.fulfill(json={**document, "status": status, "progress": 40})

    page.route(address, change)
    page.route("**/api/v1/jobs/*/events", lambda route: route.abort())
    find_row(page, jobs[0]).click()
    expect_opened(page)


def test_video_that_cannot_be_read_comes_into_view(page: Page, jobs: list[dict[str, Any]]) -> None:
    problem = {
        "code": "job_not_found",
        "detail": "There is no such job.",
        "hint": "",
        "status": 404,
    }
    page.route(
        f"**/api/v1/jobs/{jobs[0]['id']}/status",
        lambda route: route.fulfill(status=404, json={**problem, "retryable": False}),
    )
    find_row(page, jobs[0]).click()
    expect_opened(page)
    expect(page.locator("#task .code")).to_have_text("job_not_found")


def test_row_is_opened_with_the_keyboard(page: Page, jobs: list[dict[str, Any]]) -> None:
    row = find_row(page, jobs[0])
    row.focus()
    page.keyboard.press("Enter")
    expect_opened(page)


def test_row_of_the_video_that_is_shown_already_leads_to_it(
    page: Page, jobs: list[dict[str, Any]]
) -> None:
    find_row(page, jobs[0]).click()
    expect_opened(page)
    find_row(page, jobs[0]).click()
    expect_opened(page)


def test_other_video_comes_into_view_in_place_of_the_one_before(
    page: Page, jobs: list[dict[str, Any]]
) -> None:
    find_row(page, jobs[0]).click()
    expect_opened(page)
    find_row(page, jobs[1]).click()
    expect(page.locator("#task .error")).to_be_visible()
    expect_opened(page)
    page.go_back()
    expect(page.locator("#task .result")).to_be_visible()
    expect_opened(page)


def test_end_of_a_job_scrolls_nobody_away(page: Page, jobs: list[dict[str, Any]]) -> None:
    address = f"**/api/v1/jobs/{jobs[0]['id']}/status"

    def run(route: Route) -> None:
        document = route.fetch().json()
        route.fulfill(json={**document, "status": "running", "progress": 40})

    page.route(address, run)
    page.route("**/api/v1/jobs/*/events", lambda route: route.abort())
    find_row(page, jobs[0]).click()
    expect_opened(page)
    find_row(page, jobs[1])
    page.unroute(address)
    expect(page.locator("#task .result .name")).to_have_text("opened.mp4")
    expect(page.locator("#task .name")).not_to_be_in_viewport()


def test_further_output_comes_into_view(page: Page, jobs: list[dict[str, Any]]) -> None:
    find_row(page, jobs[0]).click()
    expect_opened(page)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator("#task .name")).to_be_focused()
    expect_opened(page)


def test_dropped_file_shows_its_upload(page: Page, jobs: list[dict[str, Any]]) -> None:
    find_row(page, jobs[0])
    held: list[Route] = []
    page.route("**/upload", lambda route: held.append(route))
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(["no film"], "dropped.mp4"));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        }"""
    )
    expect(page.locator("#transfers .name")).to_be_in_viewport()
    for route in held:
        route.abort()
