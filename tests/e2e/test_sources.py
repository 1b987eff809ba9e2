"""Which file of a video the page plays: the original where the browser can, else the best other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.waiting import PATIENCE_SECONDS

from .conftest import Instance, OpenPage, make_own_film, process

H264 = ("-c:v", "libx264", "-preset", "ultrafast")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
SIZE = (640, 360)


@pytest.fixture
def page(reused_page: Page) -> Page:
    return reused_page


@pytest.fixture(scope="module")
def show(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    """Return a function that uploads a video as the page does and returns its finished job."""
    folder = tmp_path_factory.mktemp("sources")

    def upload(name: str, **more: Any) -> dict[str, Any]:
        return process(instance, make_own_film(folder / name, seconds=3, size=SIZE, **more))

    return upload


@pytest.fixture(scope="module")
def plain(show: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return show("plain.mp4")


def open_result(page: Page, instance: Instance, job: dict[str, Any]) -> Locator:
    page.goto(f"{instance.address}/#task={job['id']}")
    page.reload()
    return page.locator(".plays")


def read_width(page: Page) -> int:
    """Return the width of the picture that plays, once there is one."""
    for _ in range(int(10 * PATIENCE_SECONDS)):
        if width := page.locator("video").evaluate("video => video.videoWidth"):
            return int(width)
        page.wait_for_timeout(100)
    pytest.fail("there is no picture")


def read_choice(plays: Locator) -> str:
    """Return the words of the file that plays."""
    return str(plays.locator("select").evaluate("select => select.selectedOptions[0].textContent"))


def test_original_plays_where_the_browser_can(
    page: Page, instance: Instance, plain: dict[str, Any]
) -> None:
    for path in (f"/#task={plain['id']}", f"/assets/{plain['asset_id']}"):
        page.goto(instance.address + path)
        page.reload()
        plays = page.locator(".plays")
        expect(plays.locator("option")).to_have_text(["original, 640 × 360, H.264", "preview copy"])
        assert read_choice(plays) == "original, 640 × 360, H.264"
        assert page.locator("video").evaluate("video => video.currentSrc").endswith("/files/source")
        assert read_width(page) == SIZE[0]


def test_other_file_is_chosen_and_goes_on_at_the_same_time(
    page: Page, instance: Instance, plain: dict[str, Any]
) -> None:
    plays = open_result(page, instance, plain)
    read_width(page)
    page.locator("video").evaluate("video => { video.currentTime = 1.5; }")
    choice = plays.get_by_label("Playing:")
    choice.focus()  # as a person's click or Tab key does
    choice.select_option("preview copy")
    expect(page.locator("#announcer")).to_have_text("Playing: preview copy")
    video = page.locator("video")
    for _ in range(int(10 * PATIENCE_SECONDS)):
        if video.evaluate(
            "video => video.readyState > 0 && Math.abs(video.currentTime - 1.5) < 0.2"
        ):
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail("it began from the start")
    assert "/files/proxy" in video.evaluate("video => video.currentSrc")
    expect(plays.get_by_label("Playing:")).to_be_focused()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("plain.mkv", (*H264, "-pix_fmt", "yuv420p")),
        ("plain.avi", (*H264, "-pix_fmt", "yuv420p")),
        ("plain.mov", ("-c:v", "prores_ks")),
        ("plain.mpg", ("-c:v", "mpeg2video")),
    ],
)
def test_preview_copy_plays_where_the_original_cannot(
    page: Page,
    instance: Instance,
    show: Callable[..., dict[str, Any]],
    name: str,
    codec: tuple[str, ...],
) -> None:
    job = show(f"unplayable {name}", codec=codec)
    plays = open_result(page, instance, job)
    expect(plays).to_be_visible()
    media = page.request.get(f"{instance.address}/api/v1/assets/{job['asset_id']}").json()["media"]
    can_play = page.evaluate(
        "type => document.createElement('video').canPlayType(type)",
        f'video/x-matroska; codecs="{media["video"]["codec_name"]}, mp4a.40.2"',
    )
    if name.endswith(".mkv") and can_play:
        assert read_choice(plays).startswith("original")
    else:
        expect(plays).to_have_text("Playing: preview copy")
    assert read_width(page) > 0


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("open.webm", (*VP9, "-pix_fmt", "yuv420p")),
        ("open.mkv", (*VP9, "-pix_fmt", "yuv420p")),
        ("apple.mov", (*H264, "-pix_fmt", "yuv420p")),
    ],
)
def test_original_in_another_container_plays(
    page: Page,
    instance: Instance,
    show: Callable[..., dict[str, Any]],
    name: str,
    codec: tuple[str, ...],
) -> None:
    extra = ("-c:a", "libopus") if name.startswith("open") else ()
    plays = open_result(page, instance, show(name, codec=codec, extra=extra))
    assert read_choice(plays).startswith("original")
    assert read_width(page) == SIZE[0]


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv422p"])
def test_profile_that_not_every_browser_decodes_plays_where_this_one_does(
    open_page: OpenPage, instance: Instance, show: Callable[..., dict[str, Any]], pixels: str
) -> None:
    page = open_page()
    job = show(f"deep {pixels}.mp4", codec=(*H264, "-pix_fmt", pixels))
    media = page.request.get(f"{instance.address}/api/v1/assets/{job['asset_id']}").json()["media"]
    video_type = f'video/mp4; codecs="{media["video"]["codec_name"]}"'
    page.goto(instance.address)
    can_play = page.evaluate(
        "type => document.createElement('video').canPlayType(type)", video_type
    )
    plays = open_result(page, instance, job)
    assert read_width(page) > 0
    if can_play:
        assert read_choice(plays).startswith("original")
    # Others decode no more than eight bits in 4:2:0, which are the profiles up to High.
    page.add_init_script(
        """
        const ask = HTMLMediaElement.prototype.canPlayType;
        HTMLMediaElement.prototype.canPlayType = function (type) {
          return /avc1\\.(6e|7a|f4)/i.test(type) ? "" : ask.call(this, type);
        };
        """
    )
    page.reload()
    expect(plays).to_have_text("Playing: preview copy")
    assert read_width(page) > 0


def test_next_file_plays_if_one_is_broken(
    page: Page, instance: Instance, plain: dict[str, Any]
) -> None:
    page.route("**/files/source", lambda route: route.abort())
    plays = open_result(page, instance, plain)
    expect(plays).to_have_text("Playing: preview copy")
    assert read_width(page) > 0


def test_preview_copy_is_offered_if_nothing_that_there_is_can_be_played(
    page: Page, instance: Instance, tmp_path: Path
) -> None:
    path = make_own_film(tmp_path / "unseen.mp4", seconds=1, size=(160, 90))
    job = process(instance, path, kind="generate_preview", params={"num_frames": 1})
    page.route("**/files/source", lambda route: route.abort())
    plays = open_result(page, instance, job)
    expect(plays).to_contain_text("This browser cannot play any of the files yet")
    page.goto(f"{instance.address}/assets/{job['asset_id']}")
    expect(page.get_by_role("button", name="Create the preview copy")).to_be_visible()


def test_video_plays_once_cinemill_is_back(
    page: Page, instance: Instance, plain: dict[str, Any]
) -> None:
    patterns = ("**/files/source", "**/files/proxy*", "**/health")
    for pattern in patterns:
        page.route(pattern, lambda route: route.abort())
    plays = open_result(page, instance, plain)
    problem = page.locator(".player-problem")
    expect(problem).to_contain_text("Cinemill does not respond")
    for pattern in patterns:
        page.unroute(pattern)
    expect(problem).to_be_hidden()
    assert read_choice(plays) == "original, 640 × 360, H.264"
    assert read_width(page) == SIZE[0]


def test_playback_that_breaks_off_goes_on_with_the_same_file_at_the_same_time(
    page: Page, instance: Instance, plain: dict[str, Any]
) -> None:
    plays = open_result(page, instance, plain)
    read_width(page)
    page.locator("video").evaluate(
        """async video => {
          await new Promise(go => { video.onseeked = go; video.currentTime = 1.5; });
          Object.defineProperty(video, "error", { value: { code: MediaError.MEDIA_ERR_NETWORK } });
          const loaded = new Promise(go => { video.onloadedmetadata = go; });
          const sought = loaded.then(() => new Promise(go => { video.onseeked = go; }));
          video.dispatchEvent(new Event("error"));
          await sought;
        }"""
    )
    assert abs(page.locator("video").evaluate("video => video.currentTime") - 1.5) < 0.2
    assert read_choice(plays).startswith("original")
    expect(page.locator(".player-problem")).to_be_hidden()


def test_picture_too_heavy_for_the_machine_comes_last(
    open_page: OpenPage, instance: Instance, plain: dict[str, Any]
) -> None:
    page = open_page()
    page.add_init_script(
        "navigator.mediaCapabilities.decodingInfo = async () => "
        "({ supported: true, smooth: false, powerEfficient: false });"
    )
    plays = open_result(page, instance, plain)
    expect(plays.locator("option")).to_have_text(["preview copy", "original, 640 × 360, H.264"])
    assert read_choice(plays) == "preview copy"


def test_best_rendition_comes_before_the_preview_copy(
    page: Page, instance: Instance, show: Callable[..., dict[str, Any]]
) -> None:
    job = show("many.mov", codec=("-c:v", "prores_ks"))
    address = f"{instance.address}/api/v1/assets/{job['asset_id']}/jobs"
    for height in (180, 240):
        options = {"preset": "web", "height": height}
        made = page.request.post(
            address, data={"kind": "transcode", "params": {"options": options}}
        )
        assert made.ok, made.text()
        wait_for_job(page, instance, made.json()["id"])
    plays = open_result(page, instance, job)
    expect(plays.locator("option")).to_have_count(3)
    words = plays.locator("option").all_text_contents()
    assert [one.split(",")[0] for one in words] == ["rendition", "rendition", "preview copy"]
    assert read_choice(plays) == words[0]
    assert "× 240" in words[0]
    assert "× 180" in words[1]


def wait_for_job(page: Page, instance: Instance, job_id: str) -> None:
    for _ in range(int(10 * PATIENCE_SECONDS)):
        status = page.request.get(f"{instance.address}/api/v1/jobs/{job_id}/status").json()
        if status["status"] == "completed":
            return
        assert status["status"] in ("pending", "running"), json.dumps(status)
        page.wait_for_timeout(100)
    pytest.fail("the job did not end")
