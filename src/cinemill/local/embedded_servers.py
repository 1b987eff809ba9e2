"""The embedded servers by themselves: for tests, and for whoever wants them without the mill."""

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
    """One server process that we started; it can be killed and started again, as tests do."""

    name: str
    command: tuple[str, ...]
    answers: Callable[[], bool]
    log_file: Path
    stop_signal: int
    identity: str = "same"
    failure: type[DependencyUnavailable] = DependencyUnavailable
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """Process id of the running server. Raises PartUnavailable when it does not run."""
        if self.process is None:
            raise self.failure(f"{self.name} is not running.")
        return self.process.pid

    def start(self) -> None:
        """Start and wait until it answers; after a kill -9 more than one try may be needed.

        Raises ``failure`` with the log's last lines when it is not ready in 60 s.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process is None or self.process.poll() is not None:
                self._launch()
            if time.monotonic() > deadline:
                raise self.failure(f"{self.name} did not start: {self._log_tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop in order; by force after 10 s."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        self._end(signal.SIGKILL)

    def _launch(self) -> None:
        if self.process is not None:
            time.sleep(0.2)  # its last run's backends are still letting go of the data
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
    """Where the running servers are, and the processes themselves."""

    database_url: str
    redis_url: str
    postgres: RunningServer
    valkey: RunningServer


@contextmanager
def embedded_servers(home_folder: Path) -> Iterator[Servers]:
    """Run Valkey and PostgreSQL on a home of ours until the block ends.

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
            postgres.make_database(database)
            yield servers
        finally:
            servers.valkey.stop()
            servers.postgres.stop()


def _as_running_postgres(server: postgres.PostgresServer, log_file: Path) -> RunningServer:
    """The prepared PostgreSQL as something to start."""
    return RunningServer(
        name="PostgreSQL",
        command=server.command,
        answers=server.answers,
        log_file=log_file,
        stop_signal=postgres.STOP_SIGNAL,
        identity=server.identity,
        failure=DatabaseUnavailable,
    )


def _as_running_valkey(server: valkey.ValkeyServer, log_file: Path) -> RunningServer:
    """The prepared Valkey as something to start."""
    return RunningServer(
        name="Valkey",
        command=server.command,
        answers=server.answers,
        log_file=log_file,
        stop_signal=valkey.STOP_SIGNAL,
        failure=RedisUnavailable,
    )
