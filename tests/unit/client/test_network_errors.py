"""What can go wrong before Cinemill answers: each cause has its code and says what to do."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.proxies import Certificate, make_certificate
from tests.unit.conftest import LittleServer

from cinemill.cli.uploads import FATAL_CODES
from cinemill.client import Client, ClientError
from cinemill.client.connection import resolve_link
from cinemill.client.errors import error_from_transport


@contextmanager
def listening(answer: bytes = b"", certificate: Certificate | None = None) -> Iterator[int]:
    """Answer every connection with these bytes, with TLS where there is a certificate."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate is not None:
        context.load_cert_chain(certificate.chain, certificate.key)

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain:
                try:
                    peer = plain if certificate is None else context.wrap_socket(plain, True)
                    peer.recv(65536)
                    peer.sendall(answer)
                    peer.close()
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def fail(url: str, **options: Any) -> ClientError:
    with Client(url, "secret-token", **options) as client, pytest.raises(ClientError) as caught:
        client.health()
    assert caught.value.hint
    assert "secret-token" not in caught.value.message + caught.value.hint
    return caught.value


class TestCertificates:
    OK = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'

    def test_trusted_one_is_accepted_however_its_authority_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = make_certificate(tmp_path)
        with listening(self.OK, made) as port:
            url = f"https://127.0.0.1:{port}"
            with Client(url, ca_file=made.authority) as client:
                assert client.health()["status"] == "ok"
            monkeypatch.setenv("CINEMILL_URL", url)
            for name in ("CINEMILL_CA_FILE", "SSL_CERT_FILE"):
                monkeypatch.setenv(name, str(made.authority))
                with Client.from_home() as client:
                    assert client.health()["status"] == "ok"
                monkeypatch.delenv(name)

    def test_untrusted_one_says_how_to_trust_it(self, tmp_path: Path) -> None:
        with listening(self.OK, make_certificate(tmp_path)) as port:
            error = fail(f"https://127.0.0.1:{port}")
        assert (error.code, error.status) == ("certificate_untrusted", 0)
        assert "CINEMILL_CA_FILE" in error.hint

    def test_expired_one_is_named(self, tmp_path: Path) -> None:
        made = make_certificate(tmp_path, is_expired=True)
        with listening(self.OK, made) as port:
            error = fail(f"https://127.0.0.1:{port}", ca_file=made.authority)
        assert error.code == "certificate_expired"

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_one_for_another_name_is_named(self, host: str, tmp_path: Path) -> None:
        made = make_certificate(tmp_path, "other.example.com")
        with listening(self.OK, made) as port:
            error = fail(f"https://{host}:{port}", ca_file=made.authority)
        assert error.code == "certificate_wrong_name"

    def test_server_without_tls_is_named(self) -> None:
        with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
            error = fail(f"https://127.0.0.1:{port}")
        assert error.code == "tls_failed"
        assert "http://" in error.hint

    @pytest.mark.parametrize("content", [None, b"", b"no certificate"])
    def test_file_without_certificates_is_named(
        self, content: bytes | None, tmp_path: Path
    ) -> None:
        file = tmp_path / "authority.pem"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ClientError, match=r"authority\.pem") as caught:
            Client("https://127.0.0.1:1", ca_file=file)
        assert caught.value.code == "ca_file_invalid"


class TestReaching:
    def test_name_that_cannot_be_resolved(self) -> None:
        assert fail("http://nobody.invalid:8420").code == "host_unknown"

    def test_port_where_nothing_listens(self) -> None:
        with listening() as port:
            pass
        error = fail(f"http://127.0.0.1:{port}")
        assert error.code == "mill_unreachable"
        assert "cinemill up" in error.hint

    def test_server_that_speaks_something_else(self) -> None:
        with listening(b"+OK a mail server\r\n\r\n") as port:
            assert fail(f"http://127.0.0.1:{port}").code == "not_http"

    def test_server_that_hangs_up(self) -> None:
        with listening() as port:
            assert fail(f"http://127.0.0.1:{port}").code == "connection_lost"


class TestStrangers:
    @pytest.mark.parametrize(
        ("status", "word"),
        [
            (401, "sign in"),
            (403, "sign in"),
            (404, "path"),
            (407, "sign in"),
            (413, "client_max_body_size"),
            (429, "later"),
            (502, "cinemill up"),
            (503, "cinemill up"),
            (504, "proxy_read_timeout"),
            (500, "log"),
            (522, "log"),
        ],
    )
    def test_answer_of_a_proxy_is_not_taken_for_cinemills(
        self, status: int, word: str, server: LittleServer
    ) -> None:
        body = b"<html><title>An error of the proxy</title></html>"

        def answer(x: Any) -> None:
            x.begin(status, Content_Length=len(body), Content_Type="text/html")
            x.wfile.write(body)

        server.on("GET /api/v1/health", answer)
        error = fail(server.url)
        assert (error.code, error.status) == (f"http_{status}", status)
        assert word in error.hint
        assert "in front of Cinemill" in error.message

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirect_is_named_and_the_token_stays(self, status: int, server: LittleServer) -> None:
        def answer(x: Any) -> None:
            x.begin(status, Content_Length=0, Location="https://login.example/?next=/")

        server.on("GET /api/v1/health", answer)
        error = fail(server.url)
        assert error.code == "redirected"
        assert "https://login.example/" in error.message
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("link", "public_url", "address"),
    [
        ("/api/v1/x", "http://127.0.0.1:8420", "http://127.0.0.1:8420/api/v1/x"),
        ("/cinemill/api/v1/x", "https://a.example/cinemill", "https://a.example/cinemill/api/v1/x"),
        ("/api/v1/x", "https://a.example/cinemill", "https://a.example/cinemill/api/v1/x"),
    ],
)
def test_link_leads_to_the_server_whether_a_proxy_removed_its_path(
    link: str, public_url: str, address: str
) -> None:
    assert resolve_link(link, public_url) == address


@pytest.mark.parametrize("kind", [httpx.ConnectTimeout, httpx.ConnectError, httpx.ProxyError])
def test_what_no_further_upload_can_reach_ends_a_submit(
    kind: type[httpx.TransportError],
) -> None:
    assert error_from_transport(kind("refused"), "http://mill.example").code in FATAL_CODES
