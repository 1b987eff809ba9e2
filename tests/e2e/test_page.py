"""The page as people use it: with a mouse, with a keyboard, on a phone, at night."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, Route, expect
from tests.waiting import PATIENCE_SECONDS

import cinemill

from .conftest import PATIENCE_MILLISECONDS, Instance, OpenPage, launch

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


def choose_film(page: Page, open_chooser: Callable[[], None], film: Path) -> None:
    """Answer the file chooser that ``open_chooser`` opens."""
    with page.expect_file_chooser() as chooser:
        # Playwright does not wait until the browser has begun to intercept choosers, and a key can
        # be quicker: that one would open unseen. The page answers after it has begun.
        page.evaluate("1")
        open_chooser()
    chooser.value.set_files(str(film))


def wait_until_done(page: Page, name: str) -> None:
    expect(page.locator(".result .name")).to_have_text(name)


def test_a_film_goes_through_before_ones_eyes(page: Page, films: Path) -> None:
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

    plays_and_previews(page)
    page.reload()
    wait_until_done(page, "long.mp4")


def watch_bar(page: Page) -> list[float]:
    """Every value of the bar, ten times a second, until the result is there."""
    seen: list[float] = []
    bar = page.locator("#task .bar")
    for _ in range(int(10 * PATIENCE_SECONDS)):
        page.wait_for_timeout(100)
        # In one question: the bar may go between two.
        values = bar.evaluate_all("bars => bars.map((bar) => bar.ariaValueNow)")
        if not values:
            break
        seen.append(float(values[0] or 0))
    return seen


def plays_and_previews(page: Page) -> None:
    video = page.locator(".player video")
    page.get_by_role("button", name="Play").click()
    wait_until_played(page, 0.5)
    page.get_by_role("button", name="Pause").click()
    assert video.evaluate("video => video.videoWidth") == 854
    assert video.evaluate("video => video.poster")

    seek = page.get_by_role("slider", name="Position")
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
    for _ in range(int(10 * PATIENCE_SECONDS)):
        if page.locator("video").evaluate("video => video.currentTime") > seconds:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"the film was not played up to {seconds} s")


def test_the_result_can_be_downloaded(page: Page, films: Path) -> None:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    with page.expect_download() as download:
        page.get_by_role("link", name="Preview copy").click()
    assert download.value.suggested_filename == "short-proxy.mp4"
    assert download.value.path().stat().st_size > 1000


def test_several_films_take_their_turns(page: Page, instance: Instance, films: Path) -> None:
    before = len(page.request.get(f"{instance.address}/api/v1/jobs").json()["jobs"])
    upload(page, films / "short.mp4", films / "short.mp4")
    expect(page.locator("#recent li")).to_have_count(before + 2)
    wait_until_done(page, "short.mp4")


def test_what_is_no_film_is_refused_with_a_way_on(page: Page, films: Path) -> None:
    upload(page, films / "letter.mp4")
    error = page.locator("#refusals")
    expect(error).to_contain_text("not a video")
    expect(error.locator(".code")).to_have_text("media_unrecognized")
    expect(error.get_by_role("button", name="Retry")).to_have_count(0)
    another = error.get_by_role("button", name="Choose another video")
    choose_film(page, another.click, films / "short.mp4")
    expect(error).to_be_hidden()


def test_many_refusals_stay_in_hand(page: Page, films: Path) -> None:
    names = ["letter.mp4", "bill.mp4", "poem.mp4", "recipe.mp4"]
    upload(page, *(films / name for name in names))
    refusals = page.locator("#refusals")
    expect(refusals.get_by_role("heading", level=2)).to_have_text("4 videos could not be uploaded")
    shown = refusals.locator("li:visible .name")
    expect(shown).to_have_text(["recipe.mp4", "poem.mp4", "bill.mp4"])
    page.get_by_role("button", name="Show all 4").click()
    expect(shown).to_have_count(4)
    page.get_by_role("button", name="Dismiss: poem.mp4").click()
    # The keyboard goes on where it was.
    expect(page.get_by_role("button", name="Dismiss: bill.mp4")).to_be_focused()
    page.get_by_role("button", name="Dismiss all").click()
    expect(refusals).to_be_hidden()
    expect(page.get_by_role("button", name="Choose videos")).to_be_focused()


def test_uploads_that_were_cut_off_are_all_tried_again(page: Page, films: Path) -> None:
    page.route("**/upload", lambda route: route.abort())
    upload(page, films / "short.mp4", films / "sound only.mkv")
    refusals = page.locator("#refusals")
    expect(refusals.get_by_role("button", name=re.compile("^Retry: "))).to_have_count(2)
    recent = page.locator("#recent a")
    newest = recent.first.get_attribute("href") or ""
    page.unroute("**/upload")
    page.get_by_role("button", name="Retry all").click()
    expect(refusals).to_be_hidden()
    # In the list: the page goes on to the next film as soon as one is done.
    expect(recent.nth(2)).to_have_attribute("href", newest)
    expect(recent.nth(0)).to_contain_text(re.compile("sound only.mkv.*Failed"))
    expect(recent.nth(1)).to_contain_text(re.compile("short.mp4.*Done"))


def test_a_failed_film_says_why_and_is_not_offered_again(page: Page, films: Path) -> None:
    upload(page, films / "sound only.mkv")
    error = page.locator("#task .error")
    expect(error.locator(".code")).to_have_text("media_no_video")
    expect(error).to_contain_text("no video track")
    expect(page.locator("#recent li").first).to_contain_text("Failed")
    # The same film can only fail in the same way.
    expect(error.get_by_role("button")).to_have_text(["Choose another video", "Copy"])


def test_cancel_stops_and_try_again_starts_anew(page: Page, films: Path) -> None:
    upload(page, films / "unwanted.mp4")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#task .kicker")).to_have_text("Cancelled")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("#task .kicker")).to_have_count(0)
    wait_until_done(page, "unwanted.mp4")


def test_a_cut_connection_and_a_reload_lose_nothing(page: Page, films: Path) -> None:
    upload(page, films / "cut off.mp4")
    expect(page.locator("#task .bar")).to_be_visible()
    page.context.set_offline(True)
    page.wait_for_timeout(1500)
    page.context.set_offline(False)
    page.reload()
    wait_until_done(page, "cut off.mp4")


def test_a_connection_lost_at_the_last_moment_comes_back_by_itself(page: Page, films: Path) -> None:
    page.route("**/api/v1/jobs/*/status", lambda route: route.abort())
    upload(page, films / "short.mp4")
    error = page.locator("#task .error")
    expect(error.locator(".code")).to_have_text("connection_lost")
    expect(error.get_by_role("button", name="Retry", exact=True)).to_be_visible()
    page.unroute("**/api/v1/jobs/*/status")
    wait_until_done(page, "short.mp4")


def test_a_film_that_cannot_be_asked_after_is_not_called_removed(page: Page, films: Path) -> None:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    page.route("**/api/v1/assets/*", lambda route: route.abort())
    page.reload()
    expect(page.locator("#banner")).to_contain_text("This page keeps trying")
    page.unroute("**/api/v1/assets/*")
    expect(page.locator("#recent li").first).to_contain_text("short.mp4")
    expect(page.locator("#banner")).to_be_hidden()


def test_a_waiting_film_tells_its_place(page: Page, films: Path) -> None:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    status = page.request.get(page.url.replace("/#task=", "/api/v1/jobs/") + "/status").json()
    waiting = {**status, "status": "pending", "progress": 0, "queue_place": 2}
    page.route("**/api/v1/jobs/*/status", lambda route: route.fulfill(json=waiting))
    page.route("**/api/v1/jobs/*/events", lambda route: route.abort())
    page.reload()
    expect(page.locator("#task .queue")).to_have_text("2 ahead in the queue")


def test_a_removed_film_is_told_of(open_page: OpenPage) -> None:
    page = open_page("/#task=11111111-2222-3333-4444-555555555555")
    expect(page.locator("#task .error .code")).to_have_text("job_not_found")


def test_the_keyboard_alone_suffices(page: Page, films: Path) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the videos")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Output", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose videos")).to_be_focused()
    choose_film(page, lambda: page.keyboard.press("Enter"), films / "short.mp4")
    wait_until_done(page, "short.mp4")
    expect(page.locator("#announcer")).to_have_text("short.mp4 is done")
    # Nothing has taken the focus away meanwhile.
    expect(page.get_by_role("button", name="Choose videos")).to_be_focused()


def test_a_film_can_be_chosen_before_the_scripts_have_come(page: Page, films: Path) -> None:
    """No dead button: however slow the scripts, what was chosen is taken up by them."""
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


def test_all_scripts_are_asked_for_at_once(page: Page, instance: Instance) -> None:
    """None is found out about only when another has come."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    scripts = {address for address in asked if address.endswith(".js")}
    named = page.locator("script[src], link[rel=modulepreload]").evaluate_all(
        "nodes => nodes.map((node) => node.src || node.href)"
    )
    folder = Path(cinemill.__file__).parent / "web"
    imported = find_imports(folder, "app.js")
    assert set(named) == scripts == {f"{instance.address}/static/{name}" for name in imported}


