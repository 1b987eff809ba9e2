"""What every test stands on: real servers, markers by folder, no error logs unnoticed.

Servers: embedded ones in a temporary home, unless DATABASE_URL or REDIS_URL name others. A session
then makes a database of its own there and drops it in the end; the Redis database is emptied only
where CINEMILL_TEST_EXTERNAL=1 says that it may be.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
import redis
import structlog
from psycopg import sql
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from cinemill.local.servers import Servers, embedded_servers

# A busy machine is no reason to fail: no property here is about time.
hypothesis.settings.register_profile("cinemill", deadline=None)
hypothesis.settings.load_profile("cinemill")

# In the order in which they run. The browser's come last: what drives the browser keeps an asyncio
# loop running in this thread until the session ends, and no other test could have one of its own.
SUITES = ("unit", "integration", "faults", "e2e")


def pytest_itemcollected(item: pytest.Item) -> None:
    """The suite's marker is the folder that the test lies in."""
    if suite_of(item) in SUITES:
        item.add_marker(getattr(pytest.mark, suite_of(item)))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (*SUITES, suite_of(item)).index(suite_of(item)))


def suite_of(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Where tests run in several processes, each with servers of its own, those of one folder stay
    together and share them."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0].rpartition("/")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    return ByFolder(config, log)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Embedded PostgreSQL and Valkey, with processes that a test may kill and start again."""
    with embedded_servers(tmp_path_factory.mktemp("servers") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of this session's own, without tables."""
    external = os.environ.get("DATABASE_URL")
    if not external:
        yield request.getfixturevalue("servers").database_url
        return
    with fresh_database(external) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """A Redis database; an external one is emptied only where that was allowed."""
    external = os.environ.get("REDIS_URL")
    if not external:
        return str(request.getfixturevalue("servers").redis_url)
    if os.environ.get("CINEMILL_TEST_EXTERNAL") == "1":
        with redis.Redis.from_url(external) as client:
            client.flushdb()
    return external


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Make a database beside the one of ``url``, and drop it in the end."""
    name = f"cinemill_test_{secrets.token_hex(4)}"
    address = url.replace("postgresql+psycopg://", "postgresql://", 1)
    quoted = sql.Identifier(name)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
    try:
        yield url.rsplit("/", 1)[0] + "/" + name
    finally:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(quoted))


@pytest.fixture(scope="session", autouse=True)
def _logs_reach_the_standard_library() -> None:
    """So that the check below sees what structlog is given."""
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture
def allow_error_logs() -> None:
    """Asked for by a test that provokes an ERROR in the log on purpose."""


@pytest.fixture(autouse=True)
def _no_error_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """A log record of level ERROR fails the test that it came up in."""
    errors = _ErrorRecords()
    root, configured = logging.getLogger(), structlog.get_config()
    root.addHandler(errors)
    with ExitStack() as undo:
        undo.callback(structlog.configure, **configured)
        undo.callback(root.removeHandler, errors)
        yield
    if errors.records and "allow_error_logs" not in request.fixturenames:
        lines = "\n".join(f"{record.name}: {record.getMessage()}" for record in errors.records)
        pytest.fail(f"logged at level ERROR:\n{lines}")


class _ErrorRecords(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def pytest_report_header() -> list[str]:
    """Say which servers the tests talk to, without secrets."""
    names: dict[str, Any] = {"PostgreSQL": "DATABASE_URL", "Redis": "REDIS_URL"}
    found = {name: "external" if os.environ.get(key) else "embedded" for name, key in names.items()}
    return ["servers: " + ", ".join(f"{name} {kind}" for name, kind in found.items())]
