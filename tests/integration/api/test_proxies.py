"""Cinemill behind nginx and Caddy, with the how-to's configurations and with others' usual ones."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from tests.proxies import (
    NAME,
    Certificate,
    below_path,
    find_proxy,
    make_certificate,
    read_blocks,
    running_caddy,
    running_nginx,
)
from tests.waiting import PATIENCE_SECONDS, wait_until
from typer.testing import CliRunner
from websockets.sync.client import connect
from websockets.typing import Origin

from cinemill.api.app import create_app
from cinemill.cli.main import app
from cinemill.client import Client, ClientError
from cinemill.config import Settings
from cinemill.errors import SettingsInvalid

from .conftest import FILM_HEAD, RunningApi, StartApi, find_free_port

HTML = {"Accept": "text/html"}
LINK = re.compile(r'(?:href|src)="([^"#]+)"')
ELSEWHERE = "127.0.0.2"
"""An address of this machine that is not the proxy's."""
LIMIT_BYTES = 10_000_000
HOST_LINE = "proxy_set_header Host $http_host;"
TLS_LINES = """
ssl_certificate /etc/ssl/certs/media.example.com.pem;
ssl_certificate_key /etc/ssl/private/media.example.com.key;
"""


@dataclass(frozen=True, slots=True)
class Proxied:
    """One server behind a proxy. ``url`` is its public URL."""

    api: RunningApi
    url: str
    certificate: Certificate

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate.authority))

    def open_browser(self) -> httpx.Client:
        return httpx.Client(verify=self.context, timeout=PATIENCE_SECONDS, headers=HTML)

    def open_client(self) -> Client:
        return Client(self.url, self.api.token, ca_file=self.certificate.authority)


@pytest.fixture(scope="module", autouse=True)
def names_mean_this_machine() -> Iterator[None]:
    """Let the page's example name mean this machine, as a line in /etc/hosts would."""
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        is_ours = host in (NAME, NAME.encode())
        return real("127.0.0.1" if is_ours else host, *rest, **more)

    socket.getaddrinfo = resolve
    yield
    socket.getaddrinfo = real


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def whole_host() -> str:
    return read_blocks("nginx")[0]


def removed_path() -> str:
    return below_path().replace(
        "proxy_pass http://127.0.0.1:8420;", "proxy_pass http://127.0.0.1:8420/;"
    )


NGINX: dict[str, tuple[str, str]] = {
    "whole host": ("", whole_host()),
    "path": ("/cinemill", below_path()),
    "path removed": ("/cinemill", removed_path()),
    "host without port": ("/cinemill", below_path().replace("$http_host", "$host")),
    "host with port": ("", whole_host().replace("$http_host", "$host:$server_port")),
    "upstream as host": ("", whole_host().replace(HOST_LINE, "")),
    "upstream as host, path removed": ("/cinemill", removed_path().replace(HOST_LINE, "")),
    "deep path": ("/a/b.c/~d", below_path().replace("location /cinemill/", "location /a/b.c/~d/")),
}
CADDY: dict[str, tuple[str, str]] = {
    "path": ("/cinemill", read_blocks("caddyfile")[0]),
    "path removed": (
        "/cinemill",
        read_blocks("caddyfile")[0].replace("handle /cinemill*", "handle_path /cinemill/*"),
    ),
    "whole host": ("", f"{NAME} {{\n    reverse_proxy 127.0.0.1:8420\n}}\n"),
}


@contextmanager
def behind(
    kind: str, configuration: str, path: str, start_api: StartApi, certificate: Certificate,
    folder: Path, **settings: str,
) -> Iterator[Proxied]:  # fmt: skip
    find_proxy(kind)
    port = find_free_port()
    url = f"https://{NAME}:{port}{path}"
    named = {"CINEMILL_PUBLIC_URL": url, "CINEMILL_TRUSTED_PROXIES": "127.0.0.1"}
    api = start_api(CINEMILL_MAX_UPLOAD_BYTES=str(LIMIT_BYTES), **{**named, **settings})
    run = {"nginx": running_nginx, "caddy": running_caddy}[kind]
    with run(folder, configuration, port=port, upstream=api.port, certificate=certificate):
        yield Proxied(api, url, certificate)


@pytest.fixture(scope="module", params=NGINX.values(), ids=list(NGINX))
def nginx(
    request: pytest.FixtureRequest,
    start_api: StartApi,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxied]:
    path, configuration = request.param
    folder = tmp_path_factory.mktemp("nginx")
    with behind("nginx", configuration, path, start_api, certificate, folder) as proxied:
        yield proxied


