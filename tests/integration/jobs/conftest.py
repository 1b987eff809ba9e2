"""The engine on a database and a Redis of this suite's own, with kinds of work made for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import fresh_database
from tests.integration.jobs.bench import Bench
from tests.integration.jobs.engine import CATALOG, Engine, Post
from tests.integration.redis_databases import take_redis_database
from tests.integration.storage.rows import forget_everything

from cinemill.jobs.dispatch import Dispatcher
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.rate_limiter import RateLimiter
from cinemill.jobs.service import JobService
from cinemill.storage.database import Database, migrate

OWN_REDIS_DATABASE = 7


@pytest.fixture(scope="package")
def migrated(database_url: str) -> Iterator[Database]:
    with fresh_database(database_url) as url:
        migrate(url)
        database = Database(url, pool_size=20)
        yield database
        database.close()


@pytest.fixture
def database(migrated: Database) -> Iterator[Database]:
    forget_everything(migrated)
    yield migrated
    forget_everything(migrated)


@pytest.fixture
def own_redis(redis_url: str) -> str:
    """The URL of an empty Redis database that no other suite uses."""
    return take_redis_database(redis_url, OWN_REDIS_DATABASE)


@pytest.fixture
def service(database: Database) -> JobService:
    return JobService(database, catalog=CATALOG)


@pytest.fixture
def sink(own_redis: str) -> Iterator[EventPublisher]:
    sink = EventPublisher(own_redis, catalog=CATALOG)
    yield sink
    sink.close()


@pytest.fixture
def engine(
    database: Database, own_redis: str, sink: EventPublisher, service: JobService
) -> Iterator[Engine]:
    rates = RateLimiter(own_redis)
    post = Post()
    dispatcher = Dispatcher(
        database,
        sink,
        rates,
        catalog=CATALOG,
        window=16,
        send=post.send,
        measure_depth=post.measure_depth,
    )
    yield Engine(database, service, dispatcher, post)
    rates.close()


@pytest.fixture
def narrow(engine: Engine, own_redis: str, sink: EventPublisher) -> Iterator[Engine]:
    """With a window of one."""
    rates = RateLimiter(own_redis)
    dispatcher = Dispatcher(
        engine.database,
        sink,
        rates,
        catalog=CATALOG,
        window=1,
        send=engine.post.send,
        measure_depth=engine.post.measure_depth,
    )
    yield replace(engine, dispatcher=dispatcher)
    rates.close()


@pytest.fixture
def bench(database: Database, service: JobService, sink: EventPublisher, tmp_path: Path) -> Bench:
    return Bench(database, service, sink, tmp_path / "work")
