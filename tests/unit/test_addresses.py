"""The address of a highly available Redis, as people write it and as Celery wants it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.addresses import SentinelAddress, parse_sentinel
from cinemill.config import load
from cinemill.errors import SettingsInvalid
from cinemill.worker.messages.redis_sentinel import translate_url

words = st.text(min_size=1, max_size=12).filter(lambda word: "\x00" not in word)
hosts = st.sampled_from(["one", "two.example", "10.0.0.1", "::1"])
ports = st.integers(1, 65535)


def bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@given(
    st.lists(st.tuples(hosts, ports), min_size=1, max_size=3),
    words,
    words,
    words,
    st.integers(0, 99),
)
def test_sentinel_address_is_read_as_written(
    places: list[tuple[str, int]], primary: str, password: str, asked: str, database: int
) -> None:
    def escape(word: str) -> str:
        return quote(word, safe="", errors="surrogatepass")

    listed = ",".join(f"{bracket(host)}:{port}" for host, port in places)
    url = (
        f"sentinel://:{escape(password)}@{listed}/{escape(primary)}/{database}"
        f"?sentinel_password={escape(asked)}"
    )
    assert parse_sentinel(url) == SentinelAddress(
        tuple(places), primary, database, password=password, sentinel_password=asked
    )


def test_sentinel_port_and_database_have_defaults() -> None:
    assert parse_sentinel("sentinel://a,[::1]/mymaster") == SentinelAddress(
        (("a", 26379), ("::1", 26379)), "mymaster"
    )


@pytest.mark.parametrize("url", ["redis://a/0", "rediss://a", "unix:///run/redis.sock", ""])
def test_urls_of_other_schemes_are_not_sentinel_addresses(url: str) -> None:
    assert parse_sentinel(url) is None
    assert translate_url(url) == (url, {})


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("sentinel://:secret@a:1;sentinel://:secret@b:1", "commas"),
        ("sentinel://:secret@a:1,b:1", "no primary"),
        ("sentinel://:secret@a:1,b:1/", "no primary"),
        ("sentinel://:secret@/mymaster", "hosts"),
        ("sentinel://:secret@a,,b/mymaster", "hosts"),
        ("sentinel://:secret@a:0/mymaster", "hosts"),
        ("sentinel://:secret@a:x/mymaster", "number"),
        ("sentinel://:secret@a/mymaster/x", "number"),
        ("sentinel://:secret@a/mymaster?db=1", "no option"),
        ("sentinel://:secret@[a/mymaster", "not a URL"),
    ],
)
def test_invalid_sentinel_address_is_rejected_without_quoting_secrets(
    url: str, complaint: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load({"REDIS_URL": url})
    ((name, sentence),) = [row for row in refused.value.problems if row[0] == "REDIS_URL"]
    assert (name, complaint in sentence) == ("REDIS_URL", True)
    assert "secret" not in sentence


def test_celery_gets_one_url_per_sentinel_and_the_primary_name() -> None:
    url, options = translate_url("sentinel://u:p%40w@a:1,[::1]:2/mymaster/3?sentinel_password=s")
    assert url == "sentinel://u:p%40w@a:1/3;sentinel://u:p%40w@[::1]:2/3"
    assert options == {"master_name": "mymaster"}


def test_sentinel_address_repr_hides_passwords() -> None:
    address = parse_sentinel("sentinel://u:hidden@a/mymaster?sentinel_password=hidden")
    assert "hidden" not in repr(address)
