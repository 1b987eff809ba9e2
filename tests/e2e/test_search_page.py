"""Search, answers, entities and what is known of a video, on a video that was really ingested."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.model_files import link_models, without_model
from tools.samples import fetch

from cinemill.client import Client

from .conftest import Instance, make_own_film, process
from .test_page import check_layout

MODELS = (
    *("base", "centerface", "efficientnet-lite0", "imagenet-names", "nanodet"),
    *("minilm-l6-v2-int8", "en-core-web-sm", "clip-vit-b16-int8"),
)
HOSTILE = "<img src=x onerror=alert(1)>"
QUESTION = "How many years of negotiations were there?"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture(scope="module")
def speech(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the id of a speech, under a hostile name, that was ingested with real models."""
    links = link_models(instance.home / "models", *MODELS)
    film = tmp_path_factory.mktemp("speech") / f"{HOSTILE}.mp4"
    shutil.copy(fetch("obama_speech"), film)
    yield ingest(instance, film)
    for link in links:
        link.unlink()


def ingest(instance: Instance, film: Path) -> str:
    """Upload the video, ingest it whole, and return its id."""
    asset_id = str(process(instance, film)["asset_id"])
    started = httpx.post(
        f"{instance.address}/api/v1/assets/{asset_id}/ingestions",
        headers={"Authorization": f"Bearer {instance.token}"},
        json={"profile": "full"},
    )
    with Client(instance.address, instance.token) as client:
        for _ in client.watch(started.json()["id"]):
            pass
        assert client.job(started.json()["id"])["status"] == "completed"
    return asset_id


@pytest.fixture
def page(reused_page: Page, instance: Instance, speech: str) -> Page:
    reused_page.goto(f"{instance.address}/search")
    return reused_page


def search(page: Page, words: str) -> Locator:
    """Search, and return the moments."""
    page.get_by_label("Words or a question").fill(words)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#found")).not_to_have_attribute("aria-busy", "true")
    return page.locator("#moments .moment")


def ask(page: Page, question: str) -> Locator:
    """Ask, and return the last turn once it has been answered."""
    page.get_by_label("Words or a question").fill(question)
    page.locator("#query-form").get_by_role("button", name="Ask").click()
    return wait_for_answer(page)


def wait_for_answer(page: Page) -> Locator:
    turn = page.locator(".turn").last
    expect(turn.locator(".bar")).to_have_count(0)
    return turn


def test_moments_mark_words_play_and_lead_to_their_time(page: Page, speech: str) -> None:
    moment = search(page, "years of negotiation").first
    expect(moment.locator("mark").first).to_be_visible()
    assert "negotiations" in moment.locator("mark").all_inner_texts()
    expect(moment.locator(".moment-clock")).to_have_text(re.compile(r"^\d+:\d\d–\d+:\d\d$"))
    picture = moment.locator("img")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0
    before = moment.bounding_box()
    moment.hover()
    playing = moment.locator("video")
    expect(playing).to_have_js_property("muted", True)
    expect(playing).to_have_js_property("paused", False)
    assert moment.bounding_box() == before
    page.mouse.move(0, 0)
    expect(playing).to_have_count(0)
    address = str(moment.locator("a").get_attribute("href"))
    moment.locator("a").focus()
    expect(playing).to_have_js_property("paused", False)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address}")
    assert f"/assets/{speech}?t=" in address
    seconds = float(address.partition("?t=")[2])
    page.wait_for_function(
        "seconds => Math.abs(document.querySelector('#player video')?.currentTime - seconds) < 0.1",
        arg=seconds,
    )


def test_moment_of_one_frame_plays_for_longer(page: Page) -> None:
    def shorten(route: Route) -> None:
        response = route.fetch()
        found = response.json()
        found["hits"][0] |= {"start": 5.0, "end": 5.04}
        route.fulfill(response=response, json=found)

    page.route("**/api/v1/search", shorten)
    search(page, "negotiations").first.hover()
    page.wait_for_function("() => document.querySelector('.moment video')?.currentTime > 6.2")


