"""The services of an instance: which ones run, in what order, and with which settings."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from cinemill.config import Settings
from cinemill.local.home import Home
from cinemill.local.servers import postgres, valkey
from cinemill.local.servers.health import accepts_connections, http_is_alive, http_is_ready
from cinemill.local.servers.postgres import PostgresServer
from cinemill.local.servers.valkey import ValkeyServer
from cinemill.local.supervisor.liveness import AllSigns, AnyActivity, CpuActivity, Pulse
from cinemill.local.supervisor.spec import ServiceSpec

WORKER_GRACE_SECONDS = 40.0
"""Celery's own grace for running work is 30 s (its soft shutdown); ours is a little longer."""
GRACE_SECONDS = 5.0
MIGRATION_SECONDS = 120.0
"""How long the migration waits for an embedded database, which is created at the first start."""
LIVENESS_PATH = "/static/mark.svg"
"""A path that needs neither PostgreSQL nor Redis, which may be slow, and that is not logged."""
READY_FILE = "CINEMILL_READY_FILE"
"""Variable that names the file which a worker or beat creates when it is ready."""
PULSE_FILE = "CINEMILL_PULSE_FILE"
"""Variable that names the file which a worker touches while it takes the work waiting for it."""

# Stopped from the lowest rank up: the services, then the servers they need. Services get their stop
# signals in the order of the plan (API, workers, beat), each without waiting for the one before:
# the API's last job is a row in the database, and Celery alone takes over a second to stop.
SERVICES, REDIS, DATABASE = range(3)


@dataclass(frozen=True)
class ServicePlan:
    """The embedded servers that run here (None: an address is configured) and all addresses."""

    postgres: PostgresServer | None
    valkey: ValkeyServer | None
    database_url: str
    redis_url: str


def prepare_services(settings: Settings, home: Home) -> ServicePlan:
    """Prepare what is quick to prepare: ports, passwords and configuration.

    Raises ToolMissing, SecretUnusable.
    """
    database = None if settings.database_url else postgres.describe_postgres(home.postgres)
    cache = None if settings.redis_url else valkey.describe_valkey(home.valkey)
    return ServicePlan(
        postgres=database,
        valkey=cache,
        database_url=database.url if database else str(settings.database_url),
        redis_url=cache.url if cache else str(settings.redis_url),
    )


def plan_services(
    settings: Settings, home: Home, service_plan: ServicePlan, *, with_flower: bool = False
) -> list[ServiceSpec]:
    """Return every service of the instance on this home, in the order in which people see them."""
    environment = child_environment(settings, home, service_plan, os.environ)
    servers = [
        *([_plan_valkey(service_plan.valkey, home)] if service_plan.valkey else []),
        *([_plan_postgres(service_plan.postgres, home)] if service_plan.postgres else []),
    ]
    server_names = tuple(server.name for server in servers)
    services = [
        _plan_migration(home, environment),
        _plan_api(settings, home, environment, (*server_names, "migration")),
        _plan_worker(settings, home, environment, (*server_names, "migration")),
        _plan_beat(home, environment, (*server_names, "migration")),
    ]
    if with_flower:
        services.append(_plan_flower(settings, home, environment, server_names))
    return [*servers, *services]


