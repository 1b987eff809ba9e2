"""What a proxy in front says of a request: believed of those that are named, and of no other.

Only ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are read, which nginx, Caddy and Traefik write. A
proxy passes on what it does not write itself, so ``Forwarded`` or ``X-Real-IP`` next to them would
be the client's own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from cinemill.addresses import PublicUrl

UNIX_SOCKET = "unix"
"""In place of an address: a proxy that was reached through a Unix socket."""
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}", re.ASCII)
_SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}

Network = IPv4Network | IPv6Network
RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as they came."""


@dataclass(frozen=True, slots=True)
class Front:
    """What is known of the proxies in front of the server."""

    urls: tuple[PublicUrl, ...] = ()
    """Where they serve it."""
    networks: tuple[Network, ...] = ()
    """Whose words about a client are believed."""
    trusts_sockets: bool = False
    paths: tuple[str, ...] = field(init=False, default=())
    """The paths of those URLs, the longest first, without empty ones."""

    def __post_init__(self) -> None:
        paths = {one.path for one in self.urls if one.path}
        object.__setattr__(self, "paths", tuple(sorted(paths, key=len, reverse=True)))

    def trusts(self, address: str) -> bool:
        """Return whether an address is of a proxy that is believed."""
        if not address or address.startswith(f"{UNIX_SOCKET}:"):
            return self.trusts_sockets
        number = _parse_address(address)
        return number is not None and any(number in network for network in self.networks)

    def find_client(self, peer: str, headers: RawHeaders) -> str:
        """Return the address that a request comes from.

        From the right: each proxy adds who it was reached by, so the first that is not trusted is
        the last that somebody trusted has seen. What is left of it, anybody may have written.
        """
        if not self.trusts(peer):
            return peer
        client = peer
        for written in reversed(_values(headers, b"x-forwarded-for")):
            address = _WITH_PORT.sub(r"\1\2", written.decode("latin-1"))
            number = _parse_address(address)
            if number is None and not address.startswith(f"{UNIX_SOCKET}:"):
                break
            client = address if number is None else str(number)
            if not self.trusts(client):
                break
        return client

    def find_scheme(self, peer: str, headers: RawHeaders) -> str | None:
        """Return the scheme that a trusted proxy was asked by; None where none says so."""
        said = _values(headers, b"x-forwarded-proto") if self.trusts(peer) else []
        return _SCHEMES.get(said[-1].lower()) if said else None

    def is_forwarded(self, peer: str, headers: RawHeaders) -> bool:
        """Return whether a trusted proxy passed the request on, rather than sent one itself."""
        return self.trusts(peer) and bool(_values(headers, b"x-forwarded-for"))

    def find_path(self, path: str) -> str:
        """Return the public path that a request's path is below; empty for none.

        A proxy may pass on the path as it was asked for.
        """
        below = (one for one in self.paths if path == one or path.startswith(f"{one}/"))
        return next(below, "")


def make_front(urls: tuple[PublicUrl, ...], proxies: str | None) -> Front:
    """Return the front of a server; ``proxies`` is as settings have it, with commas."""
    words = [word for word in (proxies or "").split(",") if word]
    networks = tuple(ip_network(word) for word in words if word != UNIX_SOCKET)
    return Front(urls, networks, trusts_sockets=UNIX_SOCKET in words)


def _parse_address(written: str) -> IPv4Address | IPv6Address | None:
    try:
        number = ip_address(written)
    except ValueError:
        return None
    mapped = number.ipv4_mapped if isinstance(number, IPv6Address) else None
    return number if mapped is None else mapped


def _values(headers: RawHeaders, name: bytes) -> Sequence[bytes]:
    """Return what all headers of a name list, in order."""
    lists = b",".join(value for found, value in headers if found == name)
    return [value.strip() for value in lists.split(b",") if value.strip()]
