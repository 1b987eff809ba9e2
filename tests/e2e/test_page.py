"""The page with a mouse, with a keyboard, on a phone, and in dark mode."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, Route, expect
from tests.waiting import PATIENCE_SECONDS

from .conftest import PATIENCE_MILLISECONDS, Instance, OpenPage, launch

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

# Visible texts with too little contrast to their background, by WCAG 2.2, 1.4.3.
LOW_CONTRAST_TEXTS = """
() => {
  const rgba = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const luminance = (color) => {
    const [r, g, b] = color.map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = rgba(getComputedStyle(at).backgroundColor);
      if (alpha > 0.5) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const texts = [...node.childNodes].filter((child) => child.nodeType === 3);
    if (!texts.some((text) => text.data.trim()) || !node.checkVisibility()) continue;
    if (node.closest(".visually-hidden, .skip")) continue;
    const style = getComputedStyle(node);
    const [one, two] = [luminance(rgba(style.color).slice(0, 3)), luminance(background(node))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24;
    const words = node.textContent.trim();
    if (contrast < (isLarge ? 3 : 4.5)) faint.push(`${words}: ${contrast.toFixed(2)}`);
  }
  return faint;
}
"""


def upload(page: Page, *films: Path) -> None:
    page.locator("#files").set_input_files([str(film) for film in films])


def choose_film(page: Page, open_chooser: Callable[[], None], film: Path) -> None:
    """Choose a file in the chooser that ``open_chooser`` opens."""
    with page.expect_file_chooser() as chooser:
        # Playwright does not wait until the browser intercepts choosers, and a key press can be
        # faster. A round trip to the page ensures that it does.
        page.evaluate("1")
        open_chooser()
    chooser.value.set_files(str(film))


def wait_until_done(page: Page, name: str) -> None:
    expect(page.locator(".result .name")).to_have_text(name)


def test_upload_shows_progress_and_result(page: Page, films: Path) -> None:
    upload(page, films / "long.mp4")
    task = page.locator("#task")
    expect(task.locator(".task-id code")).to_have_text(UUID)
    seen = watch_bar(page)
    assert len({value for value in seen if 0 < value < 100}) >= 4
    assert seen == sorted(seen)
    wait_until_done(page, "long.mp4")

    facts = page.locator(".facts")
    expect(facts).to_contain_text("1920 × 1080")
    expect(facts).to_contain_text("30 fps")
    expect(facts).to_contain_text("0:30")
    expect(facts).to_contain_text("h264")
    expect(page.locator("#recent li").first).to_contain_text("Done")
    expect(page.locator(".downloads")).to_contain_text("Preview copy")

    check_player(page)
    page.reload()
    wait_until_done(page, "long.mp4")


def watch_bar(page: Page) -> list[float]:
    """Return the values of the bar, ten per second, until the result is shown."""
    seen: list[float] = []
    bar = page.locator("#task .bar")
    for _ in range(int(10 * PATIENCE_SECONDS)):
        page.wait_for_timeout(100)
        # In one call, because the bar may disappear between two.
        values = bar.evaluate_all("bars => bars.map((bar) => bar.ariaValueNow)")
        if not values:
            break
        seen.append(float(values[0] or 0))
    return seen


def check_player(page: Page) -> None:
    video = page.locator(".player video")
    page.get_by_role("button", name="Play").click()
    wait_until_played(page, 0.5)
    page.get_by_role("button", name="Pause").click()
    assert video.evaluate("video => video.videoWidth") == 1920
    assert video.evaluate("video => video.poster")

    seek = page.get_by_role("slider", name="Position")
    seek.hover()
    expect(page.locator(".preview")).to_be_visible()
    expect(page.locator(".preview-time")).to_have_text(re.compile(r"0:(14|15|16)"))
    picture = page.locator(".preview-image").evaluate("node => node.style.backgroundImage")
    assert "/files/sprite" in picture
    seek.focus()
    page.keyboard.press("End")
    wait_until_played(page, 29)
    assert "of 0:30" in (seek.get_attribute("aria-valuetext") or "")


def wait_until_played(page: Page, seconds: float) -> None:
    # Playwright's wait_for_function uses eval, which the page's security policy forbids.
    for _ in range(int(10 * PATIENCE_SECONDS)):
        if page.locator("video").evaluate("video => video.currentTime") > seconds:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"the video was not played up to {seconds} s")


def test_result_can_be_downloaded(page: Page, films: Path) -> None:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    with page.expect_download() as download:
        page.get_by_role("link", name="Preview copy").click()
    assert download.value.suggested_filename == "short-proxy.mp4"
    assert download.value.path().stat().st_size > 1000


def test_several_uploads_run_one_after_the_other(
    page: Page, instance: Instance, films: Path
) -> None:
    # The page shows no more than the newest 20 at first.
    newest = page.request.get(f"{instance.address}/api/v1/jobs", params={"limit": 20})
    before = len(newest.json()["jobs"])
    upload(page, films / "short.mp4", films / "short.mp4")
    expect(page.locator("#recent li")).to_have_count(before + 2)
    wait_until_done(page, "short.mp4")


def test_file_that_is_no_video_is_rejected_with_a_hint(page: Page, films: Path) -> None:
    upload(page, films / "letter.mp4")
    error = page.locator("#refusals")
    expect(error).to_contain_text("not a video")
    expect(error.locator(".code")).to_have_text("media_unrecognized")
    expect(error.get_by_role("button", name="Retry")).to_have_count(0)
    another = error.get_by_role("button", name="Choose another video")
    choose_film(page, another.click, films / "short.mp4")
    expect(error).to_be_hidden()


def test_failed_uploads_are_collapsed_and_dismissed(page: Page, films: Path) -> None:
    names = ["letter.mp4", "bill.mp4", "poem.mp4", "recipe.mp4"]
    upload(page, *(films / name for name in names))
    refusals = page.locator("#refusals")
    expect(refusals.get_by_role("heading", level=2)).to_have_text("4 videos could not be uploaded")
    shown = refusals.locator("li:visible .name")
    expect(shown).to_have_text(["recipe.mp4", "poem.mp4", "bill.mp4"])
    page.get_by_role("button", name="Show all 4").click()
    expect(shown).to_have_count(4)
    page.get_by_role("button", name="Dismiss: poem.mp4").click()
    # The keyboard focus stays at the same place in the list.
    expect(page.get_by_role("button", name="Dismiss: bill.mp4")).to_be_focused()
    page.get_by_role("button", name="Dismiss all").click()
    expect(refusals).to_be_hidden()
    expect(page.get_by_role("button", name="Choose videos")).to_be_focused()


def test_interrupted_uploads_can_all_be_retried(page: Page, films: Path) -> None:
    page.route("**/upload", lambda route: route.abort())
    upload(page, films / "short.mp4", films / "text only.mkv")
    refusals = page.locator("#refusals")
    expect(refusals.get_by_role("button", name=re.compile("^Retry: "))).to_have_count(2)
    recent = page.locator("#recent .job")
    newest = recent.first.get_attribute("href") or ""
    page.unroute("**/upload")
    page.get_by_role("button", name="Retry all").click()
    expect(refusals).to_be_hidden()
    # Checked in the list, because the page shows the next video as soon as one is done.
    expect(recent.nth(2)).to_have_attribute("href", newest)
    expect(recent.nth(0)).to_contain_text(re.compile("text only.mkv.*Failed"))
    expect(recent.nth(1)).to_contain_text(re.compile("short.mp4.*Done"))


def test_upkeep_is_not_among_the_videos(page: Page, instance: Instance, films: Path) -> None:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    asked = {"kind": "check_stuck_jobs", "params": {}}
    response = page.request.post(f"{instance.address}/api/v1/jobs", data=asked)
    assert response.ok, response.text()
    page.goto(instance.address)
    expect(page.locator("#recent li").first).to_contain_text("short.mp4")
    expect(page.locator("#recent")).not_to_contain_text("check_stuck_jobs")


def test_failed_video_shows_the_reason_and_no_retry(page: Page, films: Path) -> None:
    upload(page, films / "text only.mkv")
    error = page.locator("#task .error")
    expect(error.locator(".code")).to_have_text("media_no_streams")
    expect(error).to_contain_text("neither picture nor sound")
    expect(page.locator("#recent li").first).to_contain_text("Failed")
    # A retry would fail in the same way.
    expect(error.get_by_role("button")).to_have_text(
        ["Choose another video", "Delete the video", "Copy"]
    )


def test_cancelled_job_can_be_retried(page: Page, films: Path) -> None:
    upload(page, films / "unwanted.mp4")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#task .kicker")).to_have_text("Cancelled")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("#task .kicker")).to_have_count(0)
    wait_until_done(page, "unwanted.mp4")


def test_progress_survives_a_lost_connection_and_a_reload(page: Page, films: Path) -> None:
    upload(page, films / "cut off.mp4")
    expect(page.locator("#task .bar")).to_be_visible()
    page.context.set_offline(True)
    page.wait_for_timeout(1500)
    page.context.set_offline(False)
    page.reload()
    wait_until_done(page, "cut off.mp4")


def test_lost_connection_at_the_end_recovers_by_itself(page: Page, films: Path) -> None:
    page.route("**/api/v1/jobs/*/status", lambda route: route.abort())
    upload(page, films / "short.mp4")
    error = page.locator("#task .error")
    expect(error.locator(".code")).to_have_text("connection_lost")
    expect(error.get_by_role("button", name="Retry", exact=True)).to_be_visible()
    page.unroute("**/api/v1/jobs/*/status")
    wait_until_done(page, "short.mp4")


def test_unreachable_asset_is_not_shown_as_deleted(
    page: Page, instance: Instance, films: Path
) -> None:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    # A job of an upload knows its name; one of a stored video has to ask for it.
    task_id = page.url.partition("#task=")[2]
    job = page.request.get(f"{instance.address}/api/v1/jobs/{task_id}").json()
    address = f"{instance.address}/api/v1/assets/{job['asset_id']}/jobs"
    body = {"kind": "generate_preview", "params": {"num_frames": 1}}
    assert page.request.post(address, data=body).ok
    page.route("**/api/v1/assets/*", lambda route: route.abort())
    page.reload()
    expect(page.locator("#banner")).to_contain_text("This page keeps trying")
    page.unroute("**/api/v1/assets/*")
    expect(page.locator("#recent li").first).to_contain_text("short.mp4")
    expect(page.locator("#banner")).to_be_hidden()


def test_waiting_job_shows_its_queue_position(page: Page, films: Path) -> None:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    status = page.request.get(page.url.replace("/#task=", "/api/v1/jobs/") + "/status").json()
    waiting = {**status, "status": "pending", "progress": 0, "queue_place": 2}
    page.route("**/api/v1/jobs/*/status", lambda route: route.fulfill(json=waiting))
    page.route("**/api/v1/jobs/*/events", lambda route: route.abort())
    page.reload()
    expect(page.locator("#task .queue")).to_have_text("2 ahead in the queue")


def test_deleted_job_is_reported(open_page: OpenPage) -> None:
    page = open_page("/#task=11111111-2222-3333-4444-555555555555")
    expect(page.locator("#task .error .code")).to_have_text("job_not_found")


def test_page_can_be_used_by_keyboard_alone(page: Page, films: Path) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in ("brand", "videos", "search", "reviews", "API", "output"):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Output", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Find out what is in it")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Collection", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose videos")).to_be_focused()
    choose_film(page, lambda: page.keyboard.press("Enter"), films / "short.mp4")
    wait_until_done(page, "short.mp4")
    expect(page.locator("#announcer")).to_have_text("short.mp4 is done")
    # The focus has not moved meanwhile.
    expect(page.get_by_role("button", name="Choose videos")).to_be_focused()


def test_file_can_be_chosen_before_the_scripts_are_loaded(page: Page, films: Path) -> None:
    """The button works before the scripts are loaded, and they upload what was chosen."""
    held: list[Route] = []
    page.route("**/static/*.js", lambda route: held.append(route))
    page.goto(page.url, wait_until="commit")
    choose = page.get_by_role("button", name="Choose videos")
    choose.focus()
    choose_film(page, lambda: page.keyboard.press("Enter"), films / "short.mp4")
    expect(page.locator("#drop")).to_be_visible()
    expect(
        page.locator("#transfers, #task, #recent-section").locator("visible=true")
    ).to_have_count(0)
    for route in held:
        route.continue_()
    wait_until_done(page, "short.mp4")


@pytest.mark.parametrize("path", ["/", "/assets/none", "/reviews", "/docs"])
def test_scripts_are_all_preloaded(page: Page, instance: Instance, path: str) -> None:
    """No script is requested only after another one has been loaded."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(instance.address + path)
    named = page.locator("script[src], link[rel=modulepreload]").evaluate_all(
        "nodes => nodes.map((node) => node.src || node.href)"
    )
    assert len(named) > 1
    assert sorted(named) == sorted({address for address in asked if address.endswith(".js")})


SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    shifts.push(`${value.toFixed(3)} ${sources.map(({ node }) => node?.id ?? node?.nodeName)}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("width", [390, 1280])
def test_page_layout_does_not_shift_when_the_list_arrives(
    open_page: OpenPage, films: Path, width: int
) -> None:
    page = open_page(width=width)
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    page.add_init_script(SHIFTS)
    page.goto(page.url.partition("#")[0] + "?")
    expect(page.locator("#recent li").first).to_be_visible()
    assert page.evaluate("shifts") == []


def test_page_on_a_phone_offers_touch_instructions(
    playwright: Playwright, instance: Instance
) -> None:
    # A separate browser, because one with a desktop page too reports the wrong pointer type.
    with (
        launch(playwright) as browser,
        browser.new_context(
            viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
        ) as context,
    ):
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = context.new_page()
        page.goto(instance.link)
        expect(page.get_by_role("heading", name="Upload videos")).to_be_visible()
        expect(page.get_by_text("Drop videos here")).to_be_hidden()
        with page.expect_file_chooser():
            page.get_by_text("Choose videos").tap()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_and_has_enough_contrast(
    open_page: OpenPage, films: Path, width: int, scheme: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    check_layout(page)
    upload(page, films / "letter.mp4")
    expect(page.locator("#refusals")).to_be_visible()
    check_layout(page)
    page.get_by_role("button", name="Dismiss").click()
    upload(page, films / "short.mp4")
    expect(page.locator("#task .bar, #task .result")).to_be_visible()
    check_layout(page)
    wait_until_done(page, "short.mp4")
    check_layout(page)
    page.goto(page.url.partition("#")[0] + "docs")
    expect(page.locator(".operations article").first).to_be_visible()
    check_layout(page)


def check_layout(page: Page) -> None:
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "the page scrolls sideways"
    assert page.evaluate(LOW_CONTRAST_TEXTS) == []


def test_page_without_the_link_asks_for_the_token(browser: Browser, instance: Instance) -> None:
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = context.new_page()
        asked_for = f"{instance.address}/reviews?one=a%26b#here"
        page.goto(asked_for)
        page.get_by_label("Token").fill("not the token")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Token").fill(instance.token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Review queue")).to_be_visible()
        assert page.url == asked_for


def test_page_requests_no_other_host(open_page: OpenPage, instance: Instance) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator("#recent")).to_be_attached()
    page.goto(f"{instance.address}/docs")
    expect(page.locator(".operations article").first).to_be_visible()
    assert asked
    assert all(address.startswith(instance.address) for address in asked)
