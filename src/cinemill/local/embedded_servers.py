"""The embedded servers alone, for tests and for callers that need no workers and no API."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cinemill.errors import DatabaseUnavailable, DependencyUnavailable, RedisUnavailable
from cinemill.local.home import lock_home, open_home
from cinemill.local.servers import postgres, valkey
from cinemill.local.supervisor.children import signal_process, start_child

START_SECONDS = 60.0
POLL_SECONDS = 0.02


@dataclass
class RunningServer:
    """One server process that we started; tests kill it and start it again."""

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool]
    log_file: Path
    stop_signal: int
    identity: str = "same"
    failure: type[DependencyUnavailable] = DependencyUnavailable
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """Process id of the running server. Raises ``failure`` when it is not running."""
        if self.process is None:
            raise self.failure(f"{self.name} is not running.")
        return self.process.pid

    def start(self) -> None:
        """Start the server and wait until it is ready; after a kill -9 it may take more attempts.

        Raises ``failure`` with the log's last lines when it is not ready within 60 s.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self.process is None or self.process.poll() is not None:
                self._launch()
            if time.monotonic() > deadline:
                raise self.failure(f"{self.name} did not start: {self._log_tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server gracefully; kill it after 10 s."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Kill the server with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def _launch(self) -> None:
        if self.process is not None:
            time.sleep(0.2)  # backends of its last run may still be releasing the data
        with self.log_file.open("ab") as log:
            self.process = start_child(
                self.command, log=log, death_signal=self.stop_signal, identity=self.identity
            )

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        signal_process(self.process.pid, number)
        try:
            self.process.wait(timeout=postgres.GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _log_tail(self) -> str:
        return " ".join(self.log_file.read_text("utf-8", "replace").splitlines()[-3:])


@dataclass(frozen=True)
class Servers:
    """Addresses of the running servers, and their processes."""

    database_url: str
    redis_url: str
    postgres: RunningServer
    valkey: RunningServer


@contextmanager
def embedded_servers(home_folder: Path) -> Iterator[Servers]:
    """Run Valkey and PostgreSQL in ``home_folder`` until the block ends.

    Call it from the main thread. Raises HomeLocked, ToolMissing, SecretUnusable,
    DatabaseUnavailable or RedisUnavailable.
    """
    home = open_home(home_folder)
    with lock_home(home):
        cache = valkey.describe_valkey(home.valkey)
        database = postgres.describe_postgres(home.postgres)
        servers = Servers(
            database_url=database.url,
            redis_url=cache.url,
            postgres=_as_running_postgres(database, home.log / "postgres.log"),
            valkey=_as_running_valkey(cache, home.log / "valkey.log"),
        )
        try:
            postgres.init_cluster(database)
            servers.valkey.start()
            servers.postgres.start()
            postgres.create_database(database)
            yield servers
        finally:
            servers.valkey.stop()
            servers.postgres.stop()


def _as_running_postgres(server: postgres.PostgresServer, log_file: Path) -> RunningServer:
    """Return a prepared PostgreSQL as a server that can be started."""
    return RunningServer(
        name="PostgreSQL",
        command=server.command,
        is_ready=server.is_ready,
        log_file=log_file,
        stop_signal=postgres.STOP_SIGNAL,
        identity=server.identity,
        failure=DatabaseUnavailable,
    )


def _as_running_valkey(server: valkey.ValkeyServer, log_file: Path) -> RunningServer:
    """Return a prepared Valkey as a server that can be started."""
    return RunningServer(
        name="Valkey",
        command=server.command,
        is_ready=server.is_ready,
        log_file=log_file,
        stop_signal=valkey.STOP_SIGNAL,
        failure=RedisUnavailable,
    )
