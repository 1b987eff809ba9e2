"""Captions on the player, and the editor beside it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import Mill, OpenPage, write_captions
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
def captions(page: Page, mill: Mill, talk: dict[str, Any]) -> str:
    """The address of the film's captions, as they are before each test."""
    address = f"{mill.address}/assets/{talk['asset_id']}/captions/en"
    write_captions(page, address, WRITTEN)
    return address


@pytest.fixture
def editor(page: Page, mill: Mill, talk: dict[str, Any], captions: str) -> Page:
    """The page on the film, its editor filled."""
    page.goto(f"{mill.address}/#task={talk['id']}")
    expect(page.locator(".cue")).to_have_count(2)
    return page


def texts(page: Page) -> list[str]:
    found: list[str] = page.locator(".cue textarea").evaluate_all(
        "fields => fields.map((field) => field.value)"
    )
    return found


def test_captions_are_shown_and_followed_and_a_click_seeks(editor: Page) -> None:
    video = editor.locator("video")
    assert video.evaluate(SHOWN) == ["Good mourning."]
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
    editor.get_by_label("End of caption 1").fill("1.2")
    expect(editor.locator(".cue-told").first).to_have_text(
        "Write times as minutes and seconds, such as 0:04.250."
    )
    save.click()
    expect(editor.locator(".told")).to_contain_text("cannot be saved yet")
    editor.get_by_label("End of caption 1").fill("0:01,2")
    save.click()
    expect(editor.locator(".told")).to_have_text("Saved. The player shows them now.")
    expect(save).to_be_disabled()
    assert editor.locator("video").evaluate(SHOWN) == ["Good morning."]
    kept = editor.request.get(captions).json()
    assert kept["source"] == "person"
    assert kept["captions"][0] == {"start_ms": 0, "end_ms": 1200, "lines": ["Good morning."]}
    expect(editor.locator(".downloads")).to_contain_text("Captions, English, corrected (SRT)")


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
    editor.keyboard.press("Control+Backspace")
    assert texts(editor) == ["Good mourning.", "Fine."]
    editor.get_by_role("button", name="Undo").click()
    assert texts(editor) == ["Good mourning.", "How are you\ntoday?", "Fine."]
    editor.get_by_role("button", name="Discard changes").click()
    assert texts(editor) == ["Good mourning.", "How are you\ntoday?"]


def test_who_comes_second_is_told_and_chooses(editor: Page, captions: str) -> None:
    editor.get_by_label("Text of caption 1").fill("Mine")
    write_captions(editor, captions, [{**WRITTEN[0], "lines": ["Theirs"]}])
    editor.keyboard.press("Control+s")
    told = editor.locator(".told")
    expect(told).to_contain_text("changed by somebody else in the meantime")
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Theirs"]
    told.get_by_role("button", name="Put mine in their place").click()
    expect(told).to_contain_text("Saved")
    assert editor.request.get(captions).json()["captions"][0]["lines"] == ["Mine"]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_editor_fits_and_can_be_read(
    open_page: OpenPage, talk: dict[str, Any], captions: str, width: int
) -> None:
    page = open_page(f"/#task={talk['id']}", width=width, scheme="dark")
    page.get_by_label("Text of caption 1").fill("")
    expect(page.locator(".cue.wrong")).to_have_count(1)
    look_at(page)