@pytest.fixture(scope="module", params=CADDY.values(), ids=list(CADDY))
def caddy(
    request: pytest.FixtureRequest,
    start_api: StartApi,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxied]:
    path, configuration = request.param
    folder = tmp_path_factory.mktemp("caddy")
    with behind("caddy", configuration, path, start_api, certificate, folder) as proxied:
        yield proxied


def use_everything(proxied: Proxied) -> None:
    """Use an installation as a browser, a script and an assistant do, through its proxy."""
    with proxied.open_browser() as browser:
        check_sign_in(proxied, browser)
        asset_id, job_id = check_upload(proxied, browser)
        check_event_stream(proxied, browser, job_id)
        check_socket(proxied, browser, asset_id)
    check_client(proxied)
    check_addresses(proxied)


def check_sign_in(proxied: Proxied, browser: httpx.Client) -> None:
    root = f"{proxied.url}/"
    closed = browser.get(root)
    assert closed.status_code == 401
    check_links(proxied, browser, closed)
    linked = browser.get(f"{root}search?token={proxied.api.token}&q=sky")
    assert linked.status_code == 303
    assert urljoin(str(linked.url), linked.headers["location"]) == f"{root}search?q=sky"
    cookie = linked.headers["set-cookie"]
    assert "Secure" in cookie
    assert f"Path={urlsplit(proxied.url).path or '/'};" in cookie
    assert cookie.startswith("__")
    for page in ("", "search?q=sky", "reviews", "docs", "assets/x", "entities/x"):
        opened = browser.get(root + page)
        assert opened.status_code == 200
        check_links(proxied, browser, opened)
    redirected = browser.get(f"{root}docs/")
    assert redirected.status_code == 307
    assert urljoin(f"{root}docs/", redirected.headers["location"]) == f"{root}docs"
    servers = browser.get(f"{root}openapi.json").json()["servers"]
    assert servers == [{"url": proxied.url}]


def check_links(proxied: Proxied, browser: httpx.Client, page: httpx.Response) -> None:
    """Every file that a page needs is there, and every link stays below the public URL."""
    for link in LINK.findall(page.text):
        address = urljoin(str(page.url), link)
        if link.startswith("https://www."):
            continue
        assert f"{address}/".startswith(f"{proxied.url}/"), link
        if "/static/" in link:
            assert browser.get(address).status_code == 200, address


def check_upload(proxied: Proxied, browser: httpx.Client) -> tuple[str, str]:
    content = FILM_HEAD + os.urandom(2_000_000)
    form = {"file": ("film.mkv", content)}
    address = f"{proxied.url}/api/v1/upload"
    # On a connection of its own: nginx closes one whose request was answered before its end.
    refused = {"Origin": "https://evil.example", "Connection": "close"}
    foreign = browser.post(address, files=form, headers=refused)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "origin_not_allowed")
    sent = browser.post(address, files=form, headers={"Origin": proxied.origin})
    assert sent.status_code == 201, sent.text
    job = sent.json()
    assert urljoin(address, sent.headers["location"]) == f"{proxied.url}/api/v1/jobs/{job['id']}"
    asset = browser.get(f"{proxied.url}/api/v1/assets/{job['asset_id']}").json()
    assert asset["source_url"].startswith(f"{urlsplit(proxied.url).path}/api/v1/")
    source = urljoin(address, asset["source_url"])
    part = browser.get(source, headers={"Range": "bytes=1000000-1000099"})
    assert (part.status_code, part.content) == (206, content[1_000_000:1_000_100])
    assert part.headers["content-range"] == f"bytes 1000000-1000099/{len(content)}"
    return job["asset_id"], job["id"]


def check_event_stream(proxied: Proxied, browser: httpx.Client, job_id: str) -> None:
    """Events come while the job goes on, not when it has ended."""
    address = f"{proxied.url}/api/v1/jobs/{job_id}/events"
    with browser.stream("GET", address, headers={"Accept": "text/event-stream"}) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("data:"))
        proxied.api.publish(job_id, "running", 7.0, "Through the proxy")
        assert any("Through the proxy" in line for line in lines)


