"""Headers of any shape: what no client sends is refused or passed over, never a fault of ours."""

from __future__ import annotations

import socket

import pytest
from tests.waiting import PATIENCE_SECONDS

from .conftest import FILM_HEAD, RunningApi

NAMES = (
    *("Host", "Origin", "Referer", "Sec-Fetch-Site", "Cookie", "Authorization", "Accept"),
    *("Accept-Language", "Accept-Encoding", "User-Agent", "Range", "If-Range", "If-Match"),
    *("If-None-Match", "If-Modified-Since", "Content-Type", "Idempotency-Key", "Last-Event-ID"),
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Expect"),
)
ODD = (
    *(
        b"",
        b" ",
        b",",
        b";",
        b"=",
        b"*",
        b"[",
        b"]",
        b"http://[",
        b"http://[::1",
        b"//",
        b"\xff\xfe",
    ),
    *(b"\xed\xa0\x80", b"%00", b"%ff", b"a" * 9000, b"9" * 5000, b"-1", b"1e400", b"nan", b"None"),
    *(b"bytes=0-,-1,9-3", b"bytes=" + b"9" * 5000 + b"-", b"multipart/form-data; boundary*0*=x''y"),
    *(b"application/json; charset=utf-7", b"application/json; charset=\xff", b"Bearer \xff"),
    *(
        b'"',
        b'W/"',
        b"18446744073709551616-0",
        b"text/html;q=x",
        b"unix:",
        b"fe80::1%a/b",
        b"1.2.3.4:",
    ),
)
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mkv"\r\n\r\n'
    + FILM_HEAD
    + b"odd headers\r\n--b--\r\n"
)
REQUESTS = {
    "page": (b"GET", "/search/?q=x", b"", b""),
    "slash": (b"GET", "/api/v1/jobs/?limit=1", b"", b""),
    "events": (b"GET", "/api/v1/jobs/{job}/events", b"", b""),
    "file": (b"GET", "/api/v1/assets/{asset}/files/source", b"", b""),
    "json": (b"POST", "/api/v1/search", b"application/json", b'{"q": "sky"}'),
    "form": (b"POST", "/api/v1/upload", b"multipart/form-data; boundary=b", FORM),
    "socket": (b"GET", "/api/v1/analyses/x/ws", b"", b""),
}


@pytest.fixture(scope="module")
def ids(api: RunningApi) -> dict[str, str]:
    job_id = api.submit()
    return {"job": job_id, "asset": api.http.get(f"/api/v1/jobs/{job_id}").json()["asset_id"]}


def write_request(
    api: RunningApi, what: str, odd: tuple[str, bytes], ids: dict[str, str], *, known: bool
) -> bytes:
    """Return a request with one odd header, of somebody who is known by the token or of nobody."""
    method, path, media_type, body = REQUESTS[what]
    headers = {b"host": f"127.0.0.1:{api.port}".encode(), b"connection": b"close"}
    if known:
        headers[b"authorization"] = f"Bearer {api.token}".encode()
    if body:
        headers |= {b"content-type": media_type, b"content-length": str(len(body)).encode()}
    if what == "socket":
        headers |= {
            b"connection": b"Upgrade",
            b"upgrade": b"websocket",
            b"sec-websocket-version": b"13",
            b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
        }
    headers[odd[0].lower().encode()] = odd[1]
    lines = [key + b": " + value + b"\r\n" for key, value in headers.items()]
    target = path.format(**ids).encode()
    return b"".join([method, b" ", target, b" HTTP/1.1\r\n", *lines, b"\r\n", body])


def ask(api: RunningApi, request: bytes) -> int:
    """Return the status of the answer."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE_SECONDS) as line:
        line.sendall(request)
        start = b""
        while b"\r\n" not in start and (more := line.recv(4096)):
            start += more
    return int(start.split(b" ", 2)[1])


@pytest.mark.parametrize("name", NAMES)
def test_odd_header_is_no_fault_of_ours(api: RunningApi, ids: dict[str, str], name: str) -> None:
    found = {
        (what, odd[:40], known): ask(api, write_request(api, what, (name, odd), ids, known=known))
        for what in REQUESTS
        for odd in ODD
        for known in (True, False)
    }
    assert {key: status for key, status in found.items() if status >= 500} == {}
