"""Take the README's screenshots of the page, with a real server, video and browser.

    python tools/screenshot.py [VIDEO] [--to docs/images]

Starts Cinemill on a home folder of its own, uploads the video (without one, eight seconds of moving
colors), waits until it plays, and writes ``page-light.webp`` and ``page-dark.webp``. Needs
Chromium on the PATH, or Playwright's own.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import imageio_ffmpeg
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE = {"width": 1080, "height": 830}
START_SECONDS = 120
WAIT_MILLISECONDS = 180_000
SHOWN_SECONDS = 2.0
"""The time in the video that the screenshots show."""
MAX_BYTES = 150_000
SEEK = """(video, seconds) => new Promise((done) => {
  const seek = () => {
    video.addEventListener("seeked", done, { once: true });
    video.currentTime = seconds;
  };
  video.readyState >= 2 ? seek() : video.addEventListener("loadeddata", seek, { once: true });
  video.preload = "auto";
})"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="cinemill-sunset-") as folder,
        running_server() as link,
        open_browser() as browser,
    ):
        video = arguments.video or make_sunset(Path(folder))
        for scheme in ("light", "dark"):
            page = open_page(browser, link, scheme)
            show_video(page, video)
            write_screenshot(page.screenshot(), arguments.to / f"page-{scheme}.webp")
            page.context.close()
    return 0


@contextmanager
def running_server() -> Iterator[str]:
    """Run ``cinemill up`` on a fresh home, and yield the link that signs in."""
    home = Path(tempfile.mkdtemp(prefix="cinemill-screenshot-"))
    environment = {**os.environ, "CINEMILL_HOME": str(home), "CINEMILL_PORT": str(free_port())}
    command = [sys.executable, "-c", "from cinemill.cli.main import run; run()", "up"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        address = wait_for_address(process, home / "run" / "state.json")
        yield f"{address}/?token={(home / 'token').read_text('ascii').strip()}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_SECONDS)
        shutil.rmtree(home, ignore_errors=True)


def wait_for_address(process: subprocess.Popen[bytes], state_file: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not state_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("The server did not start; run 'cinemill up' to see why.")
        time.sleep(0.1)
    return str(json.loads(state_file.read_text("utf-8"))["api_url"]).rstrip("/")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def open_browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found or playwright.chromium.executable_path,
            args=["--no-sandbox", "--mute-audio"],
        )
        with browser:
            yield browser


def open_page(browser: Browser, link: str, scheme: str) -> Page:
    context = browser.new_context(
        viewport={"width": SIZE["width"], "height": SIZE["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()
    page.goto(link)
    return page


def show_video(page: Page, path: Path) -> None:
    """Upload the video, and wait until the page shows a frame of its preview copy."""
    page.locator("#files").set_input_files(str(path))
    video = page.locator(".player video")
    expect(video).to_be_visible(timeout=WAIT_MILLISECONDS)
    video.evaluate(SEEK, SHOWN_SECONDS)
    page.locator("#task").scroll_into_view_if_needed()
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(500)  # until the browser has drawn the frame


def write_screenshot(png: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(png)) as image:
        image.save(path, "WEBP", quality=82, method=6)
    size_bytes = path.stat().st_size
    print(f"{path}: {size_bytes:,} bytes")
    if size_bytes > MAX_BYTES:
        sys.exit(f"{path} is larger than {MAX_BYTES:,} bytes.")


def make_sunset(folder: Path) -> Path:
    """Create eight seconds of moving colors with a tone, without third-party content."""
    path = folder / "sunset.mp4"
    colors = "c0=0x0b2545:c1=0x13a89e:c2=0xf6ae2d:c3=0xf26419:c4=0x33658a:nb_colors=5"
    source = f"gradients=size=1280x720:rate=25:type=radial:speed=0.02:seed=7:{colors}"
    center = "x0=200:y0=100:x1=1100:y1=700"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi"]
    command += ["-i", f"{source}:{center}", "-f", "lavfi", "-i", "sine=220", "-t", "8"]
    command += ["-pix_fmt", "yuv420p", "-crf", "18", str(path)]
    subprocess.run(command, check=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