def check_socket(proxied: Proxied, browser: httpx.Client, asset_id: str) -> None:
    created = browser.post(
        f"{proxied.url}/api/v1/assets/{asset_id}/analyses", headers={"Origin": proxied.origin}
    )
    assert created.status_code == 201, created.text
    link = created.json()["url"]
    assert link.startswith(f"{urlsplit(proxied.url).path}/api/v1/")
    address = urljoin(proxied.url, link).replace("https://", "wss://") + "/ws"
    cookies = "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)
    with connect(
        address,
        ssl=proxied.context,
        origin=Origin(proxied.origin),
        additional_headers={"Cookie": cookies},
        open_timeout=PATIENCE_SECONDS,
        proxy=None,
    ) as opened:
        assert json.loads(opened.recv(timeout=PATIENCE_SECONDS))["status"]


def check_client(proxied: Proxied) -> None:
    with proxied.open_client() as client:
        jobs = client.jobs()
        assert jobs
        assert client.asset(str(jobs[0]["asset_id"]))["artifacts"] == []
    environment = {
        "CINEMILL_URL": f"{proxied.url}/",
        "CINEMILL_TOKEN": proxied.api.token,
        "SSL_CERT_FILE": str(proxied.certificate.authority),
    }
    shown = CliRunner().invoke(app, ["status", "--json"], env=environment)
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["url"] == proxied.url


def check_addresses(proxied: Proxied) -> None:
    """The log has the client's address, and not what the client says of it."""
    forged = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    transport = httpx.HTTPTransport(verify=proxied.context, local_address=ELSEWHERE)
    with httpx.Client(transport=transport, timeout=PATIENCE_SECONDS) as stranger:
        stranger.get(f"{proxied.url}/api/v1/who-is-it", headers=forged)
    log = proxied.api.home / "log" / "api.log"

    def entries() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        return [line for line in lines if str(line.get("path", "")).endswith("/who-is-it")]

    wait_until(entries)
    assert {line["client"] for line in entries()} == {ELSEWHERE}


def test_everything_works_behind_nginx(nginx: Proxied) -> None:
    use_everything(nginx)


def test_everything_works_behind_caddy(caddy: Proxied) -> None:
    use_everything(caddy)


def send_film(proxied: Proxied, token: str, size_bytes: int, *, says_size: bool) -> httpx.Response:
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mkv"\r\n\r\n'
    end = b"\r\n--x--\r\n"

    def write() -> Iterator[bytes]:
        yield start + FILM_HEAD
        for _ in range(size_bytes // 1_000_000):
            yield bytes(1_000_000)
        yield end

    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "multipart/form-data; boundary=x",
    }
    if says_size:
        whole = len(start) + len(FILM_HEAD) + size_bytes + len(end)
        headers["Content-Length"] = str(whole)
    with proxied.open_browser() as browser:
        return browser.post(f"{proxied.url}/api/v1/upload", content=write(), headers=headers)


@pytest.fixture(scope="module", params=[True, False], ids=["stored first", "passed on"])
def refusing(
    request: pytest.FixtureRequest,
    start_api: StartApi,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxied]:
    """A proxy that stores uploads before it passes them on, or passes them on as they come."""
    configuration = below_path()
    if request.param:
        configuration = configuration.replace("proxy_request_buffering off;", "")
    folder = tmp_path_factory.mktemp("nginx")
    with behind("nginx", configuration, "/cinemill", start_api, certificate, folder) as proxied:
        yield proxied


@pytest.mark.nginx
@pytest.mark.parametrize("says_size", [True, False], ids=["length", "chunks"])
@pytest.mark.parametrize(
    ("token", "refusal"),
    [("", (413, "too_large")), ("wrong", (401, "unauthorized"))],
    ids=["too large", "stranger"],
)
def test_refused_upload_arrives_with_its_own_answer(
    refusing: Proxied, token: str, refusal: tuple[int, str], *, says_size: bool
) -> None:
    """Cinemill refuses it while the proxy still sends."""
    answer = send_film(refusing, token or refusing.api.token, 60_000_000, says_size=says_size)
    assert (answer.status_code, answer.json()["code"]) == refusal


