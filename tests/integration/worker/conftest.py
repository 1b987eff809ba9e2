"""One running worker and beat, as people start them, on servers of this suite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import text
from tests import films
from tests.conftest import fresh_database
from tests.instance_settings import UNSPACED
from tests.integration.redis_databases import take_redis_database
from tests.waiting import PATIENCE_SECONDS

from cinemill.config import load
from cinemill.jobs.service import JobService
from cinemill.storage.database import Database, migrate
from cinemill.storage.media.assets import delete_asset
from cinemill.storage.media.files import LocalFiles
from cinemill.worker.app_factory import build_app
from cinemill.worker.context import WorkerContext

OWN_REDIS_DATABASE = 9
SHOWN_CHARACTERS = 6000


@dataclass(frozen=True)
class Stack:
    """The environment of the services, and the same instance as their client sees it."""

    environment: dict[str, str]
    home: Path
    app: Celery
    log: Path

    @property
    def context(self) -> WorkerContext:
        context: WorkerContext = self.app.context
        return context

    @property
    def service(self) -> JobService:
        return self.context.service

    @property
    def database(self) -> Database:
        return self.context.database

    @property
    def files(self) -> LocalFiles:
        return self.context.files


def start_service(module: str, stack: Stack) -> subprocess.Popen[bytes]:
    """Start ``python -m module`` and wait until it reports that it is ready."""
    ready = stack.home / f"{module}.ready"
    with stack.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**stack.environment, "CINEMILL_READY_FILE": str(ready)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{module} did not start:\n{stack.log.read_text()[-3000:]}")
        time.sleep(0.05)
    return process


def stop_service(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        pytest.fail(f"a service did not stop within {PATIENCE_SECONDS:g} s of SIGTERM")


@pytest.fixture(scope="package")
def films_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the only folder that videos may come from."""
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="package")
def stack(
    database_url: str,
    redis_url: str,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    settings = {
        "CINEMILL_HOME": str(tmp_path_factory.mktemp("instance")),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
    }
    with open_stack(database_url, settings) as stack, ExitStack() as undo:
        for module in ("cinemill.worker", "cinemill.worker.beat"):
            undo.callback(stop_service, start_service(module, stack))
        yield stack


@contextmanager
def open_stack(database_url: str, settings: dict[str, str]) -> Iterator[Stack]:
    """Prepare an instance without services yet, on a database of its own."""
    with ExitStack() as undo:
        address = undo.enter_context(fresh_database(database_url))
        migrate(address)
        ours = {
            "DATABASE_URL": address,
            "CELERY_WORKER_CONCURRENCY": "2",
            "REMAP_SIGTERM": "SIGQUIT",
            **UNSPACED,
            **settings,
        }
        home = Path(settings["CINEMILL_HOME"])
        app = build_app(load(ours))
        stack = Stack({**os.environ, **ours}, home, app, home / "services.log")
        undo.callback(app.close)
        undo.callback(stack.database.close)
        yield stack


@pytest.fixture(scope="module")
def own_videos(stack: Stack) -> Iterator[None]:
    """Delete a file's videos after it: other files look for moments that resemble each other."""
    query = text("SELECT id FROM asset")
    with stack.database.begin() as connection:
        before = set(connection.execute(query).scalars())
    yield
    with stack.database.begin() as connection:
        for asset_id in set(connection.execute(query).scalars()) - before:
            delete_asset(connection, asset_id)


@pytest.fixture(scope="package")
def film(films_folder: Path) -> Path:
    """Return a video of two seconds, with audio."""
    return films.make_film(films_folder / "short.mp4", seconds=2)


@pytest.fixture(scope="package")
def long_film(films_folder: Path) -> Path:
    """Return a video so long that preparing it takes many seconds."""
    return films.make_long_film(films_folder / "long.mp4", size=(1280, 720), seconds=120)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the services' log where a test fails, since their errors are there."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack) and stack.log.exists():
        report.sections.append(("log of the services", stack.log.read_text()[-SHOWN_CHARACTERS:]))
    return report
