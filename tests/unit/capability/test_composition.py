"""Capabilities of packages: what is taken, what is left out, and what is said of it."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import model_validator
from tests.packages import EXAMPLE, install_module, install_project

from cinemill.capability import (
    Capability,
    JobKind,
    NoParameters,
    Parameters,
    Queue,
    Rate,
    StepKind,
    StepSpec,
)
from cinemill.capability.checks import find_handler_flaw
from cinemill.capability.composition import Composition, compose
from cinemill.catalog import BUILT_IN, CATALOG, UNOWNED_QUEUES
from cinemill.errors import InputRejected, OutputInvalid
from cinemill.jobs.catalog import GIB, HOUR_LIMITS
from cinemill.steps.discovery import GROUP, Found, LeftOut, Origin, discover

ORIGIN = Origin("cinemill-echo", "1.0", "echo")


def plan_echo(params: NoParameters, asset_id: str | None) -> list[StepSpec]:
    return [StepSpec("echo", "echo")]


def make_capability(**members: Any) -> Capability:
    """A sound one, but for these members."""
    sound: dict[str, Any] = {
        "name": "echo",
        "protocol": 1,
        "queues": (Queue("echo", 5, GIB, 25, **HOUR_LIMITS, description="Echoes"),),
        "steps": (StepKind("echo", "echo", rate=Rate(10, 60)),),
        "jobs": (JobKind("make_echo", NoParameters, plan_echo, positional=("path",)),),
        "build_handlers": lambda resources: {},
    }
    return Capability(**{**sound, **members})


def compose_found(*values: object) -> Composition:
    found = [value if isinstance(value, LeftOut) else Found(ORIGIN, value) for value in values]
    return compose(BUILT_IN, UNOWNED_QUEUES, found)


def test_sound_capability_is_part_of_the_catalog() -> None:
    composition = compose_found(make_capability())
    assert composition.left_out == ()
    assert composition.catalog.plan("make_echo", {}, None) == [StepSpec("echo", "echo")]
    assert composition.catalog.queues["echo"].memory_bytes == GIB
    assert [one.name for one in composition.capabilities][-1] == "echo"


def test_without_packages_the_catalog_is_the_products_own() -> None:
    own = compose(BUILT_IN, UNOWNED_QUEUES).catalog
    assert own.jobs.keys() <= CATALOG.jobs.keys()
    assert "make_echo" not in own.jobs


def test_queues_of_packages_are_ordered_among_the_others() -> None:
    urgent = Queue("echo", 9, GIB, 25, **HOUR_LIMITS, description="Echoes")
    names = list(compose_found(make_capability(queues=(urgent,))).catalog.queues)
    assert names.index("runtime") < names.index("echo") < names.index("default")


FLAWS: dict[str, tuple[dict[str, Any], str]] = {
    "no protocol": ({"protocol": None}, r"does not say which version .*protocol=1"),
    "later protocol": (
        {"protocol": 2},
        "version 2 of the .*; this Cinemill has 1",
    ),
    "protocol of another type": ({"protocol": [1]}, r"version \[1\]"),
    "protocol true": ({"protocol": True}, "version True"),
    "capability taken": ({"name": "render"}, "the capability 'render', which Cinemill has"),
    "queue taken": (
        {"queues": (Queue("default", 5, 1, 1, 1, 2, description=""),)},
        "the queue 'default', which Cinemill has",
    ),
    "planned queue taken": (
        {"queues": (Queue("detection", 5, 1, 1, 1, 2, description=""),)},
        "the queue 'detection', which Cinemill has",
    ),
    "step taken": (
        {"steps": (StepKind("probe_source", "echo"),)},
        "the kind of step 'probe_source', which Cinemill has",
    ),
    "job taken": (
        {"jobs": (JobKind("process_video", NoParameters, plan_echo),)},
        "the kind of job 'process_video', which Cinemill has",
    ),
    "queue nowhere": ({"queues": ()}, "a queue 'echo' that is not there"),
    "name of two words": ({"name": "an echo"}, "Capability.name"),
    "name no word": ({"name": 7}, "Capability.name"),
    "priority no number": (
        {"queues": (Queue("echo", "high", 1, 1, 1, 2, description=""),)},  # type: ignore[arg-type]
        "Queue.priority",
    ),
    "priority too high": ({"queues": (Queue("echo", 11, 1, 1, 1, 2, description=""),)}, "priority"),
    "no memory": ({"queues": (Queue("echo", 5, 0, 1, 1, 2, description=""),)}, "memory_bytes"),
    "limits in the wrong order": (
        {"queues": (Queue("echo", 5, 1, 1, 2, 2, description=""),)},
        "soft limit is not below",
    ),
    "endless limit": (
        {"queues": (Queue("echo", 5, 1, 1, 2, float("inf"), description=""),)},
        "hard_seconds",
    ),
    "queue for hardware": (
        {"queues": (Queue("echo", 5, 1, 1, 1, 2, description="", codec="h264"),)},
        "codec",
    ),
    "queue name with a comma": (
        {"queues": (Queue("a,b", 5, 1, 1, 1, 2, description=""),)},
        "Queue.name",
    ),
    "weight not a number": ({"steps": (StepKind("echo", "echo", float("nan")),)}, "weight"),
    "retries below zero": ({"steps": (StepKind("echo", "echo", max_retries=-1),)}, "max_retries"),
    "rate of nothing": ({"steps": (StepKind("echo", "echo", rate=Rate(0, 1)),)}, "rate.count"),
    "step twice": ({"steps": (StepKind("echo", "echo"),) * 2}, "kind of step 'echo' twice"),
    "job with a dot": (
        {"jobs": (JobKind("celery.chord", NoParameters, plan_echo),)},
        "JobKind.name",
    ),
    "plan not callable": ({"jobs": (JobKind("make_echo", NoParameters, None),)}, "plan"),  # type: ignore[arg-type]
    "job of another type": ({"jobs": ("make_echo",)}, "Capability.jobs"),
    "jobs in a list": ({"jobs": []}, "Capability.jobs"),
    "handlers no factory": ({"build_handlers": {}}, "build_handlers"),
    "crashes beyond an integer column": (
        {"steps": (StepKind("echo", "echo", max_crashes=2**40),)},
        "max_crashes",
    ),
    "endless retries": ({"steps": (StepKind("echo", "echo", max_retries=10**9),)}, "max_retries"),
    "delay of a geological age": (
        {"steps": (StepKind("echo", "echo", retry_delay_seconds=1e300),)},
        "retry_delay_seconds",
    ),
    "weight that hides all others": ({"steps": (StepKind("echo", "echo", 1e308),)}, "weight"),
    "limit longer than any timer": (
        {"queues": (Queue("echo", 5, 1, 1, 1, 1e18, description=""),)},
        "hard_seconds",
    ),
    "channel with a colon": (
        {"jobs": (JobKind("make_echo", NoParameters, plan_echo, second_channel="a:b"),)},
        "second_channel",
    ),
    "parameters larger than any body": (
        {"jobs": (JobKind("make_echo", NoParameters, plan_echo, most_params_bytes=2**60),)},
        "most_params_bytes",
    ),
    "command no factory": ({"build_command": "echo"}, "build_command"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_flawed_capability_is_left_out_and_the_flaw_named(flaw: str) -> None:
    members, words = FLAWS[flaw]
    composition = compose_found(make_capability(**members))
    assert composition.installed == ()
    assert composition.catalog.jobs.keys() == compose(BUILT_IN, UNOWNED_QUEUES).catalog.jobs.keys()
    (left_out,) = composition.left_out
    assert left_out.reason.startswith("cinemill-echo 1.0 ")
    assert re.search(words, left_out.reason), left_out.reason
    assert "pip uninstall cinemill-echo" in left_out.hint


@pytest.mark.parametrize("value", [None, 3, "echo", make_capability, Capability, BUILT_IN])
def test_what_is_no_capability_is_left_out(value: object) -> None:
    (left_out,) = compose_found(value).left_out
    assert "where a cinemill.capability.Capability is needed" in left_out.reason


class Unreadable(Capability):
    @property
    def protocol(self) -> int:
        raise RuntimeError("nobody may look")


class Exiting(Capability):
    @property
    def name(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize("kind", [Unreadable, Exiting])
def test_object_that_cannot_be_read_is_left_out(kind: type[Capability]) -> None:
    value = object.__new__(kind)
    (left_out,) = compose_found(value).left_out
    assert "cannot be read" in left_out.reason


def test_of_two_packages_with_one_name_the_first_keeps_it() -> None:
    later = Found(Origin("cinemill-second", "2.0", "echo"), make_capability())
    composition = compose(BUILT_IN, UNOWNED_QUEUES, [Found(ORIGIN, make_capability()), later])
    assert [str(one.origin) for one in composition.installed] == ["cinemill-echo 1.0"]
    (left_out,) = composition.left_out
    assert left_out.reason == (
        "cinemill-second 2.0 defines the capability 'echo', which cinemill-echo 1.0 has already."
    )


_ANYTHING = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=5), st.just(()), st.lists(st.none())
)


@given(
    st.dictionaries(
        st.sampled_from(["name", "protocol", "queues", "steps", "jobs", "build_router"]), _ANYTHING
    ),
    st.dictionaries(
        st.sampled_from(
            ["priority", "memory_bytes", "soft_seconds", "hard_seconds", "description"]
        ),
        _ANYTHING,
    ),
)
def test_nothing_that_a_package_defines_ends_the_composition(
    members: dict[str, Any], columns: dict[str, Any]
) -> None:
    row: dict[str, Any] = {
        "name": "echo",
        "priority": 5,
        "memory_bytes": 1,
        "max_tasks_per_child": 1,
        "soft_seconds": 1.0,
        "hard_seconds": 2.0,
        "description": "",
        **columns,
    }
    composition = compose_found(make_capability(**{"queues": (Queue(**row),), **members}))
    assert len(composition.installed) + len(composition.left_out) == 1
    assert CATALOG.jobs.keys() - composition.catalog.jobs.keys() == set()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages that this process finds."""
    folder = tmp_path / "site"
    folder.mkdir()
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith(("cinemill_loudness", "echo_")):
            del sys.modules[name]


