"""Who may come in, decided without a server."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

import pytest
from starlette.datastructures import Headers

from cinemill.addresses import parse_public_urls
from cinemill.api.middleware.auth import (
    SOCKET_METHOD,
    AccessPolicy,
    check_request,
    has_bearer,
    has_cookie,
    is_public,
    sign_in,
)
from cinemill.api.middleware.visits import Visit
from cinemill.api.token import ensure_token, token_path
from cinemill.errors import Forbidden, SecretUnusable, Unauthorized

POLICY = AccessPolicy(token="secret-token", host="127.0.0.1", port=8420)
OPEN = AccessPolicy(token=None, host="127.0.0.1", port=8420)
HOST = "127.0.0.1:8420"
NAME = "cinemill-8420"
BELOW = Visit(parse_public_urls("https://media.example.com:8443/cinemill")[0], is_secure=True)
PROXIED = AccessPolicy(
    "secret-token",
    "127.0.0.1",
    8420,
    parse_public_urls(
        "https://media.example.com:8443/cinemill, http://[fd00::5]/ https://é.example"
    ),
)
BEARER = {"authorization": "Bearer secret-token"}
COOKIE = {"cookie": f"other=1; {NAME}={POLICY.cookie_value}"}


def check(
    method: str, path: str, headers: dict[str, str] | None = None, policy: AccessPolicy = POLICY
) -> None:
    check_request(policy, method, path, Headers({"host": HOST, **(headers or {})}))


class TestToken:
    def test_bearer_token_opens_every_door(self) -> None:
        check("POST", "/upload", BEARER)
        check("GET", "/api/v1/jobs", {"authorization": "bearer secret-token"})

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Bearer"},
            {"authorization": "Bearer sécret-tökén"},
            {"authorization": "Basic secret-token"},
            {"authorization": "secret-token"},
            {"cookie": f"{NAME}=wrong"},
            {"cookie": f"{NAME}=secret-token"},
            {"cookie": f"cinemill-9999={POLICY.cookie_value}"},
            {"cookie": "\x00;=;;"},
        ],
    )
    def test_nothing_else_does(self, headers: dict[str, str]) -> None:
        with pytest.raises(Unauthorized):
            check("GET", "/api/v1/jobs", headers)

    def test_cookie_opens_doors_and_is_not_the_token(self) -> None:
        check("GET", "/api/v1/jobs", COOKIE)
        assert "secret-token" not in POLICY.cookie_value

    @pytest.mark.parametrize(
        "foreign", ['a={"x":1}', "foo=a b", "théme=x", "na@me=1", "bare", "=;;", 'half="open']
    )
    def test_cookie_stands_beside_whatever_other_ports_have_set(self, foreign: str) -> None:
        own = COOKIE["cookie"]
        check("GET", "/api/v1/jobs", {"cookie": f"{foreign}; {own}"})
        check("GET", "/api/v1/jobs", {"cookie": f"{own}; {foreign}"})

    def test_another_token_makes_old_cookies_worthless(self) -> None:
        renewed = AccessPolicy(token="renewed", host="127.0.0.1", port=8420)
        with pytest.raises(Unauthorized):
            check("GET", "/api/v1/jobs", COOKIE, renewed)

    @pytest.mark.parametrize(
        "path", ["/health", "/api/v1/health", "/static/app.css", "/favicon.ico"]
    )
    def test_what_is_nobodys_is_open(self, path: str) -> None:
        check("GET", path)

    @pytest.mark.parametrize(
        "path", ["/", "/docs", "/openapi.json", "/healthy", "/api/v1", "/statics", "/api/v1/logs"]
    )
    def test_what_is_somebodys_is_not(self, path: str) -> None:
        assert not is_public(path)


class TestHost:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1:8420", "localhost:8420", "LOCALHOST", "[::1]:8420", "127.8.8.8"]
    )
    def test_loopback_server_answers_to_its_own_names(self, host: str) -> None:
        check_request(OPEN, "GET", "/api/v1/jobs", Headers({"host": host}))

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "10.0.0.7:8420"]
    )
    def test_and_to_no_other_not_even_with_the_token(self, host: str) -> None:
        with pytest.raises(Forbidden) as refused:
            check_request(POLICY, "GET", "/api/v1/jobs", Headers({"host": host, **BEARER}))
        assert refused.value.code == "host_not_allowed"

    def test_server_for_others_is_called_by_any_name(self) -> None:
        wide = AccessPolicy(token="secret-token", host="0.0.0.0", port=8420)
        check_request(wide, "GET", "/api/v1/jobs", Headers({"host": "video.example", **BEARER}))

    @pytest.mark.parametrize(
        "host",
        ["media.example.com", "MEDIA.example.com.:8443", "[fd00::5]", "xn--9ca.example", HOST],
    )
    def test_names_of_public_urls_are_its_own_too(self, host: str) -> None:
        check_request(PROXIED, "GET", "/api/v1/jobs", Headers({"host": host, **BEARER}))

    @pytest.mark.parametrize("host", ["example.com", "x.media.example.com", "fd00::5", ""])
    def test_and_what_is_refused_names_the_setting(self, host: str) -> None:
        with pytest.raises(Forbidden) as refused:
            check_request(PROXIED, "GET", "/api/v1/jobs", Headers({"host": host, **BEARER}))
        assert "CINEMILL_PUBLIC_URL" in refused.value.hint

    def test_what_a_client_says_of_another_host_changes_nothing(self) -> None:
        for name in ("x-forwarded-host", "forwarded", "x-host", "x-original-host"):
            with pytest.raises(Forbidden):
                check(
                    "GET", "/health", {"host": "evil.example", name: "media.example.com"}, PROXIED
                )


class TestOrigin:
    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            ("https://media.example.com:8443", "127.0.0.1:8420"),
            ("https://media.example.com:8443", "media.example.com"),
            ("http://[fd00::5]", "127.0.0.1:8420"),
            ("https://xn--9ca.example", "127.0.0.1:8420"),
            ("https://media.example.com", "media.example.com:443"),
            ("http://media.example.com", "media.example.com:80"),
        ],
    )
    def test_page_of_a_public_url_is_our_own(self, origin: str, host: str) -> None:
        cookie = {"cookie": f"{NAME}={POLICY.cookie_value}"}
        for method in ("POST", SOCKET_METHOD):
            check(method, "/upload", cookie | {"origin": origin, "host": host}, PROXIED)

    @pytest.mark.parametrize(
        "origin",
        [
            "http://media.example.com:8443",
            "https://media.example.com",
            "https://media.example.com:8444",
            "https://media.example.com:8443.evil.example",
            "https://evil.example",
            "null",
            "",
            "http://[",
            "https://]media.example.com",
            "https://[media.example.com]",
        ],
    )
    def test_page_of_another_origin_is_not(self, origin: str) -> None:
        with pytest.raises(Forbidden) as refused:
            check("POST", "/upload", COOKIE | {"origin": origin}, PROXIED)
        assert "CINEMILL_PUBLIC_URL" in refused.value.hint

    def test_browser_that_knows_its_page_is_ours_is_believed_with_the_cookie_alone(self) -> None:
        ours = {"origin": "https://media.example.com", "sec-fetch-site": "same-origin"}
        check("POST", "/upload", COOKIE | ours)
        with pytest.raises(Unauthorized):
            check("POST", "/upload", ours)
        with pytest.raises(Forbidden):
            check("POST", "/upload", ours, OPEN)

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": "http://127.0.0.1:9999"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ],
    )
    @pytest.mark.parametrize("policy", [POLICY, OPEN], ids=["token", "off"])
    def test_another_sites_page_may_change_nothing(
        self, headers: dict[str, str], policy: AccessPolicy
    ) -> None:
        with pytest.raises(Forbidden) as refused:
            check("POST", "/upload", COOKIE | headers, policy)
        assert refused.value.code == "origin_not_allowed"

    @pytest.mark.parametrize(
        "headers", [{"origin": f"http://{HOST}"}, {"sec-fetch-site": "same-origin"}, {}]
    )
    def test_our_own_page_may(self, headers: dict[str, str]) -> None:
        check("POST", "/upload", COOKIE | headers)

    def test_script_with_the_token_is_asked_for_no_origin(self) -> None:
        check("DELETE", "/api/v1/jobs/1", {"origin": "http://tools.example"} | BEARER)

    def test_reading_is_not_asked_for_an_origin(self) -> None:
        check("GET", "/api/v1/jobs", {"origin": "http://evil.example"} | COOKIE)


class TestSockets:
    """A handshake is a GET, and still has to be of the page itself, or of a script."""

    @pytest.mark.parametrize(
        "origin", ["http://evil.example", "null", "http://127.0.0.1:8421", "http://["]
    )
    @pytest.mark.parametrize("policy", [POLICY, OPEN], ids=["token", "no token"])
    def test_socket_of_another_site_is_refused(self, origin: str, policy: AccessPolicy) -> None:
        with pytest.raises(Forbidden) as refused:
            check(SOCKET_METHOD, "/x/ws", {"origin": origin, **COOKIE}, policy)
        assert refused.value.code == "origin_not_allowed"

    def test_socket_of_the_page_needs_its_cookie(self) -> None:
        own = {"origin": f"http://{HOST}"}
        check(SOCKET_METHOD, "/x/ws", own | COOKIE)
        check(SOCKET_METHOD, "/x/ws", own, OPEN)
        with pytest.raises(Unauthorized):
            check(SOCKET_METHOD, "/x/ws", own)

    def test_socket_of_a_script_needs_the_token(self) -> None:
        check(SOCKET_METHOD, "/x/ws", BEARER)
        with pytest.raises(Unauthorized):
            check(SOCKET_METHOD, "/x/ws")


class TestSignIn:
    def test_link_sets_the_cookie_and_loses_the_token(self) -> None:
        response = sign_in(POLICY, "/", "token=secret-token")
        assert response is not None
        assert response.headers["location"] == "./"
        cookie = response.headers["set-cookie"]
        assert cookie.startswith(f"{NAME}={POLICY.cookie_value};")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie

    @pytest.mark.parametrize("query", ["", "token=", "token=wrong", "other=secret-token"])
    def test_wrong_link_sets_none(self, query: str) -> None:
        assert sign_in(POLICY, "/", query) is None

    @pytest.mark.parametrize(
        ("path", "query", "location"),
        [
            ("/assets/a%20b", "", "/assets/a%20b"),
            ("/assets/a%2Fb", "", "/assets/a%2Fb"),
            ("/reviews", "x=1&y=&x=2", "/reviews?x=1&y=&x=2"),
            ("/what%3F", "q=a%26b", "/what%3F?q=a%26b"),
            ("/http://evil.example", "", "/http://evil.example"),
            ("/javascript:alert(1)", "", "/javascript%3Aalert%281%29"),
            # What a browser would take for another host, or for a second header.
            ("//evil.example/", "", "//evil.example/"),
            ("/\\evil.example", "", "/%5Cevil.example"),
            ("/a\r\nSet-Cookie: b", "", "/a%0D%0ASet-Cookie%3A%20b"),
        ],
    )
    def test_sign_in_returns_to_the_page_asked_for_on_this_site(
        self, path: str, query: str, location: str
    ) -> None:
        response = sign_in(POLICY, path, f"{query}&token=secret-token")
        assert response is not None
        assert response.headers["location"].startswith("./")
        found = urljoin(f"http://{HOST}{path}", response.headers["location"])
        # Python's function joins slashes; browsers keep them, which leads to the same page here.
        assert found == f"http://{HOST}{location.replace('//', '/')}"

    def test_sign_in_below_a_known_path_returns_to_the_whole_address(self) -> None:
        for path, location in (
            ("/cinemill/", "/cinemill/"),
            ("/cinemill/assets/a%2Fb", "/cinemill/assets/a%2Fb"),
            ("//evil.example/cinemill", "/evil.example/cinemill"),
        ):
            response = sign_in(POLICY, path, "token=secret-token", BELOW)
            assert response is not None
            assert response.headers["location"] == location

    def test_cookie_follows_the_public_url(self) -> None:
        for visit, name, more in (
            (BELOW, "__Secure-cinemill-8443", {"Path=/cinemill", "Secure"}),
            (Visit(is_secure=True), "__Host-cinemill-8420", {"Path=/", "Secure"}),
            (Visit(parse_public_urls("http://media.lan")[0]), "cinemill-80", {"Path=/"}),
        ):
            response = sign_in(POLICY, "/", "token=secret-token", visit)
            assert response is not None
            pair, *attributes = response.headers["set-cookie"].split("; ")
            assert pair == f"{name}={POLICY.cookie_value}"
            assert more == set(attributes) - {"HttpOnly", "Max-Age=2592000", "SameSite=strict"}
            check_request(
                POLICY, "GET", "/api/v1/jobs", Headers({"host": HOST, "cookie": pair}), visit
            )
            with pytest.raises(Unauthorized):
                check("GET", "/api/v1/jobs", {"cookie": pair})


class TestTokenFile:
    def test_it_is_made_once_and_for_its_owner_alone(self, tmp_path: Path) -> None:
        home = tmp_path / "new" / "home"
        token = ensure_token(home)
        assert len(token) >= 32
        assert ensure_token(home) == token
        assert stat.S_IMODE(token_path(home).stat().st_mode) == 0o600
        assert [path.name for path in home.iterdir()] == ["token"]

    def test_all_who_start_at_once_read_the_same(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(16) as threads:
            tokens = set(threads.map(ensure_token, [tmp_path] * 64))
        assert len(tokens) == 1
        assert len(list(tmp_path.iterdir())) == 1


class TestBlankSecrets:
    """No token file may hold a blank; if one came here all the same, it would open nothing."""

    @pytest.mark.parametrize("token", [None, "", " ", "\t\n"])
    @pytest.mark.parametrize("given", ["", " ", "\t\n"])
    def test_nothing_proves_a_blank_token(self, token: str | None, given: str) -> None:
        policy = AccessPolicy(token=token, host="127.0.0.1", port=8420)
        assert not has_bearer(policy, Headers({"authorization": f"Bearer {given}"}))
        assert not has_bearer(policy, Headers({"authorization": "Bearer"}))
        cookie = f"{policy.name_cookie(Visit())}={policy.cookie_value}"
        assert not has_cookie(policy, Headers({"cookie": cookie}))
        assert not has_cookie(policy, Headers({"cookie": f"{policy.name_cookie(Visit())}="}))
        assert sign_in(policy, "/", f"token={given}") is None
        assert sign_in(policy, "/", "token=") is None

    @pytest.mark.parametrize("token", ["", " "])
    def test_blank_token_lets_nobody_in(self, token: str) -> None:
        policy = AccessPolicy(token=token, host="127.0.0.1", port=8420)
        for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Bearer  "}):
            with pytest.raises(Unauthorized):
                check("GET", "/api/v1/jobs", headers, policy)

    @pytest.mark.parametrize("content", ["", "\n", "short"])
    def test_token_file_without_a_token_is_no_token(self, tmp_path: Path, content: str) -> None:
        token_path(tmp_path).write_text(content)
        with pytest.raises(SecretUnusable, match="token"):
            ensure_token(tmp_path)
