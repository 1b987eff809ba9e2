"""Captions on the player, and the editor beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.waiting import PATIENCE_SECONDS

from .conftest import Instance, OpenPage, write_captions
from .test_page import look_at, wait_until_played

WRITTEN = [
    {"start_ms": 0, "end_ms": 1000, "lines": ["Good mourning."]},
    {"start_ms": 1500, "end_ms": 3000, "lines": ["How are you", "today?"]},
]
SHOWN = """
async (video) => {
  // A poster hides the captions of the first moment.
  video.currentTime = Math.max(0.5, video.currentTime);
  const moment = () => [...video.textTracks].filter(({ mode }) => mode === "showing")
    .flatMap(({ activeCues }) => [...(activeCues ?? [])].map(({ text }) => text));
  for (let tries = 0; tries < 100 && !moment().length; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return moment();
}
"""


@pytest.fixture
def captions(page: Page, instance: Instance, talk: dict[str, Any]) -> str:
    """The address of the film's captions, as they are before each test."""
    address = f"{instance.address}/api/v1/assets/{talk['asset_id']}/captions/en"
    write_captions(page, address, WRITTEN)
    return address


@pytest.fixture
def editor(page: Page, instance: Instance, talk: dict[str, Any], captions: str) -> Page:
    """The page on the film, its editor filled."""
    page.goto(f"{instance.address}/#task={talk['id']}")
    expect(page.locator(".cue")).to_have_count(2)
    return page


@pytest.fixture
def in_cantonese(page: Page, captions: str) -> Iterator[str]:
    """The address of the same film's captions in a second language, which has a long name."""
    address = captions.removesuffix("/en") + "/zh-Hant-HK"
    write_captions(page, address, [{**WRITTEN[0], "lines": ["早晨"]}])
    yield address
    assert page.request.delete(address, headers={"If-Match": "*"}).ok


def hold(page: Page, address: str, method: str) -> list[Route]:
    """Requests that wait until the test lets them go on; the list grows as they come."""
    held: list[Route] = []

    def take(route: Route) -> None:
        if route.request.method == method:
            held.append(route)
        else:
            route.continue_()

    page.route(address, take)
    return held


def wait_until_held(page: Page, held: list[Route]) -> None:
    for _ in range(int(10 * PATIENCE_SECONDS)):
        if held:
            return
        page.wait_for_timeout(100)
    pytest.fail("nothing was sent")


def texts(page: Page) -> list[str]:
    found: list[str] = page.locator(".cue textarea").evaluate_all(
        "fields => fields.map((field) => field.value)"
    )
    return found


def test_captions_are_shown_and_followed_and_a_click_seeks(editor: Page) -> None:
    video = editor.locator("video")
    assert video.evaluate(SHOWN) == ["Good mourning."]
    # So slowly that the caption is still there when it is asked for, however busy the machine.
    video.evaluate("video => { video.playbackRate = 0.25; }")
    editor.get_by_role("button", name="Play from caption 2").click()
    wait_until_played(editor, 1.4)
    assert video.evaluate(SHOWN) == ["How are you\ntoday?"]
    expect(editor.locator(".cue[aria-current]")).to_contain_text("2")
    captions = editor.get_by_role("button", name="Captions: English")
    captions.click()
    expect(editor.get_by_role("button", name="Captions: off")).to_have_attribute(
        "aria-pressed", "false"
    )
    assert video.evaluate("video => video.textTracks[0].mode") == "disabled"


def test_a_correction_is_saved_and_shown_at_once(editor: Page, captions: str) -> None:
    save = editor.get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    editor.get_by_label("Text of caption 1").fill("Good morning.")
    end = editor.get_by_label("End of caption 1")
    expect(end).to_have_attribute("aria-invalid", "false")
    end.fill("1.2")
    expect(end).to_have_attribute("aria-invalid", "true")
    expect(end).to_have_accessible_description(
        "Enter times as minutes and seconds, such as 0:04.250."
    )
    save.click()
    expect(editor.locator(".told")).to_contain_text("cannot be saved yet")
    end.fill("0:01,2")
    save.press("Enter")
    expect(editor.locator(".told")).to_have_text("Saved. The player shows the new captions.")
    expect(save).to_be_disabled()
    expect(editor.get_by_label("Text of caption 1")).to_be_focused()
    assert editor.locator("video").evaluate(SHOWN) == ["Good morning."]
    kept = editor.request.get(captions).json()
    assert kept["source"] == "person"
    assert kept["captions"][0] == {"start_ms": 0, "end_ms": 1200, "lines": ["Good morning."]}
    expect(editor.locator(".downloads")).to_contain_text("Captions, English, edited (SRT)")


def test_the_keyboard_splits_joins_adds_deletes_and_undoes(editor: Page) -> None:
    editor.get_by_label("Text of caption 2").focus()
    editor.keyboard.press("Control+Home")
    for _ in range(len("How are")):
        editor.keyboard.press("ArrowRight")
    editor.keyboard.press("Control+Enter")
    assert texts(editor) == ["Good mourning.", "How are", "you\ntoday?"]
    expect(editor.get_by_label("Text of caption 3")).to_be_focused()
    editor.keyboard.press("Alt+ArrowUp")
    editor.get_by_role("button", name="Merge with next").click()
    assert texts(editor) == ["Good mourning.", "How are you\ntoday?"]
    editor.get_by_role("button", name="Add").click()
    expect(editor.locator(".cue-told").last).to_contain_text("no text")
    editor.keyboard.type("Fine.")
    editor.keyboard.press("Alt+ArrowUp")
    editor.keyboard.press("Control+End")
    editor.keyboard.press("Control+Backspace")
    editor.keyboard.press("Control+Backspace")
    assert texts(editor) == ["Good mourning.", "How are you\n", "Fine."]
    editor.keyboard.press("Control+Shift+Backspace")
    assert texts(editor) == ["Good mourning.", "Fine."]
    undo = editor.get_by_role("button", name="Undo")
    undo.click()
    assert texts(editor) == ["Good mourning.", "How are you\n", "Fine."]
    # What was written goes step by step as well, and comes again.
    undo.click()
    assert texts(editor) == ["Good mourning.", "How are you\ntoday?", "Fine."]
    undo.click()
    assert texts(editor) == ["Good mourning.", "How are you\ntoday?", ""]
    editor.get_by_role("button", name="Redo").click()
    assert texts(editor) == ["Good mourning.", "How are you\ntoday?", "Fine."]
    editor.get_by_role("button", name="Discard changes").click()
    assert texts(editor) == ["Good mourning.", "How are you\ntoday?"]
    editor.get_by_label("Text of caption 1").focus()
    editor.keyboard.press("Control+Shift+Backspace")
    editor.keyboard.press("Control+Shift+Backspace")
    expect(editor.get_by_role("button", name="Add")).to_be_focused()
    # Where there is no player, no moment is free: it comes behind what is there.
    room = "import('/static/cues.js').then(({ findRoom }) => findRoom([], -1, -1).cue.start)"
    assert editor.evaluate(room) == 0


def test_what_is_written_during_a_save_stays_and_nobody_conflicts_with_themselves(
    editor: Page, captions: str
) -> None:
    text = editor.get_by_label("Text of caption 1")
    held = hold(editor, captions, "PUT")
    text.fill("Good")
    editor.keyboard.press("Control+s")
    editor.keyboard.type(" morning.")
    editor.get_by_role("button", name="Split").press("Control+s")
    wait_until_held(editor, held)
    editor.wait_for_timeout(100)
    (sent,) = held
    sent.continue_()
    expect(editor.locator(".told")).to_have_text("Saved, except for edits made while saving.")
    assert texts(editor) == ["Good morning.", "How are you\ntoday?"]
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Good"]
    editor.unroute(captions)
    editor.get_by_role("button", name="Split").press("Control+s")
    expect(editor.locator(".told")).to_have_text("Saved. The player shows the new captions.")
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Good morning."]


def test_each_language_stands_under_its_own_name(
    page: Page, instance: Instance, talk: dict[str, Any], in_cantonese: str
) -> None:
    page.goto(f"{instance.address}/#task={talk['id']}")
    expect(page.locator(".cue")).to_have_count(2)
    held = hold(page, in_cantonese, "GET")
    tongue = page.get_by_label("Language of the captions")
    tongue.select_option("zh-Hant-HK")
    tongue.select_option("en")
    expect(page.locator(".cue")).to_have_count(2)
    wait_until_held(page, held)
    with page.expect_response(in_cantonese):
        held[0].continue_()
    page.wait_for_timeout(100)
    assert texts(page) == ["Good mourning.", "How are you\ntoday?"]


def test_who_comes_second_is_told_and_chooses(editor: Page, captions: str) -> None:
    editor.get_by_label("Text of caption 1").fill("Mine")
    write_captions(editor, captions, [{**WRITTEN[0], "lines": ["Theirs"]}])
    editor.keyboard.press("Control+s")
    told = editor.locator(".told")
    expect(told).to_contain_text("changed these captions in the meantime")
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Theirs"]
    told.get_by_role("button", name="Replace with mine").click()
    expect(told).to_contain_text("Saved")
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Mine"]


def test_a_draft_outlasts_what_somebody_else_saves(editor: Page, captions: str) -> None:
    editor.get_by_label("Text of caption 1").fill("Mine")
    address = editor.url
    editor.goto(address.partition("#")[0] + "#")
    expect(editor.locator(".cue")).to_have_count(0)
    write_captions(editor, captions, [{**WRITTEN[0], "lines": ["Theirs"]}])
    editor.goto(address)
    told = editor.locator(".told")
    expect(told).to_contain_text("Which version do you want to keep?")
    assert texts(editor)[0] == "Mine"
    told.get_by_role("button", name="Load their version").click()
    expect(told).to_be_empty()
    assert texts(editor) == ["Theirs"]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_editor_fits_and_can_be_read(
    open_page: OpenPage, talk: dict[str, Any], in_cantonese: str, width: int
) -> None:
    page = open_page(f"/#task={talk['id']}", width=width, scheme="dark")
    page.get_by_label("Text of caption 1").fill("")
    expect(page.get_by_role("button", name="Mute")).to_be_visible()
    expect(page.locator(".cue.wrong")).to_have_count(1)
    look_at(page)
