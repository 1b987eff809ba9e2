"""Captions in the player, and the editor next to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.waiting import PATIENCE_SECONDS

from .conftest import Instance, OpenPage, write_captions
from .test_page import check_layout, wait_until_played

WRITTEN = [
    {"start_ms": 0, "end_ms": 1000, "lines": ["Good mourning."]},
    {"start_ms": 1500, "end_ms": 3000, "lines": ["How are you", "today?"]},
]
SHOWN = """
async (video) => {
  // The poster hides captions at the very beginning.
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
    """Reset the video's captions and return their address."""
    address = f"{instance.address}/api/v1/assets/{talk['asset_id']}/captions/en"
    write_captions(page, address, WRITTEN)
    return address


@pytest.fixture
def editor(page: Page, instance: Instance, talk: dict[str, Any], captions: str) -> Page:
    """Return the page showing the video, with its captions in the editor."""
    page.goto(f"{instance.address}/#task={talk['id']}")
    expect(page.locator(".cue")).to_have_count(2)
    return page


@pytest.fixture
def in_cantonese(page: Page, captions: str) -> Iterator[str]:
    """Add captions in a second language with a long name, and yield their address."""
    address = captions.removesuffix("/en") + "/zh-Hant-HK"
    write_captions(page, address, [{**WRITTEN[0], "lines": ["早晨"]}])
    yield address
    assert page.request.delete(address, headers={"If-Match": "*"}).ok


def hold(page: Page, address: str, method: str) -> list[Route]:
    """Intercept requests and return the list of them, which grows as they arrive."""
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


def test_captions_are_shown_and_highlighted_and_a_click_seeks(editor: Page) -> None:
    video = editor.locator("video")
    assert video.evaluate(SHOWN) == ["Good mourning."]
    # Slow playback, so that the caption is still shown when it is checked on a busy machine.
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


def test_caption_edit_is_saved_and_shown_at_once(editor: Page, captions: str) -> None:
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
    expect(editor.locator(".editor-message")).to_contain_text("cannot be saved yet")
    end.fill("0:01,2")
    save.press("Enter")
    expect(editor.locator(".editor-message")).to_have_text(
        "Saved. The player shows the new captions."
    )
    expect(save).to_be_disabled()
    expect(editor.get_by_label("Text of caption 1")).to_be_focused()
    assert editor.locator("video").evaluate(SHOWN) == ["Good morning."]
    kept = editor.request.get(captions).json()
    assert kept["source"] == "person"
    saved = {"start_ms": 0, "end_ms": 1200, "lines": ["Good morning."], "speaker": ""}
    assert kept["captions"][0] == saved
    expect(editor.locator(".downloads")).to_contain_text("Captions, English, edited (SRT)")


def test_caption_editor_keyboard_shortcuts(editor: Page) -> None:
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
    expect(editor.locator(".cue-message").last).to_contain_text("no text")
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
    # Typed text is also undone and redone step by step.
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
    # Without a player, a new caption is added after the existing ones.
    script = "import('/static/cues.js').then(({ findGap }) => findGap([], -1, -1).cue.start)"
    assert editor.evaluate(script) == 0


def test_caption_edits_during_a_save_are_kept_without_a_conflict(
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
    expect(editor.locator(".editor-message")).to_have_text(
        "Saved, except for edits made while saving."
    )
    assert texts(editor) == ["Good morning.", "How are you\ntoday?"]
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Good"]
    editor.unroute(captions)
    editor.get_by_role("button", name="Split").press("Control+s")
    expect(editor.locator(".editor-message")).to_have_text(
        "Saved. The player shows the new captions."
    )
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Good morning."]


def test_caption_languages_can_be_switched_while_loading(
    page: Page, instance: Instance, talk: dict[str, Any], in_cantonese: str
) -> None:
    page.goto(f"{instance.address}/#task={talk['id']}")
    expect(page.locator(".cue")).to_have_count(2)
    held = hold(page, in_cantonese, "GET")
    language = page.get_by_label("Language of the captions")
    language.select_option("zh-Hant-HK")
    language.select_option("en")
    expect(page.locator(".cue")).to_have_count(2)
    wait_until_held(page, held)
    with page.expect_response(in_cantonese):
        held[0].continue_()
    page.wait_for_timeout(100)
    assert texts(page) == ["Good mourning.", "How are you\ntoday?"]


def test_caption_conflict_offers_a_choice(editor: Page, captions: str) -> None:
    editor.get_by_label("Text of caption 1").fill("Mine")
    write_captions(editor, captions, [{**WRITTEN[0], "lines": ["Theirs"]}])
    editor.keyboard.press("Control+s")
    message = editor.locator(".editor-message")
    expect(message).to_contain_text("changed these captions in the meantime")
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Theirs"]
    message.get_by_role("button", name="Replace with mine").click()
    expect(message).to_contain_text("Saved")
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Mine"]


def test_caption_draft_is_kept_when_someone_else_saves(editor: Page, captions: str) -> None:
    editor.get_by_label("Text of caption 1").fill("Mine")
    address = editor.url
    editor.goto(address.partition("#")[0] + "#")
    expect(editor.locator(".cue")).to_have_count(0)
    write_captions(editor, captions, [{**WRITTEN[0], "lines": ["Theirs"]}])
    editor.goto(address)
    message = editor.locator(".editor-message")
    expect(message).to_contain_text("Which version do you want to keep?")
    assert texts(editor)[0] == "Mine"
    message.get_by_role("button", name="Load their version").click()
    expect(message).to_be_empty()
    assert texts(editor) == ["Theirs"]


@pytest.mark.parametrize("width", [390, 1280])
def test_caption_editor_fits_and_has_enough_contrast(
    open_page: OpenPage, talk: dict[str, Any], in_cantonese: str, width: int
) -> None:
    page = open_page(f"/#task={talk['id']}", width=width, scheme="dark")
    page.get_by_label("Text of caption 1").fill("")
    expect(page.get_by_role("button", name="Mute")).to_be_visible()
    expect(page.locator(".cue.wrong")).to_have_count(1)
    check_layout(page)
