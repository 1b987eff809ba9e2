"""A server's TCP port, chosen once and then remembered, so that addresses stay the same."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cinemill.local.servers.health import find_free_port, port_is_free
from cinemill.storage.secrets import write_private


def remember_port(path: Path) -> int:
    """Return the port written in ``path`` if it is still free, else a free one, written there."""
    with suppress(FileNotFoundError, ValueError):
        port = int(path.read_text("ascii"))
        if 0 < port < 65536 and port_is_free("127.0.0.1", port):
            return port
    port = find_free_port()
    write_private(path, f"{port}\n")
    return port
