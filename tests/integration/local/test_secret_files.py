"""A blank secret file fails the start at once with a message; nothing is served with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from cinemill.cli.exit_codes import ExitCode
from cinemill.errors import SecretUnusable
from cinemill.local.embedded_servers import embedded_servers
from cinemill.local.servers.health import find_free_port, http_is_ready

UP = (sys.executable, "-c", "from cinemill.cli.main import run; run()", "up")
API = (sys.executable, "-m", "cinemill.api")
SERVERS = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "CINEMILL_URL")
SECRET_FILES = ("token", "postgres/password", "postgres/superuser_password", "valkey/password")


def run_to_exit(
    command: tuple[str, ...], home: Path, port: int, **more: str
) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name not in SERVERS}
    environ |= {"CINEMILL_HOME": str(home), "CINEMILL_PORT": str(port), **more}
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


def write_blank(home: Path, name: str, content: str) -> Path:
    path = home / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(content)
    return path


@pytest.mark.parametrize("name", SECRET_FILES)
@pytest.mark.parametrize("content", ["", " \n"])
def test_up_exits_and_names_the_blank_secret_file(tmp_path: Path, name: str, content: str) -> None:
    path = write_blank(tmp_path / "home", name, content)
    done = run_to_exit(UP, tmp_path / "home", find_free_port())
    assert done.returncode == ExitCode.UNAVAILABLE
    said = " ".join(done.stderr.split())  # the terminal's width breaks lines
    assert "The secret in" in said.replace("- ", "-")
    assert "Delete the file" in said
    assert "Traceback" not in done.stderr
    assert path.read_text() == content


def test_api_without_a_token_does_not_start(tmp_path: Path) -> None:
    write_blank(tmp_path / "home", "token", "")
    port = find_free_port()
    unreachable = f"127.0.0.1:{find_free_port()}"
    servers = {
        "DATABASE_URL": f"postgresql://{unreachable}/x",
        "REDIS_URL": f"redis://{unreachable}/0",
    }
    done = run_to_exit(API, tmp_path / "home", port, **servers)
    assert done.returncode != 0
    assert "The secret in" in done.stderr
    assert "Traceback" not in done.stderr
    assert not http_is_ready("127.0.0.1", port, "/health")


def test_deleted_secret_files_are_recreated_for_an_existing_cluster(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with embedded_servers(home) as servers, connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    for name in SECRET_FILES[1:]:
        (home / name).write_text("")
    with pytest.raises(SecretUnusable), embedded_servers(home):
        pass
    for name in SECRET_FILES[1:]:
        (home / name).unlink()
    with embedded_servers(home) as servers, connect(servers.database_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert not (home / "postgres" / "superuser_password.new").exists()
    with embedded_servers(home):  # and again, with the file's new content
        pass


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)
