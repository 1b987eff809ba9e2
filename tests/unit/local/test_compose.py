"""The compose file against the product: its commands, settings, queues and ports exist.

Containers are not started: that takes a daemon and a registry.
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.specifiers import SpecifierSet

from cinemill.catalog import QUEUES
from cinemill.cli.main import app
from cinemill.config import Settings, load, reference
from cinemill.jobs.catalog import list_common
from cinemill.local.service_plan import READY_FILE, WORKER_GRACE_SECONDS

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
PARTS = {name: part for name, part in COMPOSE["services"].items() if "build" in part}
WORKERS = {name: part for name, part in PARTS.items() if "worker" in part["command"]}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")


def read_examples() -> dict[str, str]:
    lines = (DEPLOY / "env.example").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")


def fill(written: str) -> str:
    """Return the value of ``${NAME…}`` in the example, or a placeholder if people must set it."""
    examples = read_examples()
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda found: examples[found[1]] or "secret", written)


def load_settings(part: dict[str, Any]) -> Settings:
    given = {name: fill(str(value)) for name, value in part["environment"].items()}
    return load({name: value for name, value in given.items() if name != READY_FILE})


def test_compose_file_has_all_servers_and_services() -> None:
    assert COMPOSE["services"].keys() >= {"valkey", "postgres", *PARTS}
    assert PARTS.keys() == {"migration", "api", "worker", "encoder", "beat", "flower"}


@pytest.mark.parametrize("name", PARTS)
def test_compose_services_start_existing_commands(name: str) -> None:
    program, *arguments = PARTS[name]["command"]
    if program == "python":
        assert arguments[0] == "-m"
        assert importlib.util.find_spec(arguments[1]) is not None
        return
    assert program == "cinemill"
    command = typer.main.get_command(app).commands[arguments[0]]  # type: ignore[attr-defined]
    known = {option for one in command.params for option in one.opts}
    assert {word for word in arguments if word.startswith("-")} <= known


@pytest.mark.parametrize("name", PARTS)
def test_compose_services_have_valid_settings(name: str) -> None:
    known = {row.name for row in reference()} | {READY_FILE}
    assert PARTS[name]["environment"].keys() <= known
    settings = load_settings(PARTS[name])
    assert settings.home == Path("/var/lib/cinemill")
    assert "@postgres:5432/" in str(settings.database_url)
    assert "@valkey:6379/" in str(settings.redis_url)
    assert all("TLS" in warning for warning in settings.warnings)


def test_compose_file_has_one_kind_of_worker_per_queue() -> None:
    commands = [part["command"] for part in WORKERS.values()]
    named = [command[command.index("--queues") + 1].split(",") for command in commands]
    assert sorted(queue for queues in named for queue in queues) == sorted(list_common(QUEUES))
    assert all(load_settings(part).celery_worker_autoscale for part in WORKERS.values())


def test_compose_stop_grace_of_workers_equals_the_supervisors() -> None:
    for part in WORKERS.values():
        assert float(part["stop_grace_period"].removesuffix("s")) >= WORKER_GRACE_SECONDS
    assert "REMAP_SIGTERM=SIGQUIT" in DOCKERFILE


def test_compose_ports_are_published_on_localhost_only() -> None:
    published = {name: part["ports"] for name, part in PARTS.items() if "ports" in part}
    port = load_settings(PARTS["api"]).port
    assert published == {
        "api": [f"127.0.0.1:{port}:{port}"],
        "flower": ["127.0.0.1:5555:5555"],
    }
    assert f"EXPOSE {port}" in DOCKERFILE
    assert f":{port}/health" in PARTS["api"]["healthcheck"]["test"][-1]
    assert ":5555/healthcheck" in PARTS["flower"]["healthcheck"]["test"][-1]


def test_compose_dependencies_have_matching_health_checks() -> None:
    services = COMPOSE["services"]
    for part in PARTS.values():
        for name, condition in part["depends_on"].items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
    assert {name for name, part in services.items() if "healthcheck" not in part} == {"migration"}
    for part in PARTS.values():
        has_probe = "/tmp/ready" in part.get("healthcheck", {}).get("test", ())
        assert has_probe == (READY_FILE in part["environment"])


def test_env_example_has_every_required_variable() -> None:
    named = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text("utf-8")))
    assert named == read_examples().keys()


def test_compose_file_contains_no_password() -> None:
    assert {read_examples()[name] for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD")} == {""}


def test_image_is_built_from_the_lock_file_and_runs_unprivileged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    python = re.search(r"^ARG PYTHON=([\d.]+)-slim", DOCKERFILE, re.MULTILINE)
    assert python is not None
    assert python[1] in SpecifierSet(project["requires-python"])
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert re.search(r"^USER 10001", DOCKERFILE, re.MULTILINE)
    taken = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    kept = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for name in " ".join(taken).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in kept
