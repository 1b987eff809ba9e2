"""PgBouncer between a test and its PostgreSQL, as operators set it up.

A plain module for every suite. Tests are skipped, with the reason, where it is not installed.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from tests.waiting import wait_until

from cinemill.local.servers.health import find_free_port
from cinemill.local.servers.postgres import choose_user
from cinemill.local.supervisor.children import start_child

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin")
needs_pgbouncer = pytest.mark.pooler
"""Marks tests that use ``pgbouncer``."""


@dataclass
class Pooler:
    """A pooler that can be killed, frozen and started again at the same address."""

    url: str
    configuration: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        assert PGBOUNCER is not None
        log = self.configuration.with_suffix(".out")
        # It refuses to be root, and this drill may be.
        command = (PGBOUNCER, str(self.configuration))
        with log.open("ab") as out:
            self.process = start_child(command, log=out, identity=choose_user())
        wait_until(self.answers)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.configuration.with_suffix(".out").read_text()
        address = make_url(self.url)
        with socket.socket() as client:
            return client.connect_ex((str(address.host), int(address.port or 0))) == 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def running_pooler(
    folder: Path, database_url: str, *, mode: str = "transaction", size: int = 20, **more: str
) -> Iterator[Pooler]:
    """Run PgBouncer in front of a database until the end of the block.

    ``mode`` is its ``pool_mode``, ``size`` the connections to PostgreSQL that it opens at most, and
    ``more`` are further settings of its section ``[pgbouncer]``. Clients sign in with SCRAM.
    """
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    pooler = prepare_pooler(folder, database_url, mode=mode, size=size, **more)
    pooler.start()
    try:
        yield pooler
    finally:
        pooler.kill()


def prepare_pooler(
    folder: Path, database_url: str, *, mode: str = "transaction", size: int = 20, **more: str
) -> Pooler:
    """Write PgBouncer's configuration; otherwise as ``running_pooler``."""
    folder.mkdir(parents=True, exist_ok=True)
    server, port = make_url(database_url), find_free_port()
    users = folder / "users.txt"
    users.write_text(f'"{server.username}" "{server.password or ""}"\n')
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256" if server.password else "trust",
        "auth_file": str(users),
        "pool_mode": mode,
        "default_pool_size": str(size),
        "max_client_conn": "500",
        **more,
    }
    lines = [
        "[databases]",
        f"* = host={server.host} port={server.port}",
        "[pgbouncer]",
        *(f"{name} = {value}" for name, value in settings.items()),
    ]
    configuration = folder / "pgbouncer.ini"
    configuration.write_text("\n".join(lines) + "\n")
    for place in (folder, users, configuration):
        place.chmod(0o755 if place.is_dir() else 0o644)
    url = server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    return Pooler(url, configuration)
