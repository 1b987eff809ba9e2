"""The configuration files of the servers, and addresses for the services."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from cinemill.local.servers import postgres, valkey
from cinemill.local.service_plan import loopback_of

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)


def make_valkey(folder: str = "/home/cinemill", password: str = "secret") -> valkey.ValkeyServer:
    return valkey.ValkeyServer(Path(folder), 6399, password, Path("valkey-server"))


def a_postgres(password: str = "secret") -> postgres.PostgresServer:
    return postgres.PostgresServer(Path("/x"), 5499, password, "s", Path("/bin"), "same")


@given(folder=TEXT, password=TEXT)
def test_valkey_conf_quotes_any_folder_and_password(folder: str, password: str) -> None:
    lines = valkey.render_conf(make_valkey(folder, password)).splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == [
        line.split(" ", 1)[0] for line in valkey.render_conf(make_valkey()).splitlines()
    ]


def test_valkey_conf_enables_persistence_and_forbids_eviction() -> None:
    settings = dict(line.split(" ", 1) for line in valkey.render_conf(make_valkey()).splitlines())
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["bind"] == "127.0.0.1"


@given(TEXT)
def test_server_urls_encode_any_password(password: str) -> None:
    for url in (make_valkey(password=password).url, a_postgres(password).url):
        parts = urlsplit(url)
        assert unquote(parts.password or "") == password
        assert parts.hostname == "127.0.0.1"


def test_postgres_conf_keeps_durable_commits() -> None:
    conf = dict(line.split(" = ") for line in postgres.render_conf(5499).splitlines())
    assert conf["fsync"] == "on"
    assert conf["synchronous_commit"] == "on"
    assert conf["listen_addresses"] == "'127.0.0.1'"
    assert all(len(shlex.split(value)) <= 1 for value in conf.values())


def test_loopback_address_replaces_wildcard_hosts() -> None:
    assert loopback_of("0.0.0.0") == "127.0.0.1"
    assert loopback_of("::") == "::1"
    assert loopback_of("10.0.0.7") == "10.0.0.7"
