"""Readiness and liveness probes of servers, in their own protocols over plain sockets.

``local`` starts servers and must not need their clients (those belong to ``storage``), and a
probe of a few bytes is cheap enough to send twenty times a second.
"""

from __future__ import annotations

import http.client
import socket
import struct
from contextlib import closing

from cinemill.errors import DependencyUnavailable
from cinemill.listening import listen

PROBE_SECONDS = 1.0
LIVENESS_SECONDS = 5.0
"""How long a server that was ready may take to send any response at all."""
_POSTGRES_PROTOCOL = 196608  # 3.0


def postgres_is_ready(port: int, *, user: str, database: str, host: str = "127.0.0.1") -> bool:
    """Return whether PostgreSQL asks for a password; while it starts or recovers, it refuses."""
    return _ask(host, port, _startup_message(user, database))[:1] == b"R"


def postgres_is_alive(port: int, *, user: str, database: str, host: str = "127.0.0.1") -> bool:
    """Return whether PostgreSQL responds at all, be it that it recovers or has no free slot."""
    return _ask(host, port, _startup_message(user, database), seconds=LIVENESS_SECONDS) != b""


def _startup_message(user: str, database: str) -> bytes:
    names = b"".join(word.encode() + b"\0" for word in ("user", user, "database", database)) + b"\0"
    return struct.pack("!ii", len(names) + 8, _POSTGRES_PROTOCOL) + names


def valkey_is_ready(port: int, *, password: str, host: str = "127.0.0.1") -> bool:
    """Return whether Valkey responds to a PING; while it loads its file it sends an error."""
    reply = _ask(host, port, f"AUTH {password}\r\nPING\r\n".encode(), until=b"PONG\r\n")
    return reply == b"+OK\r\n+PONG\r\n"


def valkey_is_alive(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether Valkey responds at all, even to say it is loading or needs a password."""
    return _ask(host, port, b"PING\r\n", seconds=LIVENESS_SECONDS) != b""


def http_is_ready(host: str, port: int, path: str) -> bool:
    """Return whether the HTTP server responds with 200 to a GET of ``path``."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def http_is_alive(host: str, port: int, path: str, _pid: int) -> bool:
    """Return whether the HTTP server responds to a GET, with whatever status."""
    connection = http.client.HTTPConnection(host, port, timeout=LIVENESS_SECONDS)
    try:
        connection.request("GET", path)
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def accepts_connections(host: str, port: int) -> bool:
    """Return whether anything listens at this address."""
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def port_is_free(host: str, port: int) -> bool:
    """Return whether a server could listen at this address now."""
    try:
        listen(host, port).close()
    except DependencyUnavailable:
        return False
    return True


def find_free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that was free a moment ago."""
    with closing(socket.socket()) as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])


def _ask(
    host: str,
    port: int,
    request: bytes,
    *,
    until: bytes | None = None,
    seconds: float = PROBE_SECONDS,
) -> bytes:
    """Send a request and read one reply (or up to ``until``); empty if there is none."""
    reply = b""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(request)
            while chunk := connection.recv(4096):
                reply += chunk
                if until is None or reply.endswith(until) or reply.startswith(b"-"):
                    break
    except OSError:
        return b""
    return reply
