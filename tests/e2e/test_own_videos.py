"""What the page says of a damaged video, and of the same video under another name."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from tests.films import spoil

from .conftest import Instance, make_own_film, process
from .test_page import upload, wait_until_done

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    film = make_own_film(
        tmp_path_factory.mktemp("damaged") / "damaged.mkv", seconds=4, extra=["-g", "25"]
    )
    return spoil(film, stream=0, start=2.0, end=2.4)


def test_damage_is_named_and_what_is_readable_is_used(page: Page, damaged: Path) -> None:
    upload(page, damaged)
    card = page.locator("#task .error")
    expect(card.locator(".sentence")).to_contain_text("picture (stream 0) at 0:0")
    expect(card.locator(".code")).to_have_text("media_damaged")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Use what is readable").click()
    wait_until_done(page, "damaged.mkv")
    missing = page.locator(".facts tr", has_text="Missing")
    expect(missing.first).to_contain_text("picture: 0:0")
    expect(page.locator(".gaps li")).to_contain_text("Parts of the video are missing. Picture: 0:0")
    expect(page.get_by_role("button", name="Find out")).to_be_visible()


def test_damage_that_was_not_located_is_named_too(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    """Of a long film, only the beginning is looked through."""
    made = process(instance, make_own_film(tmp_path / "long.mp4", seconds=1, size=(160, 90)))
    gap = {"subject": "picture", "code": "media_truncated", "message": "It ends early.", "hint": ""}

    def add_gap(route: Route) -> None:
        answer = route.fetch()
        job = answer.json()
        job["result"]["gaps"] = [gap, {**gap, "subject": "speech"}]
        route.fulfill(response=answer, json=job)

    page.route("**/api/v1/jobs/*/status", add_gap)
    page.goto(f"{instance.address}/#task={made['id']}")
    page.reload()
    expect(page.locator(".facts tr", has_text="Missing")).to_have_text(
        "Missingpicture: It ends early."
    )


def test_same_video_under_another_name_is_found_by_it(page: Page, tmp_path: Path) -> None:
    first = make_own_film(tmp_path / "first.mp4", seconds=1)
    second = tmp_path / "second.mp4"
    second.write_bytes(first.read_bytes())
    for film in (first, second):
        upload(page, film)
        wait_until_done(page, film.name)
        page.locator("#recent li", has_text=film.name).wait_for()
    expect(page.locator("#recent li", has_text="first.mp4")).to_have_count(1)
    expect(page.locator(".facts tr", has_text="Also named")).to_contain_text("first.mp4")
    with page.expect_download() as download:
        page.get_by_role("link", name="Preview copy").click()
    assert download.value.suggested_filename == "second-proxy.mp4"
    page.get_by_role("link", name="Video’s page").click()
    expect(page.locator("#asset-name")).to_have_text("second.mp4")
