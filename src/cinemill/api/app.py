"""The application: routes, and the layers that every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from cinemill import __version__
from cinemill.addresses import PublicUrl
from cinemill.api.capability_routes import find_segments, include_routers
from cinemill.api.metrics import route as metrics
from cinemill.api.metrics.scrape import MetricsScraper
from cinemill.api.middleware import problems
from cinemill.api.middleware.access_log import AccessLog
from cinemill.api.middleware.auth import AccessPolicy, AuthMiddleware
from cinemill.api.middleware.cache_rules import CacheRules
from cinemill.api.middleware.compression import Compression
from cinemill.api.middleware.head_requests import HeadRequests
from cinemill.api.middleware.security_headers import SecurityHeaders
from cinemill.api.middleware.visits import Visits
from cinemill.api.models.documents import PREFIX
from cinemill.api.models.problems import WITH_TOKEN, WITHOUT_TOKEN
from cinemill.api.routes import (
    analysis,
    assets,
    captions,
    contract,
    dead_letters,
    events,
    jobs,
    logs,
    models,
    operations,
    pages,
    search,
    stats,
    timelines,
    unversioned,
    uploads,
)
from cinemill.api.schema import Application
from cinemill.api.search_access import SearchAccess
from cinemill.api.state import AppState
from cinemill.api.token import ensure_token
from cinemill.capability.composition import Composition
from cinemill.catalog import COMPOSITION
from cinemill.config import Settings
from cinemill.errors import DatabaseUnavailable, RedisUnavailable, SettingsInvalid
from cinemill.jobs.catalog import RetryPolicy
from cinemill.jobs.events import EventReader
from cinemill.jobs.service import JobService
from cinemill.media.ffmpeg.sandbox import is_isolated
from cinemill.steps.discovery import LeftOut
from cinemill.storage.adoption.results import ResultCopies
from cinemill.storage.database import Database
from cinemill.storage.jobs.stray_messages import find_redis_url
from cinemill.storage.media.files import LocalFiles
from cinemill.storage.metrics.live_workers import LiveWorkers
from cinemill.telemetry import get_logger

log = get_logger(__name__)

FILES_FOLDER = "objects"
_DESCRIPTION = """Self-hosted video processing: upload, transcode, render and caption videos.

Whatever can be read with GET can be asked for with HEAD. Answers have an ETag; with `If-None-Match`
the server says 304 instead of sending one again. Text of a kilobyte or more is compressed for
clients that accept gzip. Lists are read by pages: the `next` of one is the `cursor` of the next."""
_START_HINT = "Run 'cinemill up', which starts an embedded one, or set {name}."


V1_ROUTERS = (
    uploads.router,
    jobs.router,
    dead_letters.router,
    timelines.router,
    events.router,
    assets.router,
    *analysis.ROUTERS,
    *search.ROUTERS,
    captions.router,
    models.router,
    stats.router,
    logs.router,
    operations.router,
)
"""Served below ``/api/v1``."""
UNVERSIONED_ROUTERS = (contract.router, metrics.router, operations.router, unversioned.router)
OWN_SEGMENTS = find_segments(
    (*V1_ROUTERS, *UNVERSIONED_ROUTERS, operations.health_router, pages.router)
) | {"static"}
"""First segments of paths, which no package's capability can have as its name."""


def create_app(settings: Settings, *, composition: Composition = COMPOSITION) -> FastAPI:
    """Return the HTTP API over these settings, with the routes of installed capabilities.

    ``database_url`` and ``redis_url`` must be set: the supervisor hands over those of its own
    servers. Raises DatabaseUnavailable or RedisUnavailable where one is not, and SettingsInvalid
    for a public URL whose path cannot be told from Cinemill's own.
    """
    check_public_paths(settings.public_urls)
    state, redis_url = open_state(settings, composition=composition)
    app = Application(
        title="Cinemill",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": str(one)} for one in settings.public_urls] or None,
        root_path_in_servers=False,
    )
    app.state.cinemill = state
    app.state.events = EventReader(redis_url)
    app.state.results = ResultCopies(find_redis_url(settings.celery_result_backend) or redis_url)
    app.state.metrics = MetricsScraper(
        state.database.direct_url, redis_url, catalog=composition.catalog
    )
    problems.install(app)
    pages.install(app)
    include_own_routers(app)
    refused = include_routers(app, composition, state, taken=OWN_SEGMENTS)
    app.state.is_isolated = is_isolated(settings.sandbox)
    app.state.composition = composition
    app.state.left_out = (*composition.left_out, *refused)
    for one in app.state.left_out:
        log.warning("a package's capability is left out", why=one.reason, hint=one.hint)
    _add_layers(app, settings)
    return app


