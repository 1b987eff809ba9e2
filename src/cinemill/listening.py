"""Listening on a TCP address, and why that fails: in use, not of this machine, not permitted."""

from __future__ import annotations

import errno
import socket
from typing import Any

from cinemill.errors import AddressUnusable, DependencyUnavailable, PortInUse

FIRST_OPEN_PORT = 1024
_REASONS = {
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EAFNOSUPPORT: "this machine does not support that kind of address",
}


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and listens at an IP address or host name of this machine.

    Of a name with several addresses, the first that this machine has is taken, IPv4 before IPv6:
    ``localhost`` is 127.0.0.1, as proxies and people write it.

    Raises PortInUse if another program has the port, AddressUnusable if the name does not resolve,
    the address is not one of this machine, or the port needs a privilege.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as error:  # a part of the name is empty or longer than names may be
        raise AddressUnusable(f"{host[:100]!r} is no host name ({error}).") from error
    except OSError as error:
        raise _explain(host, port, error) from error
    failures: list[OSError] = []
    for family, *_, address in sorted(found, key=lambda one: one[0] != socket.AF_INET):
        try:
            return _listen_at(family, address)
        except OSError as error:
            failures.append(error)
            if error.errno not in _REASONS:
                break
    raise _explain(host, port, failures[-1]) from failures[-1]


def _listen_at(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # As servers do: an address in TIME_WAIT after a closed connection is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _explain(host: str, port: int, error: OSError) -> DependencyUnavailable:
    if isinstance(error, socket.gaierror):
        return AddressUnusable(
            f"The host name {host} does not resolve to an address ({error.strerror})."
        )
    if error.errno == errno.EADDRINUSE:
        return PortInUse(f"Port {port} on {host} is in use by another program.")
    if error.errno == errno.EACCES and port < FIRST_OPEN_PORT:
        return AddressUnusable(
            f"This user must not listen on port {port}: ports below {FIRST_OPEN_PORT} need a "
            "privilege.",
            hint="Choose a higher port with CINEMILL_PORT, and put a reverse proxy in front of it.",
        )
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return AddressUnusable(f"Cannot listen on {host}, port {port}: {reason}.")
