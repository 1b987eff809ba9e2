"""Imports of a worker before its processes are forked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cinemill.capability.composition import Installed
from cinemill.catalog import COMPOSITION
from cinemill.config import load
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.discovery import Origin
from cinemill.steps.resources import StepResources
from cinemill.worker.context import WorkerContext
from cinemill.worker.handlers import build_handlers, import_handlers

NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


def test_preloading_does_not_call_package_factories(tmp_path: Path) -> None:
    """A factory may open resources that forked processes must not share."""
    called: list[StepResources] = []

    def build(resources: StepResources) -> Mapping[str, Handler]:
        called.append(resources)
        return {}

    echo = Installed(Origin("echo", "1.0", "echo"), Capability("echo", (), (), build))
    composition = replace(COMPOSITION, installed=(echo,))
    context = WorkerContext(load({"CINEMILL_HOME": str(tmp_path), **NOWHERE}))
    import_handlers(context, composition)
    assert not called
    build_handlers(context, composition)
    assert len(called) == 1