def test_search_is_in_the_address(page: Page, instance: Instance) -> None:
    search(page, "negotiations")
    assert page.url == f"{instance.address}/search?q=negotiations"
    page.reload()
    expect(page.locator("#moments .moment").first).to_be_visible()
    expect(page.get_by_label("Words or a question")).to_have_value("negotiations")
    page.go_back()
    expect(page.locator("#found")).to_be_hidden()


def test_nothing_found_is_said_with_the_nearest_moments(page: Page) -> None:
    search(page, "quantum chromodynamics lattice")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    expect(page.locator("#found-words")).to_contain_text("nearest")


def test_hostile_text_is_shown_as_text(page: Page) -> None:
    moment = search(page, f"negotiations {HOSTILE}").first
    expect(moment.locator(".moment-title")).to_have_text(f"{HOSTILE}.mp4")
    turn = ask(page, f"{HOSTILE} {QUESTION}")
    expect(turn.get_by_role("heading")).to_have_text(f"{HOSTILE} {QUESTION}")
    assert page.locator("[onerror]").count() == 0


def test_answer_is_quoted_and_its_citations_play(page: Page) -> None:
    turn = ask(page, QUESTION)
    expect(turn.locator(".answer")).to_contain_text("two years of negotiations")
    expect(turn).to_contain_text("Quoted: sentences from the videos")
    turn.get_by_role("button", name="Play moment 1").first.click()
    moment = turn.locator(".moment").first
    expect(moment.locator("a")).to_be_focused()
    expect(moment.locator("video")).to_have_js_property("paused", False)
    page.get_by_label("The next question").fill("And who achieved it?")
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(2)
    wait_for_answer(page)
    with page.expect_request("**/api/v1/ask") as asked:
        page.get_by_label("The next question").fill("When?")
        page.keyboard.press("Enter")
    assert json.loads(asked.value.post_data or "{}")["conversation_id"]
    wait_for_answer(page)


def test_next_question_can_be_typed_while_an_answer_is_written(page: Page) -> None:
    ask(page, QUESTION)
    held: list[Route] = []
    page.route("**/api/v1/ask", lambda route: held.append(route))
    field = page.get_by_label("The next question")
    field.fill("And who achieved it?")
    with page.expect_request("**/api/v1/ask"):
        page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(2)
    expect(field).to_have_value("")
    field.fill("When was")
    held[0].continue_()
    wait_for_answer(page)
    expect(field).to_have_value("When was")
    page.unroute("**/api/v1/ask")


def test_question_whose_answer_failed_can_be_asked_again(page: Page) -> None:
    ask(page, QUESTION)
    page.route("**/api/v1/ask", lambda route: route.fulfill(status=429, json=refusal()))
    field = page.get_by_label("The next question")
    field.fill("And who achieved it?")
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last).to_contain_text("Too many searches.")
    expect(field).to_have_value("And who achieved it?")
    page.unroute("**/api/v1/ask")


def test_abstention_is_said(page: Page) -> None:
    turn = ask(page, "Which lattice does quantum chromodynamics use?")
    expect(turn).to_contain_text("No answer.")
    expect(turn.locator(".answer p")).to_have_count(0)


def test_refusal_is_shown(page: Page) -> None:
    page.route("**/api/v1/search", lambda route: route.fulfill(status=429, json=refusal()))
    search(page, "negotiations")
    expect(page.locator("#found-words")).to_contain_text("Too many searches. Wait. (busy)")


def refusal() -> dict[str, Any]:
    return {"code": "busy", "detail": "Too many searches.", "hint": "Wait.", "status": 429}


@pytest.fixture
def asset_page(page: Page, instance: Instance, speech: str) -> Page:
    page.goto(f"{instance.address}/assets/{speech}")
    expect(page.locator("#player video")).to_have_js_property("readyState", 4)
    return page


