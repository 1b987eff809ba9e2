"""Fixtures and hooks of every test: real servers, markers by folder, a check for error logs.

Servers are embedded ones in a temporary home, unless DATABASE_URL or REDIS_URL name others. A
session then creates its own database there and drops it at the end; the Redis database is emptied
only if CINEMILL_TEST_EXTERNAL=1 permits it.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
import redis
import structlog
from hypothesis.configuration import set_hypothesis_home_dir
from psycopg import sql
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from cinemill.config import reference
from cinemill.local.embedded_servers import Servers, embedded_servers
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox

DROP_ATTEMPTS, DROP_WAIT_SECONDS = 60, 0.5

# A busy machine is no reason to fail, since no property here is about time. Failures are printed in
# a form that replays them.
hypothesis.settings.register_profile(
    "cinemill",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
)
hypothesis.settings.register_profile(
    "nightly", parent=hypothesis.settings.get_profile("cinemill"), max_examples=2000
)
if not os.access(Path.cwd(), os.W_OK):  # a clone of another user
    set_hypothesis_home_dir(Path(tempfile.gettempdir(), f"hypothesis-{os.getuid()}"))
IS_NIGHT = os.environ.get("CINEMILL_TEST_NIGHTLY") == "1"
hypothesis.settings.load_profile("nightly" if IS_NIGHT else "cinemill")

# The settings of a person's own instance must not affect the tests and the processes they start.
EXTERNAL_SERVERS = ("DATABASE_URL", "REDIS_URL")
for _setting in reference():
    if _setting.name not in EXTERNAL_SERVERS:
        os.environ.pop(_setting.name, None)
for _name in ("CINEMILL_URL", "CINEMILL_TOKEN", "CINEMILL_CA_FILE", "SSL_CERT_FILE"):
    os.environ.pop(_name, None)
# The command line wraps at this width, and a process of parallel tests is given one.
os.environ.pop("COLUMNS", None)

SUITES = ("unit", "integration", "faults", "e2e")
"""In the order in which they run: the suites that fail soonest come first."""
BROWSER_FIXTURES = frozenset({"playwright", "browser"})
PROXY_FIXTURES = frozenset({"nginx", "caddy"})
PACKAGES = {
    "browser": "chromium",
    "sandbox": "bubblewrap",
    "nginx": "nginx-light",
    "caddy": "caddy",
    "faketime": "faketime",
    "pooler": "pgbouncer",
    "rediscli": "redis-tools",
}
"""The package that a machine needs for the tests of a marker."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by its suite's folder, and by the tools it needs that not every machine has."""
    if suite_of(item) in SUITES:
        item.add_marker(getattr(pytest.mark, suite_of(item)))
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & BROWSER_FIXTURES:
        item.add_marker(pytest.mark.browser)
    for proxy in PROXY_FIXTURES & fixtures:
        item.add_marker(getattr(pytest.mark, proxy))
    if "isolated_sandbox" in fixtures:
        item.add_marker(pytest.mark.sandbox)
    if "stepped_clock" in fixtures:
        item.add_marker(pytest.mark.faketime)
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        item.add_marker(pytest.mark.property)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort by suite, and leave out tests for which only the nightly run has time.

    In parallel runs the long files come first, so that all processes end at about the same time.
    """
    late = [] if IS_NIGHT else [item for item in items if item.get_closest_marker("nightly")]
    config.hook.pytest_deselected(items=late)
    items[:] = [item for item in items if item not in late]
    order = SUITES if not hasattr(config, "workerinput") else SUITES[::-1]
    items.sort(key=lambda item: (*order, suite_of(item)).index(suite_of(item)))


def suite_of(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """A scheduler that keeps the tests of a file in one process, and those of some folders.

    The files of ``e2e`` share an instance that takes long to start: two processes have one each.
    ``faults`` mostly waits for leases to expire: in one process it leaves the processors to the
    others.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith("tests/e2e/"):
            return f"tests/e2e {zlib.crc32(path.encode()) % 2}"
        return "tests/faults" if path.startswith("tests/faults/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print in one line the tests that this machine skipped, and the packages to install."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_line(describe_skips(skipped), yellow=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if a test was skipped for lack of a tool, with CINEMILL_TEST_ALL_TOOLS=1 as in CI."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if os.environ.get("CINEMILL_TEST_ALL_TOOLS") != "1" or reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if any(name in one.keywords for one in skipped for name in PACKAGES):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def describe_skips(reports: Sequence[pytest.TestReport]) -> str:
    """Return a line with the number of skipped tests and the command that installs missing tools.

    It also says why other tests were skipped.
    """
    counts = {name: sum(name in one.keywords for one in reports) for name in PACKAGES}
    wanted = " and ".join(plural(n, f"{name} test") for name, n in counts.items() if n)
    missing = [PACKAGES[name] for name, n in counts.items() if n and is_missing(name)]
    if missing:
        wanted += f": {find_installer()} {' '.join(missing)}"
    others = [one for one in reports if not any(name in one.keywords for name in PACKAGES)]
    reasons = "; ".join(sorted({reason_of(one) for one in others}))
    rest = f"{plural(len(others), 'other')}: {reasons}" if others else ""
    return "skipped " + "; and ".join(filter(None, (wanted, rest)))


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def is_missing(marker: str) -> bool:
    """Return whether an installation would help; a sandbox may be installed but forbidden."""
    return marker != "sandbox" or shutil.which("bwrap") is None


def find_installer() -> str:
    """Return the command that installs packages here, as far as it is known."""
    commands = ("apt-get", "dnf", "zypper", "apk", "brew")
    known = next((name for name in commands if shutil.which(name)), None)
    return {None: "install", "apk": "apk add"}.get(known, f"{known} install")


def reason_of(report: pytest.TestReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """Undo what a test sets in the environment, as the command line does with its options."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def isolated_sandbox() -> Sandbox:
    """Return bubblewrap's sandbox; tests that need it are skipped if it does not work."""
    found = detect_sandbox()
    if not found.is_isolated:
        pytest.skip(
            "bubblewrap may not make namespaces here"
            if shutil.which("bwrap")
            else "bubblewrap is not installed"
        )
    return found


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Run embedded PostgreSQL and Valkey, whose processes a test may kill and start again."""
    with embedded_servers(tmp_path_factory.mktemp("servers") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the URL of this session's own database, without tables."""
    external = os.environ.get("DATABASE_URL")
    if not external:
        yield request.getfixturevalue("servers").database_url
        return
    with fresh_database(external) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a Redis database; an external one is emptied only if that is permitted."""
    external = os.environ.get("REDIS_URL")
    if not external:
        return str(request.getfixturevalue("servers").redis_url)
    if os.environ.get("CINEMILL_TEST_EXTERNAL") == "1":
        with redis.Redis.from_url(external) as client:
            client.flushdb()
    return external


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Create a database next to the one of ``url``, and drop it at the end."""
    name = f"cinemill_test_{secrets.token_hex(4)}"
    address = url.replace("postgresql+psycopg://", "postgresql://", 1)
    quoted = sql.Identifier(name)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
    try:
        yield url.rsplit("/", 1)[0] + "/" + name
    finally:
        with psycopg.connect(address, autocommit=True) as connection:
            _drop_database(connection, quoted)


def _drop_database(connection: psycopg.Connection[Any], name: sql.Identifier) -> None:
    """Drop a database whose connections are forced to end.

    Autovacuum belongs to the superuser, whom the owner of a database may not force; it is soon done
    with a small one.
    """
    statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name)
    for _ in range(DROP_ATTEMPTS):
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
            return
        time.sleep(DROP_WAIT_SECONDS)
    connection.execute(statement)


@pytest.fixture(scope="session", autouse=True)
def _logs_reach_the_standard_library() -> None:
    """Send structlog's records to the standard library, for the check below."""
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture
def allow_error_logs() -> None:
    """Permit ERROR logs in a test that provokes them on purpose."""


@pytest.fixture(autouse=True)
def _no_error_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that logs a record of level ERROR."""
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
    """Report which servers the tests use, without secrets."""
    names: dict[str, Any] = {"PostgreSQL": "DATABASE_URL", "Redis": "REDIS_URL"}
    found = {name: "external" if os.environ.get(key) else "embedded" for name, key in names.items()}
    return ["servers: " + ", ".join(f"{name} {kind}" for name, kind in found.items())]
