"""What a Celery process works with: created on first use, and again after a fork."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from cinemill.catalog import CATALOG
from cinemill.config import Settings
from cinemill.errors import (
    CinemillError,
    DatabasePooled,
    DatabaseUnavailable,
    DependencyUnavailable,
)
from cinemill.jobs.adoption.submission import CallSubmitter
from cinemill.jobs.catalog import Catalog, RetryPolicy
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.jobs.runs.runner import Runner
from cinemill.jobs.service import JobService
from cinemill.jobs.step import Handler
from cinemill.media.encoding.hardware import Hardware
from cinemill.storage.database import Database, check_route
from cinemill.storage.media.files import LocalFiles
from cinemill.telemetry import get_logger

log = get_logger(__name__)

HARD_AFTER_SOFT_SECONDS = 60.0
"""How long an attempt that must stop has before its process is killed."""
MakeHandlers = Callable[["WorkerContext"], Mapping[str, Handler]]
"""Returns the handlers by kind of step, which use the connections of a context."""
ImportHandlers = Callable[["WorkerContext"], None]
"""Imports the modules that the product's own handlers need, and opens nothing."""
FindHardware = Callable[[Settings], Hardware]
"""Returns the hardware encoders of this machine. Raises ToolMissing."""


def find_no_hardware(settings: Settings) -> Hardware:
    """Return none, for a process that encodes nothing itself."""
    return Hardware()


class WorkerContext:
    """Settings, catalog and handlers, with the connections of this process."""

    def __init__(
        self,
        settings: Settings,
        *,
        catalog: Catalog = CATALOG,
        make_handlers: MakeHandlers | None = None,
        import_handlers: ImportHandlers | None = None,
        find_hardware: FindHardware = find_no_hardware,
    ) -> None:
        """Store the settings, catalog and factories; nothing is opened yet.

        ``make_handlers`` is called once in each process, on its first work; ``import_handlers`` and
        ``find_hardware`` once in a worker, before its processes are forked.
        """
        self.settings = settings
        self.catalog = catalog.with_rates(choose_rates(settings))
        self.find_hardware = find_hardware
        self.node = ""
        """Celery's name of the worker; empty in processes that do not belong to a worker."""
        self.hardware = Hardware()
        self.slots = settings.celery_worker_concurrency
        """Tasks at a time, unless this worker was started with another number."""
        self._make_handlers = make_handlers
        self._import_handlers = import_handlers
        self._database: Database | None = None
        self._events: EventPublisher | None = None
        self._runner: Runner | None = None

    @property
    def database(self) -> Database:
        if self._database is None:
            if self.settings.database_url is None:
                raise DependencyUnavailable(
                    "No database: DATABASE_URL is not set and no Cinemill server is running here.",
                    code="database_unset",
                    hint="Run 'cinemill up' first, or set DATABASE_URL.",
                )
            self._database = Database(
                self.settings.database_url,
                direct_url=self.settings.database_direct_url,
                pool_size=self.settings.database_pool_size,
                application_name=f"cinemill {worker_name()}",
            )
        return self._database

    def check_database_route(self) -> None:
        """Check what is between here and PostgreSQL, before any work; keep no connection.

        A server that is away is no reason not to start. Raises DatabasePooled,
        DependencyUnavailable where no database is set.
        """
        try:
            check_route(self.database)
        except DatabasePooled:
            raise
        except DatabaseUnavailable as error:
            log.warning("database_unavailable", detail=error.message)
        finally:
            if self._database is not None:
                self._database.close()
            self.forget_connections()

    @property
    def redis_url(self) -> str:
        if self.settings.redis_url is None:
            raise DependencyUnavailable(
                "No Redis: REDIS_URL is not set and no Cinemill server is running here.",
                code="redis_unset",
                hint="Run 'cinemill up' first, or set REDIS_URL.",
            )
        return self.settings.redis_url

    @property
    def service(self) -> JobService:
        return JobService(self.database, catalog=self.catalog, limits=self.retry_policy)

    @property
    def calls(self) -> CallSubmitter:
        return CallSubmitter(self.service, self.database, self.catalog)

    @property
    def events(self) -> EventPublisher:
        if self._events is None:
            self._events = EventPublisher(self.redis_url, catalog=self.catalog)
        return self._events

    @property
    def rates(self) -> RateLimiter:
        return RateLimiter(self.redis_url)

    @property
    def files(self) -> LocalFiles:
        return LocalFiles(self.settings.home / "objects")

    @property
    def work_folder(self) -> Path:
        return self.settings.temp_dir

    @property
    def retry_policy(self) -> RetryPolicy:
        settings = self.settings
        return RetryPolicy(
            max_retries=settings.celery_task_max_retries,
            retry_delay_seconds=settings.celery_task_default_retry_delay,
            max_crashes=settings.max_crashes,
            stall_seconds=settings.stall_seconds,
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
            queue_seconds=choose_queue_seconds(settings, self.catalog),
        )

    @property
    def runner(self) -> Runner:
        if self._runner is None:
            self._runner = Runner(
                self.database,
                self.events,
                self._make_handlers(self) if self._make_handlers else {},
                catalog=self.catalog,
                limits=self.retry_policy,
                work_folder=self.work_folder,
                worker=worker_name(),
            )
        return self._runner

    def preload_handlers(self) -> None:
        """Import the modules of the handlers, and keep no connection.

        Call it before the processes are forked, which then share what was imported.
        """
        if self._import_handlers is not None:
            with suppress(CinemillError):  # each process raises it again, where its run records it
                self._import_handlers(self)
        self.forget_connections()

    def stop_work(self, reason: str) -> bool:
        """Ask the attempt in this process to release its work; return whether there is one."""
        return self._runner is not None and self._runner.request_stop_current(reason)

    def forget_connections(self) -> None:
        """Drop the connections after a fork: the parent's sockets belong to the parent."""
        if self._database is not None:
            self._database.abandon()
        self._database = self._events = self._runner = None


def choose_queue_seconds(settings: Settings, catalog: Catalog) -> dict[str, tuple[float, float]]:
    """Return the (soft, hard) time limits in seconds by queue.

    A queue's own timeout comes first if it was set, then the limits for all queues if those were
    set, then the catalog's.
    """
    given = settings.model_fields_set & {"celery_task_time_limit", "celery_task_soft_time_limit"}
    limits = {q.name: (q.soft_seconds, q.hard_seconds) for q in catalog.queues.values()}
    if given:
        for_all = (settings.celery_task_soft_time_limit, settings.celery_task_time_limit)
        limits = dict.fromkeys(limits, for_all)
    own = {
        "render": settings.render_timeout,
        "preview": settings.preview_timeout,
        "transcode": settings.transcode_timeout,
        "caption": settings.caption_timeout,
    }
    return limits | {
        queue: (seconds, seconds + HARD_AFTER_SOFT_SECONDS)
        for queue, seconds in own.items()
        if seconds is not None
    }


def choose_rates(settings: Settings) -> dict[str, int]:
    """Return the rate limits that were set, in starts per minute by queue."""
    own = {
        "render": settings.render_rate,
        "transcode": settings.transcode_rate,
        "caption": settings.caption_rate,
    }
    return {queue: count for queue, count in own.items() if count is not None}


def worker_name() -> str:
    """Return the name of this process as a worker, ``host:pid``."""
    return f"{socket.gethostname()}:{os.getpid()}"