def child_environment(
    settings: Settings, home: Home, service_plan: ServicePlan, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return our environment with every effective setting, so that a child uses the same ones."""
    return {
        **environ,
        **settings.to_environment(),
        "CINEMILL_HOME": str(home.root),
        "DATABASE_URL": service_plan.database_url,
        "REDIS_URL": service_plan.redis_url,
        "REMAP_SIGTERM": "SIGQUIT",  # Celery: SIGTERM hands running work back, then ends
        "PYTHONUNBUFFERED": "1",
    }


def _plan_valkey(server: ValkeyServer, home: Home) -> ServiceSpec:
    return ServiceSpec(
        name="valkey",
        title="Valkey",
        command=server.command,
        log_file=home.log / "valkey.log",
        probe=server.is_ready,
        is_alive=server.is_alive,
        stop_rank=REDIS,
        stop_signal=valkey.STOP_SIGNAL,
        can_force_stop=False,
        death_signal=valkey.DEATH_SIGNAL,
        grace_seconds=valkey.GRACE_SECONDS,
    )


def _plan_postgres(server: PostgresServer, home: Home) -> ServiceSpec:
    return ServiceSpec(
        name="postgres",
        title="PostgreSQL",
        command=server.command,
        log_file=home.log / "postgres.log",
        identity=server.identity,
        prepare=partial(postgres.init_cluster, server),
        probe=server.is_ready,
        is_alive=server.is_alive,
        finish_start=partial(postgres.create_database, server),
        stop_rank=DATABASE,
        stop_signal=postgres.STOP_SIGNAL,
        can_force_stop=False,
        death_signal=postgres.DEATH_SIGNAL,
        grace_seconds=postgres.GRACE_SECONDS,
    )


def _plan_migration(home: Home, environment: Mapping[str, str]) -> ServiceSpec:
    return ServiceSpec(
        name="migration",
        title="schema",
        command=(*_python("cinemill.local.servers.migration"), str(MIGRATION_SECONDS)),
        log_file=home.log / "migration.out",
        environment=environment,
        once=True,
        stop_rank=SERVICES,
    )


def _plan_api(
    settings: Settings, home: Home, environment: Mapping[str, str], needs: tuple[str, ...]
) -> ServiceSpec:
    host = loopback_of(settings.host)
    return ServiceSpec(
        name="api",
        title="API",
        command=_python("cinemill.api"),
        log_file=home.log / "api.out",
        environment=environment,
        needs=needs,
        probe=partial(http_is_ready, host, settings.port, "/health"),
        is_alive=partial(http_is_alive, host, settings.port, LIVENESS_PATH),
        stop_rank=SERVICES,
        grace_seconds=GRACE_SECONDS,
    )


def _plan_worker(
    settings: Settings, home: Home, environment: Mapping[str, str], needs: tuple[str, ...]
) -> ServiceSpec:
    spec = _plan_celery("worker", "cinemill.worker", home, environment, needs, WORKER_GRACE_SECONDS)
    pulse_file = home.run / "worker.pulse"
    moves = AnyActivity() if settings.celery_worker_pool == "solo" else CpuActivity()
    return replace(
        spec,
        environment={**(spec.environment or {}), PULSE_FILE: str(pulse_file)},
        is_alive=AllSigns(moves, Pulse(pulse_file)),
    )


def _plan_beat(home: Home, environment: Mapping[str, str], needs: tuple[str, ...]) -> ServiceSpec:
    return _plan_celery("beat", "cinemill.worker.beat", home, environment, needs, GRACE_SECONDS)


def _plan_celery(
    name: str,
    module: str,
    home: Home,
    environment: Mapping[str, str],
    needs: tuple[str, ...],
    grace_seconds: float,
) -> ServiceSpec:
    ready_file = home.run / f"{name}.ready"
    return ServiceSpec(
        name=name,
        command=_python(module),
        log_file=home.log / f"{name}.out",
        environment={**environment, READY_FILE: str(ready_file)},
        needs=needs,
        ready_file=ready_file,
        is_alive=CpuActivity(),
        stop_rank=SERVICES,
        grace_seconds=grace_seconds,
    )


def _plan_flower(
    settings: Settings, home: Home, environment: Mapping[str, str], needs: tuple[str, ...]
) -> ServiceSpec:
    port = settings.flower_port
    return ServiceSpec(
        name="flower",
        title="Flower",
        command=(*_python("cinemill.worker.flower"), f"--port={port}"),
        log_file=home.log / "flower.out",
        environment=environment,
        needs=needs,
        probe=partial(accepts_connections, "127.0.0.1", port),
        is_alive=partial(http_is_alive, "127.0.0.1", port, "/healthcheck"),
        stop_rank=SERVICES,
        stop_signal=signal.SIGINT,
    )


def loopback_of(host: str) -> str:
    """Return the address on this machine at which a server that listens on ``host`` is reached."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)
