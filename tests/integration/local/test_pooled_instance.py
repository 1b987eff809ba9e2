"""A whole instance whose PostgreSQL is behind PgBouncer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import fresh_database
from tests.films import make_film
from tests.instances import CINEMILL, Instance, make_environment, running_instance
from tests.poolers import Pooler, running_pooler
from tests.waiting import PATIENCE_SECONDS

from cinemill.local.embedded_servers import Servers

pytestmark = pytest.mark.pooler


@pytest.fixture
def own_url(database_url: str) -> Iterator[str]:
    with fresh_database(database_url) as url:
        yield url


@pytest.fixture
def pooler(own_url: str, tmp_path: Path) -> Iterator[Pooler]:
    with running_pooler(tmp_path / "pool", own_url, size=4) as running:
        yield running


def test_instance_works_through_a_pooler_in_transaction_mode(
    own_url: str, pooler: Pooler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_film(tmp_path / "film.mp4", seconds=2.0)
    servers = {"DATABASE_URL": pooler.url, "DATABASE_DIRECT_URL": own_url}
    with running_instance(tmp_path / "home", None, tmp_path, **servers) as instance:
        done = instance.run("process", str(film))
        assert done.returncode == 0, done.stderr
        # Without the settings, commands find the addresses of the instance on this home.
        bare = {k: v for k, v in instance.environment.items() if k not in servers}
        for command, shown in (("verify", ""), ("doctor", "through a pooler in transaction mode")):
            found = Instance(bare, instance.home).run(command)
            assert shown in found.stdout + found.stderr
            assert "Traceback" not in found.stderr
            assert "fail" not in found.stdout.casefold().split(), found.stdout


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_every_service_names_a_pooler_that_it_cannot_work_through(
    own_url: str, servers: Servers, tmp_path: Path, mode: str
) -> None:
    with running_pooler(tmp_path / "pool", own_url, mode=mode) as pooler:
        environment = make_environment(tmp_path / "home", None, tmp_path) | {
            "DATABASE_URL": pooler.url,
            "REDIS_URL": servers.redis_url,
        }
        for command in (
            (*CINEMILL, "up"),
            (*CINEMILL, "worker"),
            (*CINEMILL, "beat"),
            (*CINEMILL, "doctor"),
            (*CINEMILL, "verify"),
            (sys.executable, "-m", "cinemill.api"),
        ):
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_SECONDS,
            )
            said = " ".join((done.stdout + done.stderr).split())
            assert done.returncode not in (0, -9), command
            assert f"pooler in {mode} mode" in said, (command, said)
            assert "DATABASE_DIRECT_URL" in said, (command, said)
            assert "Traceback" not in said
