"""The processes of an instance, which can be killed, frozen, disconnected and started again."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
from tests.faults.cuttable_proxy import CuttableProxy
from tests.stepped_clock import SteppedClock, find_faketime, restart_with_stepped_clock

from cinemill.local.embedded_servers import Servers, embedded_servers
from cinemill.local.supervisor.children import start_child
from cinemill.storage.database import Database, migrate

MARK = "DRILL_YARD"
"""Variable in the environment of every process of ours, so that all of them can be found."""
QUEUES = (
    "default,proxy,ingestion,embeddings,knowledge_graph,detection,transcode,orchestration,"
    "video_analysis"
)
PROBE_QUEUES = f"{QUEUES},preview"
"""Only the worker behind proxies serves the queue ``preview``; none serves ``caption``."""
READY_SECONDS = 60.0


@dataclass
class Part:
    """One process that we start, with its descendants."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log_file: Path
    ready_file: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    started_at: float = 0.0

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def is_ready(self) -> bool:
        return self.is_running and self.ready_file.exists()

    def start(self, **more: str) -> None:
        """Start it without waiting; ``more`` is added to its environment for this start."""
        self.ready_file.unlink(missing_ok=True)
        self.started_at = time.time()
        with self.log_file.open("ab") as log:
            # Through the launcher, so that it dies with the drill, however that ends.
            self.process = start_child(
                self.command,
                log=log,
                environment={
                    **self.environment,
                    "CINEMILL_READY_FILE": str(self.ready_file),
                    **more,
                },
            )

    def log_tail(self, lines: int = 40) -> list[str]:
        """Return the end of its log, to find out why it ended."""
        return self.log_file.read_text(errors="replace").splitlines()[-lines:]

    def children(self) -> list[psutil.Process]:
        """Return its pool processes: direct children only."""
        with suppress(psutil.Error):
            return psutil.Process(self.pid).children()
        return []

    def tree(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def kill(self) -> None:
        """Kill the main process only; its descendants must end by themselves."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()

    def stop(self, patience_seconds: float) -> bool:
        """Send SIGTERM, and SIGKILL after a while; return whether it ended in time."""
        if self.process is None:
            return True
        self.process.terminate()
        try:
            self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


@dataclass(frozen=True)
class ClusterPlan:
    """Settings that differ from the product's, so that a drill ends within minutes."""

    lease_seconds: float = 6.0
    heartbeat_seconds: float = 2.0
    max_crashes: int = 3
    workers: int = 4
    concurrency: int = 3
    disk_mib: int = 160

    def environment(self) -> dict[str, str]:
        return {
            "CINEMILL_LEASE_SECONDS": str(self.lease_seconds),
            "CINEMILL_HEARTBEAT_SECONDS": str(self.heartbeat_seconds),
            "CINEMILL_MAX_CRASHES": str(self.max_crashes),
            "CINEMILL_STALL_SECONDS": "30",
            "CINEMILL_MIN_FREE_BYTES": str(4 * 1024**2),
            "CINEMILL_AUTH": "off",
            "CELERY_TASK_DEFAULT_RETRY_DELAY": "1",
        }


class Cluster:
    """Servers, workers ``w1``…, relays ``b1`` and ``b2``, the API, and two proxies of ``w1``."""

    def __init__(self, folder: Path, plan: ClusterPlan) -> None:
        self.folder = folder
        self.plan = plan
        self.mark = secrets.token_hex(8)
        self.home = folder / "home"
        self.films = folder / "films"
        self.parts: dict[str, Part] = {}
        self._exits = ExitStack()
        self.servers: Servers
        self.environment: dict[str, str]
        self.database: Database
        self.proxies: dict[str, CuttableProxy] = {}
        self.has_small_disk = False
        self.database_clock: SteppedClock | None = None
        """None without libfaketime."""

    def __enter__(self) -> Cluster:
        for place in (self.home, self.films, self.folder / "log", self.folder / "home2"):
            place.mkdir(mode=0o700, parents=True)
        try:
            self._open()
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _open(self) -> None:
        self.has_small_disk = self._mount_small_disk()
        self.servers = self._exits.enter_context(embedded_servers(self.folder / "servers"))
        if (library := find_faketime()) is not None:
            place = self.folder / "servers" / "clock"
            place.mkdir()
            self.database_clock = restart_with_stepped_clock(self.servers.postgres, place, library)
        self._exits.callback(self.kill_all)
        self.api_port = _free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if "CINEMILL" not in name},
            **self.plan.environment(),
            MARK: self.mark,
            "CINEMILL_HOME": str(self.home),
            "CINEMILL_PORT": str(self.api_port),
            "CINEMILL_INPUT_ROOTS": str(self.films),
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "REMAP_SIGTERM": "SIGQUIT",
            "PYTHONUNBUFFERED": "1",
        }
        migrate(self.servers.database_url)
        _notice_deadlocks_early(self.folder, self.servers.postgres.pid)
        self.database = Database(self.servers.database_url, application_name="drill")
        self._exits.callback(self.database.close)
        self._describe_parts()

    def start_all(self) -> None:
        for part in self.parts.values():
            if part.name != "b2":
                part.start()
        self.wait_ready(*(name for name in self.parts if name not in ("b2", "api")))

    def wait_ready(self, *names: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not all(self.parts[name].is_ready for name in names):
            if time.monotonic() > deadline:
                late = [name for name in names if not self.parts[name].is_ready]
                raise TimeoutError(f"not ready: {late}; see {self.folder / 'log'}")
            time.sleep(0.05)

    @property
    def workers(self) -> list[Part]:
        return [part for name, part in self.parts.items() if name.startswith("w")]

    def find_worker(self, pid: int) -> Part | None:
        """Return the worker whose pool process this is."""
        for part in self.workers:
            if part.is_running and any(child.pid == pid for child in part.children()):
                return part
        return None

    def processes(self) -> list[psutil.Process]:
        """Return every running process of ours except the servers.

        It is found by its environment, its command line or its folder (FFmpeg gets an environment
        of its own).
        """
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def kill_all(self) -> None:
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        for part in self.parts.values():
            if part.process is not None:
                part.process.wait()
        for proxy in self.proxies.values():
            proxy.destroy()

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid():
            return False
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process.environ().get(MARK) == self.mark:
                return True
            home = str(self.home)
            return any(home in word for word in process.cmdline()) or home in process.cwd()
        return False

    def _describe_parts(self) -> None:
        for index in range(1, self.plan.workers + 1):
            self._add_worker(f"w{index}", wired=index == 1)
        self._add("b1", ("-m", "tests.faults.drill_worker", "beat"), {})
        second_home = {"CINEMILL_HOME": str(self.folder / "home2")}
        self._add("b2", ("-m", "tests.faults.drill_worker", "beat"), second_home)
        self._add("api", ("-m", "cinemill.api"), {})

    def _add_worker(self, name: str, *, wired: bool) -> None:
        more: dict[str, str] = {}
        if wired:
            for which, key in (("postgres", "DATABASE_URL"), ("redis", "REDIS_URL")):
                port = urlsplit(self.environment[key]).port
                assert port is not None
                self.proxies[which] = CuttableProxy(port)
                more[key] = replace_port(self.environment[key], self.proxies[which].port)
        queues = PROBE_QUEUES if wired else QUEUES
        arguments = ("worker", queues, str(self.plan.concurrency), f"{name}@drill")
        self._add(name, ("-m", "tests.faults.drill_worker", *arguments), more)

    def _add(self, name: str, command: tuple[str, ...], more: Mapping[str, str]) -> None:
        self.parts[name] = Part(
            name=name,
            command=(sys.executable, *command),
            environment={**self.environment, **more},
            log_file=self.folder / "log" / f"{name}.out",
            ready_file=self.folder / f"{name}.ready",
        )

    def _mount_small_disk(self) -> bool:
        """Mount a small tmpfs for the store, if permitted, to simulate a full disk."""
        store = self.home / "objects"
        store.mkdir(mode=0o700)
        mount, umount = shutil.which("mount"), shutil.which("umount")
        if mount is None or umount is None or os.geteuid() != 0:
            return False
        size = f"size={self.plan.disk_mib}m,mode=700"
        command = [mount, "-t", "tmpfs", "-o", size, "drill", str(store)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return False
        self._exits.callback(
            subprocess.run, [umount, "-l", str(store)], capture_output=True, check=False
        )
        return True


def freeze(processes: Iterator[psutil.Process] | list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGSTOP)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def replace_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    credentials, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))


def _notice_deadlocks_early(folder: Path, server_pid: int) -> None:
    """Have PostgreSQL look for deadlocks before our statements time out; its default is 1 s."""
    [settings] = folder.rglob("postgresql.auto.conf")
    with settings.open("a") as file:
        file.write("deadlock_timeout = '50ms'\n")
    os.kill(server_pid, signal.SIGHUP)
