"""Packages that are broken, each in its own way, beside an installation that goes on working."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import films
from tests.instances import Instance, running_instance
from tests.packages import install_module

HEAD = """
from cinemill.capability import *

def plan(params, asset_id):
    return [StepSpec("work", NAME)]

def build(**more):
    return Capability(**{
        "name": NAME,
        "protocol": 1,
        "steps": (StepKind(NAME, "default", max_retries=0),),
        "jobs": (JobKind("make_" + NAME, NoParameters, plan),),
        "build_handlers": lambda resources: {NAME: work},
        **more,
    })

def work(context):
    from cinemill.capability.handlers import StepOutcome
    return StepOutcome({"done": True})

def fail(*_):
    raise OSError("the licence server is away")
"""
PACKAGES = {
    "absent": "import no_such_library",
    "later": f"NAME = 'later'\n{HEAD}\nCAPABILITY = build(protocol=99)",
    "thief": f"NAME = 'thief'\n{HEAD}\nCAPABILITY = build(jobs=(JobKind("
    "'process_video', NoParameters, plan),))",
    "idle": f"NAME = 'idle'\n{HEAD}\nCAPABILITY = build(build_handlers=fail)",
    "routeless": f"NAME = 'routeless'\n{HEAD}\nCAPABILITY = build(build_router=fail)",
    "jobs": f"NAME = 'jobs'\n{HEAD}\nCAPABILITY = build(build_router=router)".replace(
        "def fail",
        "def router(_):\n    from fastapi import APIRouter\n    return APIRouter()\n\ndef fail",
    ),
    "starter": f"NAME = 'starter'\n{HEAD}\nCAPABILITY = build(build_router=router)".replace(
        "def fail",
        "def router(_):\n    from fastapi import APIRouter\n"
        "    return APIRouter(on_startup=[fail])\n\ndef fail",
    ),
    "mute": f"NAME = 'mute'\n{HEAD}\nCAPABILITY = build(build_command=fail)",
    "render2": f"NAME = 'config'\n{HEAD}\nCAPABILITY = build(build_command=command)".replace(
        "def fail", "def command():\n    import typer\n    return typer.Typer()\n\ndef fail"
    ),
    "sound": f"NAME = 'sound'\n{HEAD}\nCAPABILITY = build()",
}
"""The code of each package's module, by its name."""
REPORTED = {
    "echo-absent": "No module named 'no_such_library'",
    "echo-later": "version 99 of the capability protocol",
    "echo-thief": "the kind of job 'process_video', which Cinemill has already",
    "echo-idle": "build_handlers ends in OSError: the licence server is away",
    "echo-routeless": "build_router ends in OSError: the licence server is away",
    "echo-jobs": "Cinemill's own are at /api/v1/jobs",
    "echo-starter": "code for the server's start or stop",
    "echo-mute": "a command that cannot be used: OSError: the licence server is away",
    "echo-render2": "Cinemill has a command 'config' of its own",
}
SEEN_BY_API = {
    "echo-absent",
    "echo-later",
    "echo-thief",
    "echo-routeless",
    "echo-jobs",
    "echo-starter",
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.make_film(tmp_path_factory.mktemp("films") / "short.mp4")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Iterator[Instance]:
    site = tmp_path_factory.mktemp("site")
    for name, code in PACKAGES.items():
        install_module(site, f"echo-{name}", code, points={name: f"echo_{name}:CAPABILITY"})
    with running_instance(tmp_path_factory.mktemp("x") / "home", site, film.parent) as running:
        yield running


def get(instance: Instance, path: str) -> Any:
    token = (instance.home / "token").read_text().strip()
    state = json.loads((instance.home / "run" / "state.json").read_text())
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{state['api_url']}{path}", headers=headers, timeout=60).json()


def test_doctor_names_every_broken_package_and_what_to_do(instance: Instance) -> None:
    findings = json.loads(instance.run("doctor", "--json").stdout)
    own = [one for one in findings if one["part"] == "packages"]
    warned = {one["words"].split()[0]: one for one in own if one["level"] == "warn"}
    assert warned.keys() == REPORTED.keys()
    for package, words in REPORTED.items():
        assert words in warned[package]["words"]
        assert package in warned[package]["hint"]
    (fine,) = [one for one in own if one["level"] == "ok"]
    assert fine["words"] == "bring sound (echo-sound 1.0)"


def test_health_says_that_something_is_left_out(instance: Instance) -> None:
    health = get(instance, "/health")
    assert health["capabilities"] == "left_out"
    assert health["status"] == "ok"
    left_out = get(instance, "/debug")["left_out"]
    assert {one["package"].split()[0] for one in left_out} == SEEN_BY_API


def test_videos_are_processed_all_the_same(instance: Instance, film: Path) -> None:
    with instance.client() as client:
        job_id = client.upload(film)["id"]
        assert [event.status for event in client.watch(job_id)][-1] == "completed"
        sound = client.submit("make_sound", {})
        assert [event.status for event in client.watch(str(sound["id"]))][-1] == "completed"


def test_a_job_whose_handlers_cannot_be_built_fails_with_the_reason(instance: Instance) -> None:
    with instance.client() as client:
        job_id = str(client.submit("make_idle", {})["id"])
        assert [event.status for event in client.watch(job_id)][-1] == "failed"
        failure = client.job(job_id)["error"] or {}
    assert failure["code"] == "capability_unusable"
    assert "the licence server is away" in failure["message"]
    assert "echo-idle" in failure["hint"]


def test_a_broken_command_says_why(instance: Instance) -> None:
    for name, words in (("mute", "the licence server is away"), ("absent", "no_such_library")):
        done = instance.run(name)
        assert done.returncode == 3
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert instance.run("--help").returncode == 0
    assert "CINEMILL_HOME" in instance.run("config").stdout
