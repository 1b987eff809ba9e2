"""What the page shows when jobs change while it looks elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import Instance, OpenPage, write_captions
from .test_page import upload, wait_until_done

PAGE_ROWS = 20
CAPTIONS = [{"start_ms": 0, "end_ms": 1000, "lines": ["Hello."]}]


@pytest.fixture
def asset_id(page: Page, films: Path, instance: Instance) -> str:
    upload(page, films / "short.mp4")
    wait_until_done(page, "short.mp4")
    task_id = page.url.partition("#task=")[2]
    job = page.request.get(f"{instance.address}/api/v1/jobs/{task_id}").json()
    return str(job["asset_id"])


def create_job(page: Page, instance: Instance, asset_id: str, **request: object) -> str:
    address = f"{instance.address}/api/v1/assets/{asset_id}/jobs"
    response = page.request.post(address, data=request)
    assert response.ok, response.text()
    return str(response.json()["id"])


def test_rows_below_the_newest_page_are_updated(
    page: Page, instance: Instance, asset_id: str, open_page: OpenPage
) -> None:
    for count in range(1, PAGE_ROWS + 11):
        params = {"num_frames": count}
        create_job(page, instance, asset_id, kind="generate_preview", params=params)
    # Jobs run in order of their age: those of the second page are the first to change.
    watcher = open_page("/")
    rows = watcher.locator("#recent li")
    expect(rows).to_have_count(PAGE_ROWS)
    watcher.get_by_role("button", name="Show older").click()
    expect(watcher.locator("#recent li").nth(PAGE_ROWS + 5)).to_be_visible()
    expect(watcher.locator("#recent .badge.pending, #recent .badge.running")).to_have_count(0)


def test_job_deleted_while_its_events_cannot_be_read_is_reported(
    page: Page, instance: Instance, films: Path
) -> None:
    page.route("**/api/v1/jobs/*/events", lambda route: route.abort())
    upload(page, films / "unwanted.mp4")
    expect(page.locator("#task .bar")).to_be_visible()
    task_id = page.url.partition("#task=")[2]
    assert page.request.delete(f"{instance.address}/api/v1/jobs/{task_id}").ok
    expect(page.locator("#task .error .code")).to_have_text("job_not_found")


def test_render_with_a_timeline_too_large_for_lists_can_be_repeated(
    page: Page, instance: Instance, talk: dict[str, Any]
) -> None:
    video = talk["asset_id"]
    write_captions(page, f"{instance.address}/api/v1/assets/{video}/captions/en", CAPTIONS)
    job = {
        "clips": [{"asset_id": video, "start": 0, "end": 4}],
        # Lists leave out parameters of more than 16 KiB.
        "titles": [
            {"text": "x" * 500, "from": one / 10, "to": (one + 1) / 10} for one in range(40)
        ],
        "output": {"width": 160, "height": 90, "fps": 10},
        "captions": "en",
    }
    request = {"kind": "render_video", "params": {"job": job}}
    response = page.request.post(f"{instance.address}/api/v1/jobs", data=request)
    assert response.ok, response.text()
    page.goto(f"{instance.address}/#task={response.json()['id']}")
    wait_until_done(page, "talk.mp4")
    wanted = {"kind": "render_video", "asset_id": video}
    (listed, *_) = page.request.get(f"{instance.address}/api/v1/jobs", params=wanted).json()["jobs"]
    assert (listed["params"], listed["clipped"]) == ({}, ["params"])
    page.goto(f"{instance.address}/#task={talk['id']}")
    expect(page.get_by_role("button", name="Render again")).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator("#recent li").first).to_contain_text("talk.mp4 · render")