def test_example_is_found_and_sound(site: Path) -> None:
    install_project(EXAMPLE, site)
    composition = compose(BUILT_IN, UNOWNED_QUEUES, discover())
    (installed,) = composition.installed
    assert str(installed.origin) == "cinemill-loudness 0.1.0"
    steps = composition.catalog.plan("measure_loudness", {}, "asset-1")
    assert [step.kind for step in steps] == ["probe_source", "measure_loudness"]


def test_packages_come_in_the_order_of_their_names(site: Path) -> None:
    for name in ("echo-b", "echo-a", "Echo-C"):
        install_module(site, name, "VALUE = 1", points={"echo": f"{name.replace('-', '_')}:VALUE"})
    found = discover()
    assert [one.origin.package for one in found] == ["echo-a", "echo-b", "Echo-C"]


BROKEN: dict[str, tuple[str, str]] = {
    "raises": ("raise ValueError('no licence\\nfound')", "ValueError: no licence found"),
    "exits": ("import sys; sys.exit('go away')", "SystemExit: go away"),
    "misses a library": ("import no_such_library", "No module named 'no_such_library'"),
    "panics as a Rust extension does": (
        "class PanicException(BaseException): ...\nraise PanicException('called unwrap on None')",
        "PanicException: called unwrap on None",
    ),
    "raises what cannot be shown": (
        "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd",
        "ends in Odd",
    ),
    "is cancelled": ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
    "is no Python": ("def (", "SyntaxError"),
    "defines nothing": ("", "has no attribute 'CAPABILITY'"),
    "recurses": ("def f(): f()\nf()", "RecursionError"),
    "is of an older protocol": (
        "from cinemill.capability import Capability\nCAPABILITY = Capability('echo', colour=1)",
        "colour",
    ),
    "imports the catalog": ("from cinemill.catalog import NOTHING_THERE", "ImportError"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_package_that_cannot_be_imported_is_left_out(fault: str, site: Path) -> None:
    code, words = BROKEN[fault]
    install_module(site, "echo-broken", code, points={"echo": "echo_broken:CAPABILITY"})
    (left_out,) = discover()
    assert isinstance(left_out, LeftOut)
    assert left_out.reason.startswith("echo-broken 1.0 cannot be imported: its entry point echo")
    assert words in left_out.reason
    assert "\n" not in left_out.reason
    assert left_out.hint


def test_package_whose_import_hangs_is_left_out(site: Path) -> None:
    """In a process of its own: here the alarm belongs to the test runner."""
    install_module(
        site, "echo-asleep", "import time; time.sleep(600)", points={"echo": "echo_asleep:VALUE"}
    )
    install_module(site, "echo-sound", "VALUE = 1", points={"sound": "echo_sound:VALUE"})
    script = (
        "from functools import partial\n"
        "from cinemill.steps import discovery, package_code\n"
        "discovery.contained = partial(package_code.contained, 0.5)\n"
        "asleep, sound = discovery.discover()\n"
        "print(asleep.reason, sound.value, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "TimeoutError: it takes longer than 0.5 seconds" in done.stdout
    assert done.stdout.splitlines()[1] == "1"


def test_package_without_a_version_is_loaded(site: Path) -> None:
    install_module(site, "echo-bare", "VALUE = 1", points={"bare": "echo_bare:VALUE"})
    (site / "echo_bare-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\n")
    (found,) = discover()
    assert isinstance(found, Found)


def test_metadata_that_cannot_be_read_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_nothing(**_: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr(metadata, "entry_points", read_nothing)
    (left_out,) = discover()
    assert isinstance(left_out, LeftOut)
    assert "metadata that cannot be read" in left_out.reason


def test_entry_point_that_names_no_object_is_left_out() -> None:
    (left_out,) = discover([metadata.EntryPoint("echo", "???", GROUP)])
    assert isinstance(left_out, LeftOut)


def _work(*_: object) -> None: ...


@pytest.mark.parametrize(
    ("handlers", "words"),
    [
        ({"echo": _work}, None),
        ({}, "no handlers of its steps echo"),
        ({"echo": _work, "probe_source": _work}, "steps not its own: probe_source"),
        ({"echo": "work"}, "cannot be called"),
        ([_work], "returns a list instead of a mapping"),
        (None, "returns a NoneType instead of a mapping"),
    ],
)
def test_handlers_are_those_of_the_capabilitys_own_steps(
    handlers: object, words: str | None
) -> None:
    flaw = find_handler_flaw(make_capability(), handlers)
    assert flaw is None if words is None else words in str(flaw)


BAD_PLANS: dict[str, tuple[Any, str]] = {
    "raises": (lambda params, asset_id: params.size, "AttributeError"),
    "returns nothing": (lambda params, asset_id: None, "TypeError"),
    "returns no steps": (lambda params, asset_id: [], "it has no steps"),
    "returns words": (lambda params, asset_id: ["echo"], "a str instead of a StepSpec"),
    "takes nothing": (list, "TypeError"),
    "unknown kind": (
        lambda p, a: [StepSpec("echo", "no_such_step")],
        "kind of step 'no_such_step'",
    ),
    "same name twice": (lambda p, a: [StepSpec("echo", "echo")] * 2, "two steps 'echo'"),
    "exits": (lambda p, a: sys.exit("enough"), "SystemExit: enough"),
    "never ends": (lambda p, a: (StepSpec(str(n), "echo") for n in itertools.count()), "10,000"),
    "params that are no JSON": (
        lambda p, a: [StepSpec("echo", "echo", {"at": object()})],
        "a step cannot be stored",
    ),
    "name that is no text": (lambda p, a: [StepSpec(7, "echo")], "a step cannot be stored"),  # type: ignore[arg-type]
    "name with a NUL": (lambda p, a: [StepSpec("a\0", "echo")], "a step cannot be stored"),
    "child first": (
        lambda p, a: [StepSpec("b", "echo", after=("a",)), StepSpec("a", "echo")],
        "comes after 'a', which is not before it",
    ),
}


@pytest.mark.parametrize("fault", BAD_PLANS)
def test_plan_that_makes_no_sense_rejects_the_request(fault: str) -> None:
    plan, words = BAD_PLANS[fault]
    catalog = compose_found(
        make_capability(jobs=(JobKind("make_echo", NoParameters, plan),))
    ).catalog
    with pytest.raises(InputRejected) as refused:
        catalog.plan("make_echo", {}, None)
    assert refused.value.code == "plan_failed"
    assert words in refused.value.message
    assert "cinemill-echo 1.0 cannot plan a 'make_echo'" in refused.value.message


class Weird(Parameters):
    size: int = 0

    @model_validator(mode="after")
    def _look(self) -> Weird:
        match self.size:
            case 1:
                raise LookupError("the model's own fault")
            case 2:
                raise SystemExit(2)
        return self


@pytest.mark.parametrize("size", [1, 2])
def test_model_that_fails_rejects_the_request(size: int) -> None:
    kind = JobKind("make_echo", Weird, plan_echo, name_children=lambda job_id, _: [job_id])  # type: ignore[arg-type]
    catalog = compose_found(make_capability(jobs=(kind,))).catalog
    assert catalog.plan("make_echo", {"size": 0}, None)
    with pytest.raises(InputRejected) as refused:
        catalog.plan("make_echo", {"size": size}, None)
    assert refused.value.code == "plan_failed"
    with pytest.raises(InputRejected, match="size must be a whole number"):
        catalog.plan("make_echo", {"size": "large"}, None)
    with pytest.raises(OutputInvalid, match="cannot read its job"):
        catalog.jobs["make_echo"].read_stored_params({"size": size})


def test_what_a_plan_itself_rejects_keeps_its_own_words() -> None:
    def plan(params: NoParameters, asset_id: str | None) -> list[StepSpec]:
        raise InputRejected("Echoes need a valley.", code="valley_missing")

    catalog = compose_found(
        make_capability(jobs=(JobKind("make_echo", NoParameters, plan),))
    ).catalog
    with pytest.raises(InputRejected, match="Echoes need a valley"):
        catalog.plan("make_echo", {}, None)


def test_children_that_cannot_be_named_are_none() -> None:
    def name_children(job_id: str, params: NoParameters) -> list[str]:
        raise LookupError(job_id)

    kind = JobKind("make_echo", NoParameters, plan_echo, name_children=name_children)
    found = compose_found(make_capability(jobs=(kind,))).catalog.jobs["make_echo"]
    assert found.name_children is not None
    assert list(found.name_children("job-1", {})) == []


def test_what_a_package_prints_at_its_import_is_no_output(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "print('hello')\nCAPABILITY = 1"
    install_module(site, "echo-loud", code, points={"echo": "echo_loud:CAPABILITY"})
    discover()
    assert capsys.readouterr().out == ""
