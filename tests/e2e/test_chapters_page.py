"""Chapters, key moments and collections on the pages of a video, of uploads and of searches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect
from tests.films import make_long_film
from tests.integration.storage.intelligence_rows import mention, relation, save, tell
from tests.subjects import CHANGE_MS, MONEY, TALK

from cinemill.core.knowledge.graph import EntityKind
from cinemill.storage.database import Database
from cinemill.storage.knowledge.evidence import PassageEvidence

from .conftest import PATIENCE_MILLISECONDS, Instance, make_own_film, process
from .test_page import check_layout, upload, wait_until_done

HOSTILE = "<img src=x onerror=alert(1)>"
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    *((1280, "light"), (1280, "dark")),
    *((390, "light"), (390, "dark")),
)


@pytest.fixture(scope="module")
def database(instance: Instance) -> Iterator[Database]:
    database = Database(instance.database_url, application_name="test")
    yield database
    database.close()


@pytest.fixture(scope="module")
def talk(instance: Instance, database: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the id of a long video, as if two subjects had been heard in it."""
    path = tmp_path_factory.mktemp("talk") / "two subjects.mp4"
    make_long_film(path, seconds=10 * len(TALK), size=(320, 180), rate="5", filters="hue=h=77")
    asset_id = str(process(instance, path)["asset_id"])
    ids = tell(database, asset_id, TALK)
    names = [
        mention(HOSTILE, EntityKind.ORGANIZATION, start_ms=90_000),
        mention("Thomas Rossi", start_ms=90_100),
    ]
    stated = [relation(HOSTILE, "trust", "Thomas Rossi")]
    save(database, asset_id, [PassageEvidence(ids[9], names, stated)])
    return asset_id


@pytest.fixture
def page(reused_page: Page) -> Page:
    return reused_page


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser's console reports as an error."""
    found: list[str] = []

    def note(message: object) -> None:
        if getattr(message, "type", "") in {"error", "warning"}:
            found.append(getattr(message, "text", ""))

    page.on("console", note)
    yield found
    page.remove_listener("console", note)


@pytest.fixture
def talk_page(page: Page, instance: Instance, talk: str) -> Page:
    page.goto(f"{instance.address}/assets/{talk}")
    expect(page.locator("#player video")).to_have_js_property("readyState", 4)
    expect(page.locator("#chapters")).to_be_visible()
    return page


def wait_for_time(page: Page, seconds: float) -> None:
    page.wait_for_function(
        "at => Math.abs(document.querySelector('#player video').currentTime - at) < 0.1",
        arg=seconds,
    )


def wait_for_routes(page: Page, held: list[Route], number: int) -> None:
    """Wait until this many requests are held; they can come after the event of their request."""
    for _ in range(int(PATIENCE_MILLISECONDS / 10)):
        if len(held) >= number:
            return
        page.wait_for_timeout(10)
    pytest.fail(f"{len(held)} of {number} requests came")


def read_body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.post_data or "{}")
    return body


def list_buttons(page: Page, name: str) -> Locator:
    return page.get_by_role("list", name=name).get_by_role("button")


def test_chapter_seeks_by_click_and_by_keyboard(talk_page: Page) -> None:
    page = talk_page
    chapters = list_buttons(page, "Chapters")
    expect(chapters).to_have_count(2)
    expect(page.locator("#chapters li[aria-current]")).to_have_count(1)
    chapters.last.click()
    wait_for_time(page, CHANGE_MS / 1000)
    expect(page.locator("#chapters li").nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator("#chapters li").nth(0)).not_to_have_attribute("aria-current", "true")
    page.keyboard.press("Shift+Tab")
    expect(chapters.first).to_be_focused()
    page.keyboard.press("Enter")
    wait_for_time(page, 0)
    expect(page.locator("#chapters li").nth(0)).to_have_attribute("aria-current", "true")


def test_chapters_are_a_row_of_the_timeline(talk_page: Page) -> None:
    page = talk_page
    lane = page.get_by_role("slider", name="Chapters, 2 chapters")
    lane.press("End")
    wait_for_time(page, CHANGE_MS / 1000)
    lane.press("Home")
    wait_for_time(page, 0)


def test_key_moment_says_why_and_seeks(talk_page: Page) -> None:
    page = talk_page
    moment = list_buttons(page, "Key moments")
    expect(moment).to_contain_text(MONEY[1])
    expect(moment).to_contain_text(f"First to name {HOSTILE}, Thomas Rossi; states 1 relation")
    moment.press("Enter")
    wait_for_time(page, CHANGE_MS / 1000 + 10)
    assert page.locator("[onerror]").count() == 0