def find_imports(folder: Path, name: str, found: set[str] | None = None) -> set[str]:
    """The module and all that it imports, at any depth."""
    found = found if found is not None else set()
    if name not in found:
        found.add(name)
        for other in re.findall(r'from "\./([a-z]+\.js)";', (folder / name).read_text()):
            find_imports(folder, other, found)
    return found


SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    shifts.push(`${value.toFixed(3)} ${sources.map(({ node }) => node?.id ?? node?.nodeName)}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_when_the_list_arrives(open_page: OpenPage, films: Path, width: int) -> None:
    page = open_page(width=width)
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    page.add_init_script(SHIFTS)
    page.goto(page.url.partition("#")[0] + "?")
    expect(page.locator("#recent li").first).to_be_visible()
    assert page.evaluate("shifts") == []


def test_a_phones_user_is_told_what_a_finger_can_do(
    playwright: Playwright, instance: Instance
) -> None:
    # In a browser of its own: one that shows a desktop too mixes up their pointers.
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
def test_it_fits_and_can_be_read(open_page: OpenPage, films: Path, width: int, scheme: str) -> None:
    page = open_page(width=width, scheme=scheme)
    look_at(page)
    upload(page, films / "letter.mp4")
    expect(page.locator("#refusals")).to_be_visible()
    look_at(page)
    page.get_by_role("button", name="Dismiss").click()
    upload(page, films / "short.mp4")
    expect(page.locator("#task .bar, #task .result")).to_be_visible()
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


def test_people_without_the_link_are_asked_for_the_token(
    browser: Browser, instance: Instance
) -> None:
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = context.new_page()
        page.goto(instance.address)
        page.get_by_label("Token").fill("not the token")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Token").fill(instance.token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Choose videos")).to_be_visible()
        assert instance.token not in page.url


def test_no_other_host_is_asked_for_anything(open_page: OpenPage, instance: Instance) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator("#recent")).to_be_attached()
    page.goto(f"{instance.address}/docs")
    expect(page.locator(".doors article").first).to_be_visible()
    assert asked
    assert all(address.startswith(instance.address) for address in asked)