def test_lanes_show_what_was_found(asset_page: Page) -> None:
    page = asset_page
    for name in ("Shots", "Text in the picture", "Faces", "Sounds"):
        expect(page.get_by_role("slider", name=name)).to_be_visible()
    lane = page.get_by_role("slider", name="Text in the picture")
    lane.press("End")
    expect(lane).to_have_attribute("aria-valuetext", re.compile("PRESIDENT OBAMA"))
    expect(page.locator("#known")).to_contain_text("Search finds this video by")
    expect(page.locator(".gaps")).to_have_count(0)


def test_unknown_video_is_ingested_from_its_page_and_its_gaps_are_named(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    asset_id = process(instance, make_own_film(tmp_path / "new.mp4", seconds=3))["asset_id"]
    page.goto(f"{instance.address}/assets/{asset_id}")
    known = page.locator("#known")
    expect(known).to_contain_text("Nothing is known yet")
    with without_model(instance.home / "models", "centerface"):
        known.get_by_label("How much to find out").select_option("standard")
        known.get_by_role("button", name="Ingest").click()
        expect(known).to_contain_text("This video is being ingested")
        expect(known.locator(".gaps")).to_contain_text("cinemill models fetch centerface")
    expect(page.get_by_role("slider", name="Shots")).to_be_visible()
    known.get_by_role("button", name="Ingest again").click()
    expect(known.locator(".gaps")).to_have_count(0)


def find_entity(page: Page, instance: Instance, name: str) -> str:
    found = page.request.get(f"{instance.address}/api/v1/entities", params={"name": name})
    return str(found.json()["entities"][0]["id"])


def test_entity_has_relations_with_evidence_and_moments(page: Page, instance: Instance) -> None:
    page.goto(f"{instance.address}/entities/{find_entity(page, instance, 'United States')}")
    expect(page.get_by_role("heading", level=1)).to_have_text("United States")
    expect(page.locator("#moments .moment").first).to_contain_text("United States")
    relation = page.locator("#relations li", has_text="achieve").first
    relation.locator("summary").click()
    expect(relation.locator(".moment").first).to_contain_text("has achieved something")
    counted = int(relation.locator("summary").inner_text().split()[0])
    expect(relation.locator(".moment")).to_have_count(counted)
    href = relation.locator("p a").get_attribute("href")
    relation.locator("p a").click()
    page.wait_for_url(f"**{href}")
    expect(page.locator("#relations li").first).to_contain_text("United States")


def test_unknown_entity_is_said(page: Page, instance: Instance) -> None:
    page.goto(f"{instance.address}/entities/{HOSTILE}")
    expect(page.get_by_role("heading", name="This entity does not exist")).to_be_visible()
    assert page.locator("[onerror]").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_layout(
    page: Page,
    instance: Instance,
    speech: str,
    width: int,
    scheme: Literal["light", "dark"],
    tmp_path: Path,
) -> None:
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme)
    check_layout(page)
    search(page, "two years of negotiations with our international partners")
    expect(page.locator("#moments img").first).to_have_js_property("complete", True)
    check_layout(page)
    page.screenshot(path=tmp_path / "search.png", full_page=True)
    ask(page, QUESTION)
    check_layout(page)
    page.screenshot(path=tmp_path / "answer.png", full_page=True)
    page.goto(f"{instance.address}/entities/{find_entity(page, instance, 'United States')}")
    expect(page.locator("#moments img").first).to_have_js_property("complete", True)
    check_layout(page)
    page.screenshot(path=tmp_path / "entity.png", full_page=True)
    page.goto(f"{instance.address}/assets/{speech}?t=2")
    expect(page.locator("#player video")).to_have_js_property("readyState", 4)
    expect(page.locator("#known")).to_contain_text("Search finds")
    check_layout(page)
    page.screenshot(path=tmp_path / "asset.png", full_page=True)
