"""Sound alone on the page: its upload, player, captions and facts, until it is deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.audio_files import make_sound
from tests.waiting import PATIENCE_SECONDS

from .conftest import Instance, OpenPage, process, write_captions
from .test_page import check_layout, upload, wait_until_done

WORDS = [{"start_ms": 0, "end_ms": 2000, "lines": ["A tone."]}]


@pytest.fixture(scope="module")
def tone(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the finished job of a sound of four seconds."""
    path = make_sound(tmp_path_factory.mktemp("sound") / "tone.mp3", seconds=4, hertz=523)
    return process(instance, path)


def has_loaded(page: Page, seconds: float) -> None:
    for _ in range(int(10 * PATIENCE_SECONDS)):
        duration = page.locator("audio").evaluate("audio => audio.duration")
        if duration and abs(duration - seconds) < 0.2:
            return
        page.wait_for_timeout(100)
    pytest.fail("the sound was not loaded")


def test_uploaded_sound_is_shown_as_sound(page: Page, tmp_path: Path) -> None:
    upload(page, make_sound(tmp_path / "hum.wav", seconds=2, hertz=110))
    wait_until_done(page, "hum.wav")
    result = page.locator("#task .result")
    has_loaded(page, 2)
    expect(result.locator("video")).to_have_count(0)
    assert result.locator(".wave img").evaluate("image => image.naturalWidth") > 0
    expect(result.locator(".facts-title")).to_have_text("Sound")
    expect(result.locator(".facts")).not_to_contain_text("Resolution")
    expect(result.locator(".facts tr", has_text="Container")).to_contain_text("WAV")
    expect(result.get_by_role("link", name="Waveform")).to_be_visible()
    lane = result.locator(".wave").bounding_box()
    assert lane
    page.mouse.click(lane["x"] + lane["width"] / 2, lane["y"] + 20)
    now = page.locator("audio").evaluate("audio => audio.currentTime")
    assert abs(now - 1) < 0.2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_of_a_sound_fits(
    open_page: OpenPage, instance: Instance, tone: dict[str, Any], width: int, scheme: str
) -> None:
    page = open_page(f"/assets/{tone['asset_id']}", width=width, scheme=scheme)
    has_loaded(page, 4)
    expect(page.locator("#facts-title")).to_have_text("Sound")
    for name in ("analysis", "boxes-choice", "lanes-help"):
        expect(page.locator(f"#{name}")).to_be_hidden()
    expect(page.locator("#origin-title")).to_have_text("Origin")
    check_layout(page)


def test_captions_of_a_sound_are_shown_over_it(
    page: Page, instance: Instance, tone: dict[str, Any]
) -> None:
    address = f"{instance.address}/api/v1/assets/{tone['asset_id']}/captions/en"
    write_captions(page, address, WORDS)
    page.goto(f"{instance.address}/#task={tone['id']}")
    page.reload()
    has_loaded(page, 4)
    page.locator("audio").evaluate("audio => { audio.currentTime = 1; }")
    expect(page.locator(".wave-caption")).to_have_text("A tone.")
    page.locator("audio").evaluate("audio => { audio.currentTime = 3; }")
    expect(page.locator(".wave-caption")).to_have_text("")


def test_sound_is_listed_and_null_where_a_picture_would_be(
    page: Page, instance: Instance, tone: dict[str, Any]
) -> None:
    asset = page.request.get(f"{instance.address}/api/v1/assets/{tone['asset_id']}").json()
    assert asset["media"]["video"] is None
    listed = page.request.get(f"{instance.address}/api/v1/assets").json()["assets"]
    assert tone["asset_id"] in [one["id"] for one in listed]
    files = {one["kind"]: one for one in asset["artifacts"]}
    served = page.request.get(instance.address + files["proxy"]["url"])
    assert served.headers["content-type"] == "audio/mp4"
    source = page.request.get(instance.address + asset["source_url"])
    assert source.headers["content-type"] == "audio/mpeg"


def test_sound_is_deleted_with_all_that_was_made_of_it(
    page: Page, instance: Instance, tone: dict[str, Any]
) -> None:
    address = f"{instance.address}/api/v1/assets/{tone['asset_id']}"
    asset = page.request.get(address).json()
    assert page.request.delete(address).status in (202, 204)
    for _ in range(int(10 * PATIENCE_SECONDS)):
        if page.request.get(address).status == 404:
            break
        page.wait_for_timeout(100)
    assert page.request.get(instance.address + asset["artifacts"][0]["url"]).status == 404


@pytest.mark.parametrize("width", [390, 1280])
def test_drop_zone_beside_a_result_is_low(
    open_page: OpenPage, instance: Instance, talk: dict[str, Any], width: int
) -> None:
    page = open_page(width=width)
    page.goto(f"{instance.address}/#task={talk['id']}")
    expect(page.locator("#task .result")).to_be_visible()
    zone = page.locator("#drop")
    expect(zone).to_have_class("drop small")
    title = page.locator("#drop-title").bounding_box()
    box = zone.bounding_box()
    assert title
    assert box
    assert title["height"] < 30  # one line
    assert box["height"] < (110 if width == 1280 else 330)
    check_layout(page)
