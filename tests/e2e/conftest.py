"""Fixtures: a server started with ``cinemill up``, and a real browser on its page."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)
from tests.films import make_film, make_long_film, make_text_only
from tests.instance_settings import UNSPACED
from tests.waiting import PATIENCE_SECONDS

from cinemill.client import Client

PATIENCE_MILLISECONDS = 1000 * PATIENCE_SECONDS
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UP = "from cinemill.cli.main import run; run()"


@dataclass(frozen=True)
class Instance:
    address: str
    token: str
    database_url: str
    home: Path

    @property
    def resnet50(self) -> Path:
        """Return the path that RESNET50_MODEL_PATH names: an empty file, until a test needs it."""
        return self.home.parent / "resnet50.onnx"

    @property
    def link(self) -> str:
        """Return the link that ``cinemill up`` prints."""
        return f"{self.address}/?token={self.token}"


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that is pip's only index; it is empty at first."""
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> Iterator[Instance]:
    """Run ``cinemill up`` on a fresh home."""
    home = tmp_path_factory.mktemp("e2e") / "home"
    home.mkdir()
    resnet50 = home.parent / "resnet50.onnx"
    resnet50.touch()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CINEMILL_")}
    names = {
        "CINEMILL_HOME": str(home),
        "CINEMILL_PORT": str(_free_port()),
        **UNSPACED,
        # What a person downloads comes from a folder of the test.
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(packages),
        "HF_HUB_OFFLINE": "1",
        "RESNET50_MODEL_PATH": str(resnet50),
    }
    with (home.parent / "up.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", UP, "up"],
            env={**kept, **names, "CELERY_WORKER_CONCURRENCY": "1"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield _wait_for_server(process, home, log.name)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)


def _wait_for_server(process: subprocess.Popen[bytes], home: Path, log: str) -> Instance:
    deadline = time.monotonic() + PATIENCE_SECONDS
    state_file = home / "run" / "state.json"
    while not state_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the server did not start: {Path(log).read_text()}")
        time.sleep(0.1)
    state = json.loads(state_file.read_text())
    token = (home / "token").read_text("ascii").strip()
    return Instance(state["api_url"].rstrip("/"), token, state["database_url"], home)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# One for each module, because it keeps an asyncio loop running in this thread, and later tests of
# other folders have loops of their own.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as running:
        yield running


def launch(playwright: Playwright, *options: str) -> Browser:
    """Start the system's Chromium, else Playwright's own; skip the test if there is neither."""
    found = [path for path in map(shutil.which, BROWSERS) if path]
    own = playwright.chromium.executable_path
    if not found and not Path(own).exists():
        pytest.skip("no Chromium on the PATH, and none was installed for Playwright")
    return playwright.chromium.launch(
        executable_path=found[0] if found else own,
        args=["--no-sandbox", "--mute-audio", *options],
        timeout=PATIENCE_MILLISECONDS,
    )


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with launch(playwright) as running:
        yield running


def open_window(
    browser: Browser,
    instance: Instance,
    complaints: list[str],
    *,
    width: int = 1280,
    height: int = 860,
    scheme: str = "light",
) -> Page:
    """Open a signed-in page in a context of its own; ``complaints`` gets its scripts' errors."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(instance.link)
    return page


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, instance: Instance) -> Iterator[OpenPage]:
    """Return a function that opens the page, signed in; errors of its scripts fail the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(path: str = "", **looks: Any) -> Page:
        page = open_window(browser, instance, complaints, **looks)
        contexts.append(page.context)
        if path:
            page.goto(instance.address + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture(scope="module")
def window(browser: Browser, instance: Instance) -> Iterator[Page]:
    """Open one page for a module, since opening one takes as long as many of its tests."""
    complaints: list[str] = []
    page = open_window(browser, instance, complaints)
    yield page
    page.context.close()
    assert complaints == []


@pytest.fixture
def reused_page(window: Page) -> Page:
    """Return the module's page as a new one would be, but for what the browser has stored."""
    window.unroute_all()
    window.goto("about:blank")
    window.set_viewport_size({"width": 1280, "height": 860})
    window.emulate_media(color_scheme="light")
    return window


def make_own_film(path: Path, *, extra: Sequence[str] = (), **more: Any) -> Path:
    """Create a video with bytes that no other has: equal bytes are one asset."""
    return make_film(path, extra=[*extra, "-metadata", f"comment={uuid4()}"], **more)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create test videos; ``short.mp4`` is processed quickly, the long ones slowly."""
    folder = tmp_path_factory.mktemp("films")
    make_own_film(folder / "short.mp4", seconds=3, size=(640, 360))
    # The long ones differ, because identical files are not processed again.
    for number, name in enumerate(("long", "unwanted", "cut off")):
        hue = f"hue=h={90 * number}"
        path = folder / f"{name}.mp4"
        make_long_film(path, seconds=30, size=(1920, 1080), rate="30", filters=hue)
    make_text_only(folder / "text only.mkv")
    for name in ("letter", "bill", "poem", "recipe"):
        (folder / f"{name}.mp4").write_text(f"This is a {name}, and not a film.")
    return folder


def process(instance: Instance, path: Path, **request: Any) -> dict[str, Any]:
    """Upload a video and return its job once that has ended."""
    with Client(instance.address, instance.token) as client:
        task = client.upload(path, **request)["id"]
        for _event in client.watch(task):
            pass
        return dict(client.job(task))


@pytest.fixture(scope="session")
def talk(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the finished job of a video of four seconds, for tests of its captions."""
    path = tmp_path_factory.mktemp("talk") / "talk.mp4"
    return process(instance, make_own_film(path, seconds=4, size=(320, 180)))


def write_captions(page: Page, address: str, cues: list[dict[str, Any]]) -> None:
    """Replace the captions at this address."""
    headers = {"If-Match": "*"} if page.request.get(address).ok else {}
    response = page.request.put(address, data={"captions": cues}, headers=headers)
    assert response.ok, response.text()
