"""A primary, a replica and Sentinels that monitor them: real processes, which a test may kill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import redis
from tests.waiting import wait_until

from cinemill.local.servers.health import find_free_port
from cinemill.local.servers.valkey import ValkeyServer, describe_valkey
from cinemill.local.supervisor.children import start_child

PRIMARY_NAME = "cinemill-primary"
PASSWORD = "p@ss/of:redis-That-Is-Long"
SENTINEL_PASSWORD = "another one"
SENTINEL_COUNT = 3
QUORUM = 2


@dataclass
class SentinelSetup:
    """The processes, and the URL under which they are one Redis."""

    primary: ValkeyServer
    replica: ValkeyServer
    url: str
    processes: list[Popen[bytes]]
    """The primary, the replica, then the Sentinels."""

    def kill_primary(self) -> None:
        kill(self.processes[0])

    def kill_first_sentinel(self) -> None:
        kill(self.processes[2])


def kill(process: Popen[bytes]) -> None:
    process.kill()
    process.wait()


def start_sentinel_setup(folder: Path, log: Path) -> SentinelSetup:
    """Start all and wait until every Sentinel knows the replica and the other Sentinels."""
    primary = prepare_server(folder / "primary")
    replica = prepare_server(folder / "replica", replica_of=primary)
    ports = [find_free_port() for _ in range(SENTINEL_COUNT)]
    commands = [primary.command, replica.command]
    commands += [command_sentinel(folder, port, primary) for port in ports]
    with log.open("ab") as out:
        processes = [start_child(command, log=out) for command in commands]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    url = f"sentinel://:p%40ss%2Fof%3Aredis-That-Is-Long@{hosts}/{PRIMARY_NAME}/0?sentinel_password=another%20one"
    wait_until(lambda: all(knows_all_others(port) for port in ports))
    return SentinelSetup(primary, replica, url, processes)


def prepare_server(folder: Path, replica_of: ValkeyServer | None = None) -> ValkeyServer:
    folder.mkdir(parents=True)
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    server = describe_valkey(folder)
    more = f'masterauth "{PASSWORD}"\nrepl-diskless-sync-delay 0\n'
    if replica_of is not None:
        more += f"replicaof 127.0.0.1 {replica_of.port}\n"
    with (folder / "valkey.conf").open("a") as conf:
        conf.write(more)
    return server


def command_sentinel(folder: Path, port: int, primary: ValkeyServer) -> tuple[str, ...]:
    """Write the configuration of a Sentinel, which it rewrites itself; return its command."""
    home = folder / f"sentinel-{port}"
    home.mkdir()
    (home / "sentinel.conf").write_text(
        f"port {port}\nbind 127.0.0.1\ndir {home}\n"
        f'requirepass "{SENTINEL_PASSWORD}"\nsentinel sentinel-pass "{SENTINEL_PASSWORD}"\n'
        f"sentinel monitor {PRIMARY_NAME} 127.0.0.1 {primary.port} {QUORUM}\n"
        f'sentinel auth-pass {PRIMARY_NAME} "{PASSWORD}"\n'
        f"sentinel down-after-milliseconds {PRIMARY_NAME} 1000\n"
        f"sentinel failover-timeout {PRIMARY_NAME} 5000\n"
    )
    return (str(primary.binary), str(home / "sentinel.conf"), "--sentinel")


def knows_all_others(port: int) -> bool:
    try:
        with redis.Redis(port=port, password=SENTINEL_PASSWORD) as sentinel:
            state = sentinel.sentinel_master(PRIMARY_NAME)
    except redis.RedisError:
        return False
    return (state["num-slaves"], state["num-other-sentinels"]) == (1, SENTINEL_COUNT - 1)
