"""A render on the page: its timeline, and rendering again after a caption edit."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import Instance, write_captions
from .test_page import check_layout, wait_until_played

SAID = [
    {"start_ms": 0, "end_ms": 1000, "lines": ["The first."]},
    {"start_ms": 2000, "end_ms": 3000, "lines": ["The secund."]},
]


@pytest.fixture
def rendered(page: Page, instance: Instance, talk: dict[str, Any]) -> Page:
    """Return the page with a render of two scenes with burned-in captions."""
    film = talk["asset_id"]
    write_captions(page, f"{instance.address}/api/v1/assets/{film}/captions/en", SAID)
    job = {
        "clips": [
            {"asset_id": film, "start": 0, "end": 2},
            {"asset_id": film, "start": 2, "end": 4},
        ],
        "output": {"width": 160, "height": 90, "fps": 10},
        "captions": "en",
    }
    request = {"kind": "render_video", "params": {"job": job}}
    response = page.request.post(f"{instance.address}/api/v1/jobs", data=request)
    assert response.ok, response.text()
    page.goto(f"{instance.address}/#task={response.json()['id']}")
    # The timeline is shown while the job is running.
    expect(page.locator("#task .strip .clip")).to_have_count(2)
    expect(page.locator(".result .name")).to_have_text("talk.mp4")
    return page


def test_render_shows_its_timeline_and_reuses_unchanged_pieces(
    rendered: Page, instance: Instance, talk: dict[str, Any]
) -> None:
    page = rendered
    second = page.get_by_role("button", name="Clip 2: talk.mp4, 0:02 to 0:04")
    expect(page.locator(".strip .tile").first).to_be_visible()
    expect(page.locator(".subtitles li")).to_have_text(["0:00: The first.", "0:02: The secund."])
    expect(page.locator(".pieces-summary")).to_have_text("2 pieces: 2 done")
    second.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Play", exact=True).click()
    wait_until_played(page, 2.1)
    left = page.locator(".playhead").evaluate("head => parseFloat(head.style.left)")
    assert 50 < left <= 100
    page.set_viewport_size({"width": 390, "height": 844})
    check_layout(page)

    page.goto(f"{instance.address}/#task={talk['id']}")
    page.get_by_label("Text of caption 2").fill("The second.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editor-message")).to_contain_text("Saved")
    page.get_by_role("button", name="Render again").click()
    expect(page.locator(".pieces-summary")).to_have_text("2 pieces: 1 done, 1 reused")
    expect(page.locator(".took")).to_contain_text("1 of 2 pieces reused")
    expect(page.locator(".subtitles li").last).to_have_text("0:02: The second.")
