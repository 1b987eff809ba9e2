"""Addresses that are more than a host and a port: Redis' Sentinels, and where a proxy serves us."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SENTINEL_PORT = 26379
SENTINEL_EXAMPLE = "sentinel://:password@one.example:26379,two.example:26379/mymaster/0"
PUBLIC_EXAMPLE = "https://media.example.com/cinemill"
_USUAL_PORTS = {"http": 80, "https": 443}
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_OF_THE_SENTINELS = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """Several Sentinels, any of which may be asked where the primary is now."""

    sentinels: tuple[tuple[str, int], ...]
    """(host, port), at least one."""
    primary: str
    """The name that the Sentinels know it by: ``sentinel monitor NAME …``."""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    """Of Redis itself; the Sentinels have their own, or none."""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    @property
    def sentinel_credentials(self) -> dict[str, str]:
        """What the Sentinels ask for, by the names that clients use; empty for nothing."""
        found = {"username": self.sentinel_username, "password": self.sentinel_password}
        return {name: value for name, value in found.items() if value is not None}

    def list_urls(self) -> list[str]:
        """Return one URL for each Sentinel, without the primary's name.

        kombu and Celery expect them joined by semicolons.
        """
        secret = ""
        if self.username is not None or self.password is not None:
            names = quote(self.username or "", safe=""), quote(self.password or "", safe="")
            secret = "{}:{}@".format(*names)
        return [
            f"sentinel://{secret}{f'[{host}]' if ':' in host else host}:{port}/{self.database}"
            for host, port in self.sentinels
        ]


def parse_sentinel(url: str) -> SentinelAddress | None:
    """``sentinel://[user:password@]host[:port],…/primary[/database][?sentinel_password=…]``.

    None for a URL of another scheme. Raises ValueError with a sentence that does not repeat the
    URL, which may hold a password.
    """
    if not url.startswith("sentinel://"):
        return None
    if ";" in url:
        raise ValueError(f"is one URL with commas between the Sentinels, as in {SENTINEL_EXAMPLE}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"is not a URL such as {SENTINEL_EXAMPLE}") from None
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    primary, _, database = parts.path.strip("/").partition("/")
    if not primary:
        raise ValueError(f"names no primary, as 'mymaster' in {SENTINEL_EXAMPLE}")
    return SentinelAddress(
        sentinels=tuple(_parse_host(host) for host in hosts.split(",")),
        primary=unquote(primary),
        database=_parse_number(database or "0", "the database"),
        username=unquote(username) or None,
        password=unquote(password) or None,
        **_parse_query(parts.query),
    )


def _parse_host(written: str) -> tuple[str, int]:
    host, colon, port = written.rpartition(":")
    if not colon or written.endswith("]"):
        host, port = written, str(SENTINEL_PORT)
    host = host.removeprefix("[").removesuffix("]")
    number = _parse_number(port, "a port")
    if not host or not 0 < number < 65536:
        raise ValueError(f"must name hosts and ports as in {SENTINEL_EXAMPLE}")
    return host, number


def _parse_number(written: str, what: str) -> int:
    if not (written.isascii() and written.isdigit()):
        raise ValueError(f"must have a number for {what}, as in {SENTINEL_EXAMPLE}")
    return int(written)


def _parse_query(query: str) -> dict[str, str]:
    found = dict(parse_qsl(query))
    if found.keys() - set(_OF_THE_SENTINELS):
        raise ValueError(f"takes no option but {' and '.join(_OF_THE_SENTINELS)}")
    return found


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """Where people open Cinemill through a proxy."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """In lower case and ASCII, as browsers send it; IPv6 without brackets."""
    port: int
    path: str = ""
    """Without a slash at its end; empty for a whole host."""

    @property
    def netloc(self) -> str:
        """The host, and the port unless it is the scheme's usual one, as browsers write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _USUAL_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    def __str__(self) -> str:
        return self.origin + self.path


def parse_public_urls(written: str) -> tuple[PublicUrl, ...]:
    """``https://media.example.com/cinemill``, one or several with commas or spaces between them.

    Raises ValueError with a sentence.
    """
    found = [_parse_public_url(one) for one in written.replace(",", " ").split()]
    if not found:
        raise ValueError(f"names no URL such as {PUBLIC_EXAMPLE}")
    return tuple(dict.fromkeys(found))


def _parse_public_url(url: str) -> PublicUrl:
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme.lower(), parts.port
        host = _normalise_host(parts.hostname or "")
    except ValueError:
        raise ValueError(f"is not a URL such as {PUBLIC_EXAMPLE}") from None
    if scheme not in _USUAL_PORTS or not host:
        raise ValueError(f"must begin with http:// or https:// and a host, as {PUBLIC_EXAMPLE}")
    if "@" in parts.netloc:
        raise ValueError("has a user or a password; leave them out")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("ends with its path: leave out what begins with ? or #")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("has a path that is not of letters, digits and . _ ~ - between slashes")
    if port == 0:
        raise ValueError("has the port 0")
    return PublicUrl(scheme, host, port or _USUAL_PORTS[scheme], path)


def _normalise_host(host: str) -> str:
    """Return a host as browsers send it. Raises ValueError where it can be none."""
    try:
        return str(ip_address(host))
    except ValueError:
        name = host.rstrip(".").encode("idna").decode("ascii").lower() if host else ""
    if name and not _NAME.fullmatch(name):
        raise ValueError("not a host name")
    return name
