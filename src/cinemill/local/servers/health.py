"""Is the server there, and ready? Asked in its own protocol over a plain socket.

``local`` starts servers and must not need their clients (those belong to ``storage``), and a
question of a few bytes is cheap enough to ask twenty times a second.
"""

from __future__ import annotations

import http.client
import socket
import struct
from contextlib import closing

PROBE_SECONDS = 1.0
LIFE_SECONDS = 5.0
"""How long a server that was ready may take to answer anything at all."""
_POSTGRES_PROTOCOL = 196608  # 3.0


def postgres_answers(port: int, *, user: str, database: str, host: str = "127.0.0.1") -> bool:
    """True when PostgreSQL asks who we are; while it starts or recovers it answers an error."""
    return _ask(host, port, _greet_postgres(user, database))[:1] == b"R"


def postgres_lives(port: int, *, user: str, database: str, host: str = "127.0.0.1") -> bool:
    """True when PostgreSQL answers anything: that it recovers, or has no connection to spare."""
    return _ask(host, port, _greet_postgres(user, database), seconds=LIFE_SECONDS) != b""


def _greet_postgres(user: str, database: str) -> bytes:
    names = b"".join(word.encode() + b"\0" for word in ("user", user, "database", database)) + b"\0"
    return struct.pack("!ii", len(names) + 8, _POSTGRES_PROTOCOL) + names


def valkey_answers(port: int, *, password: str, host: str = "127.0.0.1") -> bool:
    """True when Valkey answers a PING; while it loads its file it answers an error."""
    reply = _ask(host, port, f"AUTH {password}\r\nPING\r\n".encode(), until=b"PONG\r\n")
    return reply == b"+OK\r\n+PONG\r\n"


def valkey_lives(port: int, *, host: str = "127.0.0.1") -> bool:
    """True when Valkey answers anything: that it loads, or wants a password."""
    return _ask(host, port, b"PING\r\n", seconds=LIFE_SECONDS) != b""


def http_answers(host: str, port: int, path: str) -> bool:
    """True when the HTTP server answers 200 to a GET of ``path``."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def http_lives(host: str, port: int, path: str, _pid: int) -> bool:
    """True when the HTTP server answers a GET, with whatever status."""
    connection = http.client.HTTPConnection(host, port, timeout=LIFE_SECONDS)
    try:
        connection.request("GET", path)
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def accepts_connections(host: str, port: int) -> bool:
    """True when something listens there, whatever it is."""
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def port_is_free(host: str, port: int) -> bool:
    """True when a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as listener:
        # As servers do: an address that only lingers after a closed connection is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def find_free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago."""
    with closing(socket.socket()) as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])


def _ask(
    host: str,
    port: int,
    question: bytes,
    *,
    until: bytes | None = None,
    seconds: float = PROBE_SECONDS,
) -> bytes:
    """Send and read one answer (or up to ``until``); empty where nobody answers."""
    answer = b""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(question)
            while chunk := connection.recv(4096):
                answer += chunk
                if until is None or answer.endswith(until) or answer.startswith(b"-"):
                    break
    except OSError:
        return b""
    return answer
