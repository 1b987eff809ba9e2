"""Packages that are broken, each in its own way, next to an installation that goes on working."""

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
LEAVER = """def router(_):
    from fastapi import APIRouter
    from pydantic import BaseModel
    class CreateJobRequest(BaseModel):
        kind: int
    made = APIRouter()
    def leave(body: CreateJobRequest):
        raise SystemExit(3)
    leave.__annotations__["body"] = CreateJobRequest
    made.post("/")(leave)
    return made

def command():
    import typer
    print("noise")
    made = typer.Typer()
    made.command()(lambda: None)
    return made

def work"""
"""Ends the process wherever it can, prints, and takes names of ours."""
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
    "panics": "class PanicException(BaseException): ...\nraise PanicException('unwrap on None')",
    "leaver": f"NAME = 'leaver'\n{HEAD}\nCAPABILITY = build(build_router=router, "
    "build_command=command)".replace("def work", LEAVER),
    "wrong": f"NAME = 'wrong'\n{HEAD}\nCAPABILITY = build()".replace(
        'return StepOutcome({"done": True})', "return {}"
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
    "echo-panics": "ends in PanicException: unwrap on None",
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
    "echo-panics",
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


def call(instance: Instance, method: str, path: str, **request: Any) -> httpx.Response:
    token = (instance.home / "token").read_text().strip()
    state = json.loads((instance.home / "run" / "state.json").read_text())
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{state['api_url']}{path}"
    return httpx.request(method, url, headers=headers, timeout=60, **request)


def get(instance: Instance, path: str) -> Any:
    return call(instance, "GET", path).json()


def test_doctor_names_every_broken_package_and_what_to_do(instance: Instance) -> None:
    findings = json.loads(instance.run("doctor", "--json").stdout)
    own = [one for one in findings if one["part"] == "packages"]
    warned = {one["message"].split()[0]: one for one in own if one["level"] == "warn"}
    assert warned.keys() == REPORTED.keys()
    for package, words in REPORTED.items():
        assert words in warned[package]["message"]
        assert package in warned[package]["hint"]
    (fine,) = [one for one in own if one["level"] == "ok"]
    brought = "leaver (echo-leaver 1.0), sound (echo-sound 1.0), wrong (echo-wrong 1.0)"
    assert fine["message"] == f"bring {brought}"


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


def test_job_whose_handlers_cannot_be_built_fails_with_the_reason(instance: Instance) -> None:
    with instance.client() as client:
        job_id = str(client.submit("make_idle", {})["id"])
        assert [event.status for event in client.watch(job_id)][-1] == "failed"
        failure = client.job(job_id)["error"] or {}
    assert failure["code"] == "capability_unusable"
    assert "the licence server is away" in failure["message"]
    assert "echo-idle" in failure["hint"]


def test_handler_of_the_wrong_type_fails_its_job_with_the_reason(instance: Instance) -> None:
    with instance.client() as client:
        job_id = str(client.submit("make_wrong", {})["id"])
        assert [event.status for event in client.watch(job_id)][-1] == "failed"
        assert "returned a dict" in (client.job(job_id)["error"] or {})["message"]


def test_route_that_exits_ends_its_own_request(instance: Instance) -> None:
    for _ in range(2):  # before, the connection broke off and the API was started again
        answer = call(instance, "POST", "/api/v1/leaver/", json={"kind": 1})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    document = get(instance, "/openapi.json")
    assert "/api/v1/leaver/" in document["paths"]
    assert {"CreateJobRequest", "leaver.CreateJobRequest"} <= document["components"][
        "schemas"
    ].keys()


def test_broken_command_says_why(instance: Instance) -> None:
    for name, words in (("mute", "the licence server is away"), ("absent", "no_such_library")):
        done = instance.run(name)
        assert done.returncode == 3
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert instance.run("--help").returncode == 0
    assert "CINEMILL_HOME" in instance.run("config").stdout
