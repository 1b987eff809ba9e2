"""The state that routes share, opened once when the server starts."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from cinemill.api.health import HealthChecker
from cinemill.api.middleware.forwarding import Front, make_front
from cinemill.api.search_access import SearchAccess
from cinemill.config import Settings
from cinemill.jobs.service import JobService
from cinemill.storage.database import Database
from cinemill.storage.media.files import LocalFiles
from cinemill.storage.metrics.live_workers import LiveWorkers

UPLOAD_THREADS = 4


@dataclass(frozen=True, slots=True)
class AppState:
    """What all requests share."""

    settings: Settings
    database: Database
    files: LocalFiles
    jobs: JobService
    search: SearchAccess
    live_workers: LiveWorkers
    writers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(UPLOAD_THREADS, thread_name_prefix="upload")
    )
    """Threads that hash and write uploads: apart from the routes' own, so that slow disks and
    slow queries do not wait for each other."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server stops: streams end themselves then."""

    health: HealthChecker = field(default_factory=HealthChecker)

    @property
    def front(self) -> Front:
        return make_front(self.settings.public_urls, self.settings.trusted_proxies)

    def close(self) -> None:
        self.health.close()
        self.search.close()
        self.live_workers.close()
        self.writers.shutdown(wait=False, cancel_futures=True)
        self.database.close()


def get_state(request: Request) -> AppState:
    state: AppState = request.app.state.cinemill
    return state


StateDep = Annotated[AppState, Depends(get_state)]