def test_video_without_either_shows_no_section(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    film = make_own_film(tmp_path / "silent.mp4", seconds=1, has_sound=False)
    asset_id = process(instance, film)["asset_id"]
    with page.expect_response("**/chapters"):
        page.goto(f"{instance.address}/assets/{asset_id}")
    expect(page.locator("#known")).to_be_visible()
    expect(page.locator("#chapters")).to_be_hidden()


def test_collection_is_seen_and_changed(talk_page: Page, instance: Instance, talk: str) -> None:
    page = talk_page
    field = page.get_by_label("Collection")
    save_button = page.get_by_role("button", name="Save")
    expect(field).to_have_value("")
    expect(save_button).to_be_disabled()
    field.fill("  economy ")
    field.press("Enter")
    expect(page.locator("#announcer")).to_contain_text("“economy”")
    expect(save_button).to_be_disabled()
    page.reload()
    expect(field).to_have_value("economy")
    expect(page.locator("datalist option[value='economy']")).to_have_count(1)
    address = f"{instance.address}/api/v1/assets/{talk}"
    assert page.request.get(address).json()["collection"] == "economy"
    refusal = {"code": "x", "detail": "Not now.", "hint": "Later.", "status": 503}

    def refuse(route: Route) -> None:
        if route.request.method == "PATCH":
            route.fulfill(status=503, json=refusal)
        else:
            route.fallback()

    page.route(address.replace(instance.address, "**"), refuse)
    field.fill("")
    save_button.click()
    expect(page.locator(".collection-message")).to_have_text("Not now. Later.")
    page.unroute_all()
    save_button.click()
    expect(page.locator(".collection-message")).to_contain_text("in no collection")
    assert page.request.get(address).json()["collection"] == ""


def test_collection_that_is_typed_while_another_is_saved_stays(
    talk_page: Page, instance: Instance, talk: str
) -> None:
    page = talk_page
    field = page.get_by_label("Collection")
    save_button = page.get_by_role("button", name="Save")
    message = page.locator(".collection-message")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "PATCH":
            held.append(route)
        else:
            route.fallback()

    page.route(f"**/api/v1/assets/{talk}", hold)
    field.fill("first")
    field.press("Enter")
    field.press_sequentially(" and more")
    wait_for_routes(page, held, 1)
    expect(save_button).to_be_disabled()
    held[0].continue_()
    expect(message).to_contain_text("“first”")
    expect(field).to_have_value("first and more")
    expect(save_button).to_be_enabled()
    page.unroute_all()
    # A button that is disabled loses the focus.
    save_button.press("Enter")
    expect(message).to_contain_text("“first and more”")
    expect(field).to_be_focused()
    # It is announced once.
    assert message.get_attribute("role") is None
    field.fill("")
    field.press("Enter")
    expect(message).to_contain_text("in no collection")


def test_search_is_limited_to_a_collection(page: Page, instance: Instance, talk: str) -> None:
    page.goto(f"{instance.address}/search")
    choice = page.get_by_label("Collection")
    expect(page.get_by_label("Words or a question")).to_be_visible()
    address = f"{instance.address}/api/v1/assets/{talk}"
    headers = {"Origin": instance.address}
    page.request.patch(address, data={"collection": "money & more"}, headers=headers)
    page.goto(f"{instance.address}/search")
    choice.select_option("money & more (1)")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Search the collection “money & more”")
    page.get_by_label("Words or a question").fill("white rose climbs the wall")
    with page.expect_request("**/api/v1/search") as asked:
        page.keyboard.press("Enter")
    assert read_body(asked.value)["collection"] == ["money & more"]
    expect(page.locator("#moments .moment").first).to_contain_text("two subjects.mp4")
    assert page.url.endswith("?q=white+rose+climbs+the+wall&collection=money+%26+more")
    page.reload()
    expect(choice).to_have_value("money & more")
    expect(page.locator("#moments .moment").first).to_contain_text("two subjects.mp4")
    with page.expect_request("**/api/v1/search") as asked:
        choice.select_option("All videos")
    assert read_body(asked.value)["collection"] == []
    expect(heading).to_have_text("Search all videos")
    choice.select_option("money & more (1)")
    with page.expect_request("**/api/v1/ask") as asked:
        page.locator("#query-form").get_by_role("button", name="Ask").click()
    assert read_body(asked.value)["collections"] == ["money & more"]
    expect(page.locator(".turn .bar")).to_have_count(0)
    page.request.patch(address, data={"collection": ""}, headers=headers)


def test_collections_that_are_passed_over_are_not_searched(
    page: Page, instance: Instance, talk: str
) -> None:
    """An arrow key changes a closed list of choices at once."""
    address = f"{instance.address}/api/v1/assets/{talk}"
    headers = {"Origin": instance.address}
    page.goto(instance.address)
    page.request.patch(address, data={"collection": "money"}, headers=headers)
    page.goto(f"{instance.address}/search?q=interest")
    expect(page.get_by_label("Collection").locator("option[value=money]")).to_have_count(1)
    expect(page.locator("#moments .moment").first).to_be_visible()
    asked: list[Request] = []
    page.on("request", lambda one: asked.append(one) if one.url.endswith("/search") else None)
    visited = page.evaluate("history.length")
    with page.expect_response("**/api/v1/search") as answered:
        page.get_by_label("Collection").evaluate(
            """select => {
                for (const value of ["money", "", "money"]) {
                    select.value = value;
                    select.dispatchEvent(new Event("change", { bubbles: true }));
                }
            }"""
        )
    assert read_body(answered.value.request)["collection"] == ["money"]
    expect(page.get_by_role("heading", level=1)).to_have_text("Search the collection “money”")
    assert page.url.endswith("?q=interest&collection=money")
    assert (len(asked), page.evaluate("history.length")) == (1, visited)
    page.request.patch(address, data={"collection": ""}, headers=headers)


def test_older_answer_does_not_replace_a_newer_one(talk_page: Page) -> None:
    """Of two refreshes at a time, the later one counts; focus and scroll positions are kept."""
    page = talk_page
    held: list[Route] = []
    page.route("**/api/v1/assets/other/chapters", lambda route: held.append(route))

    def answer(at: int, title: str) -> None:
        chapters = [{"start": 10 * n, "end": 10 * n + 10, "title": title} for n in range(40)]
        moments = [{"start": 10, "end": 20, "text": title, "names": ["Ann"], "statement_count": 0}]
        reply = {"track": "speech", "comparison": "words", "key_moments": moments}
        held[at].fulfill(json={**reply, "chapters": chapters})

    def refresh() -> None:
        count = len(held)
        page.evaluate("{ window.refreshes.push(window.panel.refresh()); }")
        wait_for_routes(page, held, count + 1)

    page.evaluate(
        """async () => {
            const { ChaptersPanel } = await import("/static/chapters.js");
            const section = document.createElement("section");
            section.id = "other";
            document.querySelector("main").append(section);
            window.refreshes = [];
            window.panel = new ChaptersPanel(section, "other", { onSeek() {}, onLanes() {} });
        }"""
    )
    place = page.locator("#other")
    refresh()
    refresh()
    answer(1, "Newer")
    expect(place.locator(".chapter-title").first).to_have_text("Newer")
    answer(0, "Older")
    page.evaluate("window.refreshes[0]")
    expect(place.locator(".chapter-title").first).to_have_text("Newer")
    refresh()
    button = place.get_by_role("list", name="Key moments").get_by_role("button")
    button.focus()
    place.locator(".chapters").first.evaluate("list => { list.scrollTop = 300; }")
    answer(2, "Newest")
    page.evaluate("window.refreshes[2]")
    expect(place.locator(".chapter-title").first).to_have_text("Newest")
    expect(button).to_be_focused()
    assert place.locator(".chapters").first.evaluate("list => list.scrollTop") == 300


def test_video_is_uploaded_into_a_collection(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    page.goto(instance.address)
    page.get_by_label("Collection").fill("holidays")
    upload(page, make_own_film(tmp_path / "beach.mp4", seconds=1))
    wait_until_done(page, "beach.mp4")
    page.get_by_role("link", name="Video’s page").click()
    expect(page.get_by_label("Collection")).to_have_value("holidays")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_layout(
    page: Page,
    instance: Instance,
    talk: str,
    complaints: list[str],
    width: int,
    scheme: Literal["light", "dark"],
    tmp_path: Path,
) -> None:
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme)
    address = f"{instance.address}/api/v1/assets/{talk}"
    page.request.patch(
        address, data={"collection": "a" * 255}, headers={"Origin": instance.address}
    )
    for name, path in (
        ("asset", f"/assets/{talk}"),
        ("upload", "/"),
        ("search", "/search?q=interest&collection=" + "a" * 255),
    ):
        page.goto(instance.address + path)
        if name == "asset":
            expect(page.locator("#player video")).to_have_js_property("readyState", 4)
            expect(page.locator("#chapters li[aria-current]")).to_be_visible()
        elif name == "search":
            expect(page.locator("#moments .moment").first).to_be_visible()
        else:
            expect(page.get_by_label("Collection")).to_be_visible()
            expect(page.locator("#recent")).to_be_visible()
        check_layout(page)
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    page.request.patch(address, data={"collection": ""}, headers={"Origin": instance.address})
    assert complaints == []
