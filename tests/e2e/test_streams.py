"""What was made for adaptive play is played by the browser itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.e2e.conftest import Mill

from cinemill.client import Client

PLAY = """
async (address) => {
  const video = document.createElement("video");
  video.muted = true;
  video.src = address;
  document.body.append(video);
  await video.play();
  const began = performance.now();
  while (video.currentTime < 0.5 && performance.now() - began < 15000) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return [video.currentTime, video.videoWidth > 0, video.duration];
}
"""


def test_the_browser_plays_hls(page: Page, mill: Mill, films: Path) -> None:
    with Client(mill.address, mill.token) as client:
        params = {"preset": "mobile"}
        task = client.upload(films / "short.mp4", kind="make_ladder", params=params)["task_id"]
        for _event in client.watch(task):
            pass
        job = client.job(task)
    result = job["result"] or {}
    address = f"/assets/{result['asset_id']}/streams/{result['playlist']}"
    can_play = page.evaluate(
        "document.createElement('video').canPlayType('application/vnd.apple.mpegurl')"
    )
    if not can_play:
        pytest.skip("this browser does not play HLS by itself")
    seconds, has_picture, duration = page.evaluate(PLAY, address)
    assert seconds >= 0.5
    assert has_picture
    assert abs(duration - 3) < 0.2
