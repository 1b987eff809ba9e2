"""The page in a browser behind nginx, with TLS and below a path, as the how-to has it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, expect
from tests.instance_settings import UNSPACED
from tests.proxies import NAME, below_path, find_proxy, make_certificate, running_nginx
from tests.waiting import PATIENCE_SECONDS

from .conftest import UP, _free_port, _wait_for_server, launch, make_own_film

EXPECTED = ("net::ERR_ABORTED", "net::ERR_TOO_MANY_RETRIES")
"""The page was left while it loaded, or Chromium got no time to keep its connections."""


@pytest.fixture(
    scope="module", params=["whole path passed on", "path removed"], ids=lambda name: name
)
def nginx(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Run an instance and nginx in front of it; return the public URL, and the token."""
    find_proxy("nginx")
    home = tmp_path_factory.mktemp("proxied") / "home"
    home.mkdir()
    certificate = make_certificate(home.parent / "certificate")
    public_port, port = _free_port(), _free_port()
    url = f"https://{NAME}:{public_port}/cinemill"
    configuration = below_path()
    if request.param == "path removed":
        configuration = configuration.replace(":8420;", ":8420/;")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CINEMILL_")}
    names = {
        "CINEMILL_HOME": str(home),
        "CINEMILL_PORT": str(port),
        "CINEMILL_PUBLIC_URL": url,
        "CINEMILL_TRUSTED_PROXIES": "127.0.0.1",
        "CELERY_WORKER_CONCURRENCY": "1",
        **UNSPACED,
    }
    log = home.parent / "up.log"
    with log.open("w+") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", UP, "up"],
            env={**kept, **names},
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
        try:
            instance = _wait_for_server(process, home, str(log))
            folder = home.parent / "nginx"
            with running_nginx(
                folder, configuration, port=public_port, upstream=port, certificate=certificate
            ):
                assert f"{url}/?token={instance.token}" in log.read_text()
                yield url, instance.token
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@pytest.fixture
def page(playwright: Playwright, nginx: tuple[str, str]) -> Iterator[Page]:
    """Open the page in a browser to which the example's name means this machine."""
    url, token = nginx
    complaints: list[str] = []
    with launch(playwright, f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as browser:
        context = browser.new_context(ignore_https_errors=True)
        context.set_default_timeout(1000 * PATIENCE_SECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda one: complaints.append(f"{one.url} {one.failure}"))
        page.goto(f"{url}/?token={token}")
        yield page
        context.close()
    assert [one for one in complaints if not one.endswith(EXPECTED)] == []


def test_page_works_below_a_path(page: Page, nginx: tuple[str, str], tmp_path: Path) -> None:
    url, token = nginx
    assert page.url == f"{url}/"
    film = make_own_film(tmp_path / "proxied.mp4", seconds=3, size=(320, 180))
    page.locator("#files").set_input_files(str(film))
    # Followed by its event stream until it is done.
    done = page.locator("#recent li").first
    expect(done).to_contain_text("proxied.mp4")
    expect(done).to_contain_text("Done")
    link = page.locator("#task a[href*='/assets/'], #recent a[href*='/assets/']").first
    address = link.get_attribute("href")
    assert address is not None
    assert address.startswith("/cinemill/assets/")
    page.goto(f"{url.removesuffix('/cinemill')}{address}")
    expect(page.get_by_role("heading", name="proxied.mp4").first).to_be_visible()
    expect(page.locator("video")).to_have_attribute("src", re.compile(r"^/cinemill/api/v1/assets/"))
    expect(page.locator("video")).not_to_have_js_property("readyState", 0)
    for download in page.locator("a[download]").all()[:3]:
        assert (download.get_attribute("href") or "").startswith(f"{url}/api/v1/")
    for entry in ("Search", "Reviews", "API", "Videos"):
        page.get_by_label("Site").get_by_role("link", name=entry).click()
        expect(page.locator("#main")).to_be_visible()
        assert page.url.startswith(f"{url}/")
    (cookie,) = page.context.cookies()
    assert cookie["secure"]
    assert cookie["path"] == "/cinemill"
    page.goto(f"{url}/api/v1/no-such-page")
    assert "Not found" in page.content() or "not_found" in page.content()
    page.context.clear_cookies()
    page.goto(f"{url}/search?q=sky")
    page.locator("#token").fill(token)
    page.locator("form button").click()
    page.wait_for_url(f"{url}/search?q=sky")
    expect(page.locator("#main")).to_be_visible()


def test_refusals_of_the_proxy_and_of_cinemill_are_told_apart(
    page: Page, nginx: tuple[str, str], tmp_path: Path
) -> None:
    page.route("**/api/v1/upload", lambda one: one.fulfill(status=413, body="<h1>413</h1>"))
    page.locator("#files").set_input_files(str(make_own_film(tmp_path / "a.mp4", seconds=1)))
    error = page.locator("#refusals")
    expect(error.locator(".code").first).to_have_text("http_413")
    expect(error.locator(".sentence").first).to_contain_text("A proxy in front of Cinemill")
