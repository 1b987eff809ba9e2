"""The HTTP API as a process of its own, over real PostgreSQL and Valkey."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests.integration.api.declared import check_declared
from tests.integration.search.library import (
    TEXT_MODEL,
    VIDEOS,
    fill_library,
    fill_others,
    index_library,
)
from tests.integration.storage.intelligence_rows import forget_models
from tests.model_files import fetch_models
from tests.waiting import PATIENCE_SECONDS, wait_until
from typer.testing import CliRunner, Result

from cinemill.catalog import CATALOG
from cinemill.cli.main import app
from cinemill.client import Client
from cinemill.core.job import JobState, Progress
from cinemill.jobs.events import EventPublisher
from cinemill.storage.database import Database
from cinemill.storage.media.assets import delete_asset

FILM_HEAD = bytes.fromhex("1a45dfa3")
"""What a Matroska file begins with; the API looks no further, the workers do."""


@dataclass
class RunningApi:
    """One server. ``http`` carries the token, ``stranger`` does not."""

    process: subprocess.Popen[bytes]
    home: Path
    port: int
    database_url: str
    redis_url: str
    http: httpx.Client
    stranger: httpx.Client

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.home / "token").read_text("ascii").strip()

    def upload(self, content: bytes, name: str = "film.mkv", **more: Any) -> httpx.Response:
        return self.http.post("/upload", files={"file": (name, content)}, **more)

    def submit(self, content: bytes | None = None) -> str:
        """The id of a new task, of a film that nobody has sent before."""
        answer = self.upload(FILM_HEAD + (content or os.urandom(64)))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["task_id"])

    def stored_files(self) -> set[str]:
        objects = self.home / "objects"
        return {path.name for path in objects.rglob("*") if path.is_file()}

    def wait_for_health(self, **parts: str) -> httpx.Response:
        """The answer of ``/health`` once it says this of its parts: on a busy machine it gives
        findings of up to two seconds ago."""
        answers: list[httpx.Response] = []

        def says_so() -> bool:
            answers.append(self.stranger.get("/health"))
            document = answers[-1].json()
            return all(document[part] == said for part, said in parts.items())

        wait_until(says_so)
        return answers[-1]

    def settle(self, job_id: str, state: str, **columns: str) -> None:
        """Write the state that a worker would have written; ``columns`` are SQL expressions."""
        values = {"state": f"'{state}'", **columns}
        assignments = ", ".join(f"{name} = {value}" for name, value in values.items())
        with psycopg.connect(self.database_url.replace("+psycopg", "", 1)) as connection:
            connection.execute(
                f"UPDATE job SET {assignments} WHERE id = %s",
                [job_id],
            )
            if JobState(state).is_final:  # no job has ended with an attempt that waits
                connection.execute(
                    "UPDATE run SET state = 'cancelled', ended_at = now()"
                    " WHERE job_id = %s AND state IN ('queued', 'running')",
                    [job_id],
                )

    def publish(self, job_id: str, status: str, progress: float, message: str = "Working") -> None:
        sink = EventPublisher(self.redis_url, catalog=CATALOG)
        assert sink.publish_now(Progress(job_id, "process_video", status, progress, message))
        sink.close()

    def stop(self) -> int:
        self.http.close()
        self.stranger.close()
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_SECONDS)
        finally:
            self.process.kill()


StartApi = Callable[..., RunningApi]
Cinemill = Callable[..., Result]


@pytest.fixture(scope="session")
def start_api(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str
) -> Iterator[StartApi]:
    """Start a server with these settings, e.g. ``CINEMILL_MAX_UPLOAD_BYTES='1000'``."""
    started: list[RunningApi] = []

    def start(**settings: str) -> RunningApi:
        home = tmp_path_factory.mktemp("api")
        names = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **settings}
        api = launch(home, names)
        started.append(api)
        return api

    yield start
    with ThreadPoolExecutor() as threads:
        list(threads.map(RunningApi.stop, started))


@pytest.fixture(scope="session")
def api(start_api: StartApi) -> RunningApi:
    """The server that most tests share."""
    return start_api()


@pytest.fixture
def client(api: RunningApi) -> Iterator[Client]:
    with Client(api.address, api.token) as opened:
        yield opened


@pytest.fixture
def cinemill(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> Cinemill:
    """Return a function ``cinemill(*arguments)`` that runs the command line against the server."""
    monkeypatch.setenv("CINEMILL_URL", api.address)
    monkeypatch.setenv("CINEMILL_TOKEN", api.token)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def library(api: RunningApi) -> Iterator[Database]:
    """The server's own database, with a library of its user and a video of somebody else."""
    database = Database(api.database_url)
    models = api.home / "models"
    if not models.exists():
        models.symlink_to(fetch_models(TEXT_MODEL))
    fill_library(database, "local")
    fill_others(database, "bob")
    index_library(database, models)
    yield database
    with database.begin() as connection:
        for asset_id in VIDEOS:
            delete_asset(connection, asset_id)
    forget_models(database)
    database.close()


def launch(home: Path, settings: dict[str, str]) -> RunningApi:
    port = find_free_port()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CINEMILL_")}
    environment = {**kept, "CINEMILL_HOME": str(home), "CINEMILL_PORT": str(port), **settings}
    with (home / "console").open("wb") as console:
        process = subprocess.Popen(
            [sys.executable, "-m", "cinemill.api"], env=environment, stderr=console
        )
    wait_until_it_answers(process, port, home / "console")
    token = (home / "token").read_text().strip() if (home / "token").exists() else ""
    address = f"http://127.0.0.1:{port}"
    return RunningApi(
        process=process,
        home=home,
        port=port,
        database_url=settings["DATABASE_URL"],
        redis_url=settings["REDIS_URL"],
        http=open_client(address, {"Authorization": f"Bearer {token}"}),
        stranger=forget_cookies(open_client(address, {})),
    )


def open_client(address: str, headers: dict[str, str]) -> httpx.Client:
    return httpx.Client(
        base_url=address,
        headers=headers,
        timeout=PATIENCE_SECONDS,
        event_hooks={"response": [check_declared]},
    )


def forget_cookies(client: httpx.Client) -> httpx.Client:
    """Have the client keep no cookie: many tests share it, and one may be signed in by a link."""
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int, console: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, console.read_text()
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE_SECONDS)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the server does not answer: {console.read_text()}")


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
