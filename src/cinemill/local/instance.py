"""``supervise``: a whole instance on one home, from its start until it is stopped."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from rich.console import Console

from cinemill.addresses import parse_sentinel
from cinemill.config import Settings
from cinemill.config.running import SERVICES_FILE
from cinemill.errors import AddressUnusable, DatabaseUnavailable, PortInUse, RedisUnavailable
from cinemill.listening import listen
from cinemill.local.home import lock_home, open_home, remove_state, write_state
from cinemill.local.servers.health import accepts_connections
from cinemill.local.service_plan import ServicePlan, plan_services, prepare_services
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.supervisor.service_reports import ServiceReports
from cinemill.local.supervisor.status import StatusLines
from cinemill.local.supervisor.supervisor import Supervisor
from cinemill.shared_memory import require_semaphores

PORT_SECONDS = 1.0
"""How long an API that was just killed may hold its port."""
ADDRESS_SECONDS = 10.0
"""How long a server that the user runs may take to start at the same time as we do."""


@dataclass(frozen=True)
class Instance:
    """Addresses of the instance that runs here; its token is in ``CINEMILL_HOME/token``."""

    pid: int
    api_url: str
    database_url: str
    redis_url: str
    seconds_to_ready: float
    public_url: str | None = None
    """Where people open it through a proxy; None for ``api_url``."""
    database_direct_url: str = ""
    """PostgreSQL itself, where ``database_url`` leads to a pooler."""

    def state(self) -> dict[str, int | str]:
        """Return what other commands on this home find in ``run/state.json``."""
        public = {"public_url": self.public_url} if self.public_url else {}
        return {
            **public,
            "pid": self.pid,
            "api_url": self.api_url,
            "database_url": self.database_url,
            "database_direct_url": self.database_direct_url,
            "redis_url": self.redis_url,
        }


async def supervise(
    settings: Settings,
    *,
    with_flower: bool = False,
    on_ready: Callable[[Instance], None] | None = None,
    console: Console | None = None,
    liveness: Liveness | None = None,
) -> None:
    """Run the instance until SIGINT, SIGTERM or SIGHUP. Call it from the main thread.

    Status lines go to ``console`` (None: to the log only); ``on_ready`` is called once, when
    all services are ready. Raises HomeLocked, PortInUse, AddressUnusable, SharedMemoryUnusable or
    SecretUnusable before anything is started, ToolMissing or DependencyUnavailable (its code names
    the cause, such as database_newer) if the start fails.
    """
    began = time.monotonic()
    home = open_home(settings.home)
    with lock_home(home):
        await check_port(settings.host, settings.port)
        if with_flower:
            await check_port(
                "127.0.0.1",
                settings.flower_port,
                hint="Choose another with FLOWER_PORT, or start without Flower.",
            )
        if settings.celery_worker_pool == "prefork":
            require_semaphores()
        service_plan = prepare_services(settings, home)
        await check_addresses(settings)
        supervisor = Supervisor(
            plan_services(settings, home, service_plan, with_flower=with_flower),
            log_folder=home.log,
            status=StatusLines(console),
            liveness=liveness,
            reports=ServiceReports(home.run / SERVICES_FILE),
        )

        def announce() -> None:
            instance = _describe_instance(settings, service_plan, time.monotonic() - began)
            write_state(home, instance.state())
            if on_ready is not None:
                on_ready(instance)

        try:
            await supervisor.run(announce)
        finally:
            remove_state(home)


async def check_port(host: str, port: int, *, hint: str | None = None) -> None:
    """Raise PortInUse if another program still listens on the port after a second.

    Raises AddressUnusable at once for an address at which this machine cannot listen. ``hint``
    replaces those of both, which are about the API's own address.
    """
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            listen(host, port).close()
        except PortInUse as error:
            if time.monotonic() > deadline:
                raise PortInUse(error.message, hint=hint) from error
            await asyncio.sleep(0.05)
        except AddressUnusable as error:
            raise AddressUnusable(error.message, hint=hint or error.hint) from error
        else:
            return


async def check_addresses(settings: Settings) -> None:
    """Raise DatabaseUnavailable or RedisUnavailable if nothing listens at a configured address.

    Checked first, so that the error names the server; the services would retry for minutes.
    """
    given = (
        ("PostgreSQL", "DATABASE_URL", settings.database_url, 5432, DatabaseUnavailable),
        (
            "PostgreSQL",
            "DATABASE_DIRECT_URL",
            settings.database_direct_url,
            5432,
            DatabaseUnavailable,
        ),
        ("Redis", "REDIS_URL", settings.redis_url, 6379, RedisUnavailable),
    )
    for name, setting, url, usual_port, failure in given:
        endpoints = list_endpoints(url or "", usual_port)
        if endpoints and not await _listens(endpoints):
            where = " or ".join(f"{host}:{port}" for host, port in endpoints)
            raise failure(
                f"{name} does not respond at {where}.",
                hint=f"Start it, correct {setting}, or unset it to use the embedded one.",
            )


def list_endpoints(url: str, usual_port: int) -> tuple[tuple[str, int], ...]:
    """Return (host, port) of a URL's server or of each Sentinel; none for a socket or no URL."""
    if sentinels := parse_sentinel(url):
        return sentinels.sentinels
    address = urlsplit(url)
    return () if address.hostname is None else ((address.hostname, address.port or usual_port),)


async def _listens(endpoints: Sequence[tuple[str, int]]) -> bool:
    """Return whether anything listens at one of these addresses within ten seconds."""
    deadline = time.monotonic() + ADDRESS_SECONDS
    while True:
        for host, port in endpoints:
            if await asyncio.to_thread(accepts_connections, host, port):
                return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)


def _describe_instance(settings: Settings, service_plan: ServicePlan, seconds: float) -> Instance:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return Instance(
        pid=os.getpid(),
        api_url=f"http://{host}:{settings.port}",
        database_url=service_plan.database_url,
        database_direct_url=settings.database_direct_url or "",
        redis_url=service_plan.redis_url,
        seconds_to_ready=seconds,
        public_url=str(settings.public_urls[0]) if settings.public_urls else None,
    )
