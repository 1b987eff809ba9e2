"""One whole installation, as ``cinemill up`` runs it, for the scripts of all systems."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.films import make_film
from tests.instances import Instance, running_instance
from tests.waiting import PATIENCE_SECONDS

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@dataclass(frozen=True)
class Script:
    """Runs what an example holds, with the environment of its users."""

    instance: Instance
    addresses: dict[str, str]
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        programs = str(Path(sys.executable).parent)
        path = f"{programs}{os.pathsep}{self.instance.environment['PATH']}"
        return {**self.instance.environment, **self.addresses, "PATH": path}

    def run(self, *command: str, **more: str) -> str:
        """Run a command until it ends well, and return what it printed."""
        done = subprocess.run(
            command,
            env={**self.environment, **more},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def run_python(self, example: str, *arguments: str, **more: str) -> dict[str, str]:
        """Run a Python file of an example; return its lines by their first word."""
        printed = self.run(sys.executable, str(EXAMPLES / example), *arguments, **more)
        return dict(line.partition(" ")[::2] for line in printed.splitlines() if line)

    def run_shell(self, example: str, *arguments: str, **more: str) -> str:
        return self.run("sh", str(EXAMPLES / example), *arguments, **more)


@pytest.fixture(scope="package")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="package")
def film(films: Path) -> str:
    return str(make_film(films / "film.mp4", seconds=2))


@pytest.fixture(scope="package")
def second_film(films: Path) -> str:
    return str(make_film(films / "second.mp4", seconds=2.5))


@pytest.fixture(scope="package")
def instance(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    home = tmp_path_factory.mktemp("examples") / "home"
    home.mkdir()
    settings = EXAMPLES / "from-upload-application" / "settings.json"
    (home / "settings.json").write_text(settings.read_text("utf-8"), "utf-8")
    with running_instance(home, None, films, CINEMILL_AUTH="off") as running:
        yield running


@pytest.fixture(scope="package")
def script(instance: Instance, films: Path) -> Script:
    state = json.loads((instance.home / "run" / "state.json").read_text("utf-8"))
    addresses = {
        "REDIS_URL": state["redis_url"],
        "DATABASE_URL": state["database_url"],
        "BASE": f"http://127.0.0.1:{instance.environment['CINEMILL_PORT']}",
    }
    return Script(instance, addresses, films)
