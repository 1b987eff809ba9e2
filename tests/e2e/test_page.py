"""The page as people use it: with a mouse, with a keyboard, on a phone, at night."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import Mill, OpenPage

DONE_MILLISECONDS = 90_000
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

# The contrast of each visible text against the nearest ground below it, after WCAG 2.2, 1.4.3.
FAINT_TEXTS = """
() => {
  const rgba = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
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
    const [one, two] = [luminance(rgba(style.color).slice(0, 3)), luminance(ground(node))];
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


def wait_until_done(page: Page, name: str) -> None:
    expect(page.locator(".result .name")).to_have_text(name, timeout=DONE_MILLISECONDS)


def test_a_film_goes_through_before_ones_eyes(page: Page, films: Path) -> None:
    upload(page, films / "long.mp4")
    task = page.locator("#task")
    expect(task.locator(".task-id code")).to_have_text(UUID, timeout=30_000)
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
    expect(page.locator(".downloads")).to_contain_text("Proxy")

    plays_and_previews(page)
    page.reload()
    wait_until_done(page, "long.mp4")


def watch_bar(page: Page) -> list[float]:
    """Every value of the bar, twice a second, until the result is there."""
    seen: list[float] = []
    bar = page.locator("#task .bar")
    for _ in range(2 * DONE_MILLISECONDS // 1000):
        page.wait_for_timeout(500)
        if not bar.count():
            break
        seen.append(float(bar.get_attribute("aria-valuenow") or 0))
    return seen


def plays_and_previews(page: Page) -> None:
    video = page.locator(".player video")
    page.get_by_role("button", name="Play").click()
    wait_until_played(page, 0.5)
    page.get_by_role("button", name="Pause").click()
    assert video.evaluate("video => video.videoWidth") == 854
    assert video.evaluate("video => video.poster")

    seek = page.get_by_role("slider", name="Position in the film")
    seek.hover()
    expect(page.locator(".preview")).to_be_visible()
    expect(page.locator(".preview-time")).to_have_text(re.compile(r"0:(14|15|16)"))
    picture = page.locator(".preview-picture").evaluate("node => node.style.backgroundImage")
    assert "/files/sprite" in picture
    seek.focus()
    page.keyboard.press("End")
    wait_until_played(page, 29)
    assert "of 0:30" in (seek.get_attribute("aria-valuetext") or "")


def wait_until_played(page: Page, seconds: float) -> None:
    # Playwright's own waiting compiles text to code, which the page's security policy forbids.
    for _ in range(100):
        if page.locator("video").evaluate("video => video.currentTime") > seconds:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"the film was not played up to {seconds} s")


def test_the_result_can_be_downloaded(page: Page, films: Path) -> None:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    with page.expect_download() as download:
        page.get_by_role("link", name="Proxy").click()
    assert download.value.suggested_filename == "short-proxy.mp4"
    assert download.value.path().stat().st_size > 1000


def test_several_films_take_their_turns(page: Page, mill: Mill, films: Path) -> None:
    before = len(page.request.get(f"{mill.address}/jobs").json()["jobs"])
    upload(page, films / "short.mp4", films / "short.mp4")
    expect(page.locator("#recent li")).to_have_count(before + 2, timeout=30_000)
    wait_until_done(page, "short.mp4")


def test_what_is_no_film_is_refused_with_a_way_on(page: Page, films: Path) -> None:
    upload(page, films / "letter.mp4")
    error = page.locator("#transfers .error")
    expect(error).to_contain_text("not a video")
    expect(error.locator(".code")).to_have_text("media_unrecognized")
    with page.expect_file_chooser():
        error.get_by_role("button", name="Choose another film").click()
    expect(error).to_have_count(0)


def test_a_failed_film_says_why_and_can_be_tried_again(page: Page, films: Path) -> None:
    upload(page, films / "sound only.mkv")
    error = page.locator("#task .error")
    expect(error.locator(".code")).to_have_text("media_no_video", timeout=30_000)
    expect(error).to_contain_text("no picture stream")
    expect(page.locator("#recent li").first).to_contain_text("Failed")
    error.get_by_role("button", name="Try again").click()
    expect(error).to_have_count(0)
    expect(error.locator(".code")).to_have_text("media_no_video", timeout=30_000)


def test_cancel_stops_and_try_again_starts_anew(page: Page, films: Path) -> None:
    upload(page, films / "unwanted.mp4")
    page.get_by_role("button", name="Cancel", exact=True).click(timeout=30_000)
    expect(page.locator("#task .kicker")).to_have_text("Cancelled", timeout=30_000)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#task .kicker")).to_have_count(0)
    wait_until_done(page, "unwanted.mp4")


def test_a_cut_connection_and_a_reload_lose_nothing(page: Page, films: Path) -> None:
    upload(page, films / "cut off.mp4")
    expect(page.locator("#task .bar")).to_be_visible(timeout=30_000)
    page.context.set_offline(True)
    page.wait_for_timeout(1500)
    page.context.set_offline(False)
    page.reload()
    wait_until_done(page, "cut off.mp4")


def test_a_removed_film_is_told_of(open_page: OpenPage) -> None:
    page = open_page("/#task=11111111-2222-3333-4444-555555555555")
    expect(page.locator("#task .error .code")).to_have_text("job_not_found")


def test_the_keyboard_alone_suffices(page: Page, films: Path) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the films")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose films")).to_be_focused()
    page.wait_for_timeout(1500)  # a person looks first; the page's modules are still loading
    with page.expect_file_chooser(timeout=10_000) as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(str(films / "short.mp4"))
    wait_until_done(page, "short.mp4")
    expect(page.locator("#announcer")).to_have_text("short.mp4 is done")
    # Nothing has taken the focus away meanwhile.
    expect(page.get_by_role("button", name="Choose films")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_can_be_read(open_page: OpenPage, films: Path, width: int, scheme: str) -> None:
    page = open_page(width=width, scheme=scheme)
    look_at(page)
    upload(page, films / "letter.mp4")
    expect(page.locator("#transfers .error")).to_be_visible()
    look_at(page)
    page.get_by_role("button", name="Dismiss").click()
    upload(page, films / "short.mp4")
    expect(page.locator("#task .bar, #task .result")).to_be_visible(timeout=30_000)
    look_at(page)
    wait_until_done(page, "short.mp4")
    look_at(page)
    page.goto(page.url.partition("#")[0] + "docs")
    expect(page.locator(".doors article").first).to_be_visible()
    look_at(page)


def look_at(page: Page) -> None:
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "the page scrolls sideways"
    assert page.evaluate(FAINT_TEXTS) == []


def test_people_without_the_link_are_asked_for_the_token(browser: Browser, mill: Mill) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(mill.address)
        page.get_by_label("Token").fill("not the token")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Token").fill(mill.token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Choose films")).to_be_visible()
        assert mill.token not in page.url


def test_no_other_host_is_asked_for_anything(open_page: OpenPage, mill: Mill) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator("#recent")).to_be_attached()
    page.goto(f"{mill.address}/docs")
    expect(page.locator(".doors article").first).to_be_visible()
    assert asked
    assert all(address.startswith(mill.address) for address in asked)