@pytest.mark.nginx
def test_what_the_proxy_itself_says_is_not_taken_for_cinemill(
    start_api: StartApi, certificate: Certificate, tmp_path: Path
) -> None:
    small = below_path().replace("client_max_body_size 0;", "client_max_body_size 1k;")
    film = tmp_path / "film.mkv"
    film.write_bytes(FILM_HEAD + os.urandom(5_000_000))
    with behind("nginx", small, "/cinemill", start_api, certificate, tmp_path) as proxied:
        with proxied.open_client() as client:
            with pytest.raises(ClientError) as caught:
                client.upload(film)
            assert (caught.value.code, caught.value.status) == ("http_413", 413)
            assert "client_max_body_size" in caught.value.hint
            assert "nginx" in caught.value.message
        with Client(proxied.origin, proxied.api.token, ca_file=certificate.authority) as client:
            with pytest.raises(ClientError) as caught:
                client.jobs()
            assert caught.value.code == "http_404"
        with Client(proxied.url.replace("https", "http"), proxied.api.token) as client:
            with pytest.raises(ClientError) as caught:
                client.jobs()
            assert caught.value.code == "http_400"
            assert "https://" in caught.value.hint
        shown = CliRunner().invoke(
            app,
            ["--url", proxied.url, "--ca-file", str(certificate.authority), "submit", str(film)],
            env={"CINEMILL_TOKEN": proxied.api.token},
        )
        assert "http_413" in shown.stderr
        proxied.api.process.terminate()
        proxied.api.process.wait(PATIENCE_SECONDS)
        with proxied.open_client() as client:
            with pytest.raises(ClientError) as caught:
                client.jobs()
            assert (caught.value.code, caught.value.status) == ("http_502", 502)
            assert "cinemill up" in caught.value.hint


@pytest.mark.nginx
def test_without_the_settings_what_is_refused_names_them(
    start_api: StartApi, certificate: Certificate, tmp_path: Path
) -> None:
    port = find_free_port()
    find_proxy("nginx")
    api = start_api()
    passed = "location / { proxy_pass http://127.0.0.1:8420; }"
    plain = f"server {{ listen 443 ssl; {TLS_LINES} {passed} }}"
    named = plain.replace("location / {", "location / { proxy_set_header Host $host;")
    secret = {"Authorization": f"Bearer {api.token}"}
    address = f"https://{NAME}:{port}"
    proxied = Proxied(api, address, certificate)
    run = partial(running_nginx, port=port, upstream=api.port, certificate=certificate)
    with run(tmp_path / "named", named), proxied.open_browser() as browser:
        refused = browser.get(f"{address}/api/v1/jobs", headers=secret).json()
        assert refused["code"] == "host_not_allowed"
        assert "CINEMILL_PUBLIC_URL" in refused["hint"]
    with run(tmp_path / "plain", plain), proxied.open_browser() as browser:
        assert browser.get(f"{address}/?token={api.token}", follow_redirects=True).is_success
        form = {"file": ("film.mkv", FILM_HEAD + os.urandom(64))}
        ours = {"Origin": address}
        refused = browser.post(f"{address}/api/v1/upload", files=form, headers=ours).json()
        assert refused["code"] == "origin_not_allowed"
        assert "CINEMILL_PUBLIC_URL" in refused["hint"]
        # As current browsers do where there is TLS.
        ours["Sec-Fetch-Site"] = "same-origin"
        sent = browser.post(f"{address}/api/v1/upload", files=form, headers=ours)
        assert sent.status_code == 201


@pytest.mark.parametrize("named", ["", "127.0.0.2", "10.0.0.0/8", "unix"])
def test_nobody_is_believed_who_is_not_named(start_api: StartApi, named: str) -> None:
    api = start_api(**({"CINEMILL_TRUSTED_PROXIES": named} if named else {}))
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "X-Real-IP": "203.0.113.9",
        "Forwarded": "for=203.0.113.9;proto=https;host=evil.example",
    }
    page = api.stranger.get("/?token=" + api.token, headers=HTML | forged)
    assert page.status_code == 303
    assert "Secure" not in page.headers["set-cookie"]
    assert page.headers["location"] == "./"
    log = api.home / "log" / "api.log"
    wait_until(lambda: '"status": 303' in log.read_text("utf-8"))
    assert "203.0.113.9" not in log.read_text("utf-8")


@pytest.mark.parametrize("path", ["/api", "/assets/x", "/static", "/health"])
def test_path_that_is_cinemills_own_is_refused_at_the_start(
    api: RunningApi, path: str, tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path,
        database_url=api.database_url,
        redis_url=api.redis_url,
        public_url=f"https://{NAME}{path}",
    )
    with pytest.raises(SettingsInvalid, match="CINEMILL_PUBLIC_URL"):
        create_app(settings)