def check_public_paths(urls: Sequence[PublicUrl]) -> None:
    """Raise SettingsInvalid for a public URL whose path begins as paths of the API do.

    A request below it could be meant with the path, or without it where the proxy removes it.
    """
    own = OWN_SEGMENTS | {PREFIX.split("/")[1]}
    taken = [one.path for one in urls if one.path and one.path.split("/")[1] in own]
    if taken:
        what = f"must not have the path {taken[0]}, which is one of Cinemill's own: choose another"
        raise SettingsInvalid([("CINEMILL_PUBLIC_URL", what)])


def include_own_routers(app: FastAPI) -> None:
    """Add Cinemill's own routes, below ``/api/v1`` and without a version."""
    for router in V1_ROUTERS:
        app.include_router(router, prefix=PREFIX, responses=WITH_TOKEN)
    for router in UNVERSIONED_ROUTERS:
        app.include_router(router, responses=WITH_TOKEN)
    for prefix in (PREFIX, ""):
        app.include_router(operations.health_router, prefix=prefix, responses=WITHOUT_TOKEN)


def open_state(
    settings: Settings, *, composition: Composition = COMPOSITION
) -> tuple[AppState, str]:
    """Return the state that the routes share, and Redis' URL. Nothing is connected yet."""
    if settings.database_url is None:
        raise DatabaseUnavailable(
            "No database is configured.", hint=_START_HINT.format(name="DATABASE_URL")
        )
    if settings.redis_url is None:
        raise RedisUnavailable("No Redis is configured.", hint=_START_HINT.format(name="REDIS_URL"))
    database = Database(
        settings.database_url,
        direct_url=settings.database_direct_url,
        pool_size=settings.database_pool_size,
        application_name="api",
    )
    files = LocalFiles(settings.home / FILES_FOLDER)
    service = JobService(database, catalog=composition.catalog, limits=_read_retry_policy(settings))
    searches = SearchAccess(settings, database)
    workers = LiveWorkers(settings.redis_url)
    return AppState(settings, database, files, service, searches, workers), settings.redis_url


def check_routers(settings: Settings, composition: Composition) -> list[LeftOut]:
    """Build the routes of all installed capabilities; returns those that are left out, and why."""
    state, _ = open_state(settings, composition=composition)
    try:
        return include_routers(FastAPI(), composition, state, taken=OWN_SEGMENTS)
    finally:
        state.close()


def _read_retry_policy(settings: Settings) -> RetryPolicy:
    """Return the retry policy, which is stored with each new job."""
    return RetryPolicy(
        max_retries=settings.celery_task_max_retries,
        retry_delay_seconds=settings.celery_task_default_retry_delay,
        max_crashes=settings.max_crashes,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.cinemill.stopping.set()
    await app.state.events.close()
    app.state.results.close()
    app.state.metrics.close()
    app.state.cinemill.close()


def _add_layers(app: FastAPI, settings: Settings) -> None:
    """Add the middleware, innermost first: each one added wraps those before."""
    token = ensure_token(settings.home) if settings.auth == "token" else None
    policy = AccessPolicy(token, settings.host, settings.port, settings.public_urls)
    app.add_middleware(AuthMiddleware, policy=policy, sign_in_page=pages.sign_in_page)
    app.add_middleware(problems.UncaughtErrors)
    app.add_middleware(CacheRules)
    app.add_middleware(Compression)
    app.add_middleware(HeadRequests)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog)
    app.add_middleware(Visits, front=app.state.cinemill.front)
