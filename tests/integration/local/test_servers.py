"""The embedded servers are real ones: they keep their data, even after kill -9."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from cinemill.errors import HomeLocked
from cinemill.local.embedded_servers import RunningServer, Servers, embedded_servers


def connect(servers: Servers) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(servers.database_url.replace("+psycopg", "", 1), autocommit=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Quotes and spaces in the folder's name must break neither configuration nor command lines.
    return tmp_path_factory.mktemp('it\'s a "home"') / "home"


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Servers]:
    with embedded_servers(home) as started:
        yield started


def test_embedded_database_has_extensions_and_no_superuser_role(running: Servers) -> None:
    with connect(running) as connection:
        names = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
        row = connection.execute("SHOW is_superuser").fetchone()
    assert {"vector", "pg_trgm"} <= names
    assert row == ("off",)


def test_databases_created_later_have_the_extensions(running: Servers) -> None:
    with connect(running) as connection:
        connection.execute("CREATE DATABASE later")
    url = running.database_url.replace("+psycopg", "", 1).removesuffix("cinemill") + "later"
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT '[3,4]'::vector <-> '[0,0]'").fetchone() == (5.0,)


def test_embedded_servers_require_passwords(running: Servers) -> None:
    stranger = redis.Redis.from_url(running.redis_url.replace("@", "x@"))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(running.database_url.replace("+psycopg", "", 1).replace("@", "x@"))


def test_embedded_servers_show_no_password_in_command_lines(running: Servers, home: Path) -> None:
    lines = " ".join(word for one in _both(running) for word in psutil.Process(one.pid).cmdline())
    for secret in home.rglob("*password"):
        assert secret.read_text().strip() not in lines
        assert secret.stat().st_mode & 0o077 == 0


def test_second_set_of_servers_on_the_same_home_is_refused(running: Servers, home: Path) -> None:
    with pytest.raises(HomeLocked, match="process"), embedded_servers(home):
        pass


def test_rows_and_keys_survive_sigkill(running: Servers) -> None:
    with connect(running) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    with redis.Redis.from_url(running.redis_url) as client:
        client.mset({f"key:{number}": number for number in range(1000)})
    for server in _both(running):
        server.kill()
        server.start()
    with connect(running) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    with redis.Redis.from_url(running.redis_url) as client:
        assert client.dbsize() >= 999  # the file is synced every second; a kill loses nothing


def _both(servers: Servers) -> tuple[RunningServer, ...]:
    return (servers.valkey, servers.postgres)
