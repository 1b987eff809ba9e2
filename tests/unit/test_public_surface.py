"""What others may rely on changes on purpose, or not at all."""

from __future__ import annotations

import inspect
import subprocess
import sys

from tests.surface import MODULES, PATH, describe_surface

from cinemill.catalog import BUILT_IN
from cinemill.client import Client
from cinemill.testing import FakeClient


def test_public_surface_is_as_it_was() -> None:
    assert "\n".join(describe_surface()) == PATH.read_text("utf-8").rstrip("\n"), (
        "the public surface has changed; if it was meant to, run: python -m tests.surface"
    )


def test_surface_names_something_of_every_module() -> None:
    lines = PATH.read_text("utf-8").splitlines()
    for module in (*MODULES, "cinemill.worker.tasks"):
        assert sum(line.startswith(f"{module}.") for line in lines) > 1


def test_fake_client_has_every_method_of_the_client_with_its_parameters() -> None:
    for name, member in inspect.getmembers(Client, inspect.isfunction):
        if name.startswith("_"):
            continue
        fake = getattr(FakeClient, name)
        assert fake is not member, f"FakeClient.{name} is missing"
        assert inspect.signature(fake) == inspect.signature(member), name


def test_every_kind_of_job_is_a_task_to_import() -> None:
    kinds = [kind.name for one in BUILT_IN for kind in one.jobs]
    script = (
        "import sys\nfrom cinemill.worker import tasks\n"
        "for name in sys.argv[1:]: assert getattr(tasks, name).name == name, name\n"
        "assert not hasattr(tasks, 'no_such_kind')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *kinds], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_declaring_a_capability_loads_neither_ffmpeg_nor_web_nor_celery() -> None:
    """The module of a package is imported in every process."""
    heavy = ("av", "fastapi", "starlette", "celery", "faster_whisper", "cinemill.media.ffmpeg")
    script = (
        "import sys\nimport cinemill.capability\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
