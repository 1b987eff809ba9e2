"""CINEMILL_PUBLIC_URL and CINEMILL_TRUSTED_PROXIES: what they take, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.config import load
from cinemill.errors import SettingsInvalid


def read(name: str, written: str, tmp_path: Path, **more: str) -> str | None:
    settings = load({"CINEMILL_HOME": str(tmp_path), name: written, **more})
    found = {"CINEMILL_PUBLIC_URL": settings.public_url}
    return found.get(name, settings.trusted_proxies)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://media.example.com", "https://media.example.com"),
        ("HTTPS://Media.Example.com.:443/", "https://media.example.com"),
        ("http://media.lan:8080/a/b/", "http://media.lan:8080/a/b"),
        ("http://[FD00::5]:80/x", "http://[fd00::5]/x"),
        ("https://é.example", "https://xn--9ca.example"),
        ("https://a.example, http://b.example", "https://a.example,http://b.example"),
        ("https://a.example https://a.example/", "https://a.example"),
    ],
)
def test_public_urls_are_as_browsers_write_them(written: str, url: str, tmp_path: Path) -> None:
    assert read("CINEMILL_PUBLIC_URL", written, tmp_path) == url


@pytest.mark.parametrize(
    "written",
    [
        "media.example.com",
        "//media.example.com",
        "ftp://media.example.com",
        "https://",
        "https:///path",
        "https://user:secret@media.example.com",
        "https://media.example.com?x=1",
        "https://media.example.com/#x",
        "https://media.example.com/a//b",
        "https://media.example.com/../x",
        "https://media.example.com/%2e",
        "https://media.example.com/a b",
        "https://media.example.com:0",
        "https://media.example.com:99999",
        "https://*.example.com",
        "https://[fd00::5",
        ",",
    ],
)
def test_what_is_no_public_url_is_refused(written: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="CINEMILL_PUBLIC_URL") as refused:
        read("CINEMILL_PUBLIC_URL", written, tmp_path)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("written", "proxies"),
    [
        ("127.0.0.1", "127.0.0.1/32"),
        ("127.0.0.1, 10.0.0.0/8 fd00::/8", "127.0.0.1/32,10.0.0.0/8,fd00::/8"),
        ("unix", "unix"),
    ],
)
def test_proxies_are_addresses_networks_or_sockets(
    written: str, proxies: str, tmp_path: Path
) -> None:
    assert read("CINEMILL_TRUSTED_PROXIES", written, tmp_path) == proxies


@pytest.mark.parametrize("written", ["*", "nginx", "10.0.0.1/8", "10.0.0.0/33", "127.0.0.1:80"])
def test_what_is_no_proxy_is_refused(written: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="CINEMILL_TRUSTED_PROXIES"):
        read("CINEMILL_TRUSTED_PROXIES", written, tmp_path)


def test_settings_file_may_list_them(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        'CINEMILL_PUBLIC_URL = ["https://a.example", "https://b.example"]\n'
        'CINEMILL_TRUSTED_PROXIES = ["127.0.0.1", "unix"]\n'
    )
    settings = load({"CINEMILL_HOME": str(tmp_path)})
    assert [str(one) for one in settings.public_urls] == ["https://a.example", "https://b.example"]
    assert settings.trusted_proxies == "127.0.0.1/32,unix"
    handed_on = load({**settings.to_environment(), "CINEMILL_HOME": str(tmp_path)})
    assert handed_on.public_urls == settings.public_urls


def test_public_installation_without_a_token_is_warned_of(tmp_path: Path) -> None:
    environment = {"CINEMILL_HOME": str(tmp_path), "CINEMILL_AUTH": "off"}
    for url, is_warned in (("https://a.example", True), ("http://localhost:9000", False)):
        warnings = load({**environment, "CINEMILL_PUBLIC_URL": url}).warnings
        assert any("CINEMILL_PUBLIC_URL" in one for one in warnings) is is_warned
