"""How loud a video is, as EBU R 128 has it: a capability for Cinemill.

This module is imported in every process of an installation, so it declares and plans, and no more.
What needs FFmpeg, FastAPI or Typer is imported by the three factories when it is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capability import (
    GIB,
    HOUR_LIMITS,
    Capability,
    JobKind,
    Queue,
    RouteResources,
    SourceParameters,
    StepKind,
    StepSpec,
    plan_source,
)

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer

    from cinemill.capability.handlers import Handler, StepResources

__all__ = ["CAPABILITY"]

NAME = "loudness"
JOB = "measure_loudness"
STEP = "measure_loudness"


def plan_loudness(params: SourceParameters, asset_id: str | None) -> list[StepSpec]:
    """Return the steps of a job: the video is probed, then measured. Raises InputRejected."""
    return [
        *plan_source(JOB, params, asset_id),
        StepSpec("loudness", STEP, after=("probe",)),
    ]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill_loudness.measure import measure_loudness

    return {STEP: partial(measure_loudness, resources)}


def _build_command() -> Typer:
    from cinemill_loudness.command import app

    return app


def _build_router(resources: RouteResources) -> APIRouter:
    from cinemill_loudness.routes import make_router

    return make_router(resources)


CAPABILITY = Capability(
    name=NAME,
    protocol=1,
    queues=(Queue("loudness", 5, GIB, 100, **HOUR_LIMITS, description="How loud videos are"),),
    steps=(StepKind(STEP, "loudness", weight=20),),
    jobs=(JobKind(JOB, SourceParameters, plan_loudness, positional=("path",)),),
    build_handlers=_build_handlers,
    build_command=_build_command,
    build_router=_build_router,
)
