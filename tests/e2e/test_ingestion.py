"""What is in a video, from the page: chosen at the upload, and shown with what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.model_files import link_models, without_model

from .conftest import Instance, OpenPage, make_own_film, process
from .test_page import LOW_CONTRAST_TEXTS, upload, wait_until_done

MODELS = (
    *("centerface", "efficientnet-lite0", "imagenet-names"),
    *("minilm-l6-v2-int8", "en-core-web-sm"),
)


@pytest.fixture(autouse=True)
def models(instance: Instance) -> Iterator[None]:
    """Give the server models that a silent video needs, for these tests alone."""
    links = link_models(instance.home / "models", *MODELS)
    yield
    for link in links:
        link.unlink(missing_ok=True)


def make_silent_film(path: Path) -> Path:
    return make_own_film(path, seconds=2, size=(320, 180), has_sound=False)


def read_shown_job(page: Page, instance: Instance) -> dict[str, Any]:
    task_id = page.url.partition("#task=")[2]
    job: dict[str, Any] = page.request.get(f"{instance.address}/api/v1/jobs/{task_id}").json()
    return job


def test_profile_chosen_at_the_upload_shows_what_was_found(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    expect(page.locator("#profile-words")).to_contain_text("You can do so later.")
    page.get_by_label("Find out what is in it").select_option("Quick")
    expect(page.locator("#profile-words")).to_contain_text("Shots, key frames and speech.")
    upload(page, make_silent_film(tmp_path / "quick.mp4"))
    wait_until_done(page, "quick.mp4")
    assert read_shown_job(page, instance)["params"] == {"profile": "quick"}
    expect(page.locator(".found h3")).to_have_text("What is in it")
    expect(page.locator(".counts")).to_contain_text("1 shot")
    expect(page.locator(".gaps")).to_have_count(0)
    expect(page.locator("#recent")).to_contain_text("quick.mp4 · what is in it")


def test_gap_is_named_with_its_hint_and_closed_by_trying_again(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    with without_model(instance.home / "models", "centerface"):
        page.get_by_label("Find out what is in it").select_option("Standard")
        upload(page, make_silent_film(tmp_path / "gap.mp4"))
        wait_until_done(page, "gap.mp4")
    expect(page.locator(".gaps li")).to_have_count(1)
    expect(page.locator(".gaps")).to_contain_text("Faces could not be found out.")
    expect(page.locator(".gaps")).to_contain_text("cinemill models fetch centerface")
    page.get_by_role("button", name="Try again").click()
    wait_until_done(page, "gap.mp4")
    expect(page.locator(".gaps")).to_have_count(0)
    expect(page.locator(".counts")).to_contain_text("0 faces")


def test_video_is_found_out_about_next_to_another_output_and_later(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    page.get_by_label("Output", exact=True).select_option("Mobile")
    page.get_by_label("Find out what is in it").select_option("Quick")
    upload(page, make_silent_film(tmp_path / "both.mp4"))
    wait_until_done(page, "both.mp4")
    job = read_shown_job(page, instance)
    assert job["kind"] == "transcode"
    known = page.request.get(f"{instance.address}/api/v1/assets/{job['asset_id']}/ingestions")
    assert [one["params"] for one in known.json()["ingestions"]] == [{"profile": "quick"}]

    plain = process(instance, make_silent_film(tmp_path / "plain.mp4"))
    page.goto(f"{instance.address}/#task={plain['id']}")
    expect(page.locator(".found")).to_contain_text("Nothing was looked for yet.")
    page.get_by_label("Find out more").select_option("Quick")
    page.get_by_role("button", name="Find out", exact=True).click()
    wait_until_done(page, "plain.mp4")
    expect(page.locator(".counts")).to_contain_text("1 shot")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_choice_and_result_fit_a_phone_in_both_schemes(
    open_page: OpenPage, instance: Instance, tmp_path: Path, scheme: str
) -> None:
    film = make_silent_film(tmp_path / f"a rather long name of a video in {scheme}.mp4")
    with without_model(instance.home / "models", "centerface"):
        job = process(instance, film, params={"profile": "standard"})
    page = open_page(width=390, height=844, scheme=scheme)
    for path in ("/", f"/#task={job['id']}"):
        page.goto(instance.address + path)
        if "task" in path:
            expect(page.locator(".gaps li")).to_have_count(1)
        select = page.get_by_label("Find out what is in it")
        expect(select).to_be_visible()
        box = select.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(LOW_CONTRAST_TEXTS) == []
