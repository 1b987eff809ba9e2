"""Cinemill's Celery application with kinds of job that only benchmarks have."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from pydantic import ConfigDict, Field

from cinemill.catalog import CATALOG
from cinemill.config import load
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Parameters
from cinemill.errors import CommandFailed
from cinemill.jobs.catalog import JobKind, StepKind
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.worker.app_factory import build_app

JOIN_SECONDS = 2.0


class BenchParameters(Parameters):
    """What a benchmark passes to its own step."""

    model_config = ConfigDict(extra="allow")


def plan_single(kind: str) -> Callable[[BenchParameters, str | None], list[StepSpec]]:
    return lambda _params, _asset: [StepSpec("only", kind)]


def run_command(context: StepContext) -> StepOutcome:
    """Run the FFmpeg command in the job's ``arguments``, as every step does."""
    FfmpegSession(
        find_ffmpeg(None),
        context.folder,
        Limits(),
        detect_sandbox("off"),
        should_stop=context.should_stop,
    ).run(
        list(context.run.job_params["arguments"]),
        on_progress=lambda progress: context.report(0.5, "Encoding"),
    )
    return StepOutcome({})


def hold_worker(context: StepContext) -> StepOutcome:
    """Hold a place on a worker for the job's ``seconds``."""
    time.sleep(context.run.job_params["seconds"])
    return StepOutcome({})


class PlanParameters(Parameters):
    """Chunks that take so many seconds each, and a step that joins them."""

    seconds: list[float]
    is_planned_late: bool = False
    """Whether the chunks are planned by a first step."""
    failing: list[int] = Field(default_factory=list)
    """Chunks whose first attempt fails in its middle."""
    killing: list[int] = Field(default_factory=list)
    """Chunks whose first attempt kills its worker process in its middle."""


def plan_chunks(params: PlanParameters, _asset: str | None) -> list[StepSpec]:
    """Plan the chunks, or the step that plans them, and the join."""
    chunks = list_chunks(params)
    first = [StepSpec("split", "bench_split")] if params.is_planned_late else chunks
    names = tuple(step.name for step in first)
    return [*first, StepSpec("join", "bench_chunk", {"seconds": JOIN_SECONDS}, after=names)]


def list_chunks(params: PlanParameters) -> list[StepSpec]:
    return [
        StepSpec(
            f"chunk-{number:02}",
            "bench_chunk",
            {
                "seconds": seconds,
                "is_failing": number in params.failing,
                "is_killing": number in params.killing,
            },
        )
        for number, seconds in enumerate(params.seconds)
    ]


def split(context: StepContext) -> StepOutcome:
    """Plan the job's chunks after a while."""
    time.sleep(JOIN_SECONDS)
    return StepOutcome({}, steps=list_chunks(context.job_parameters(PlanParameters)))


def work_on_chunk(context: StepContext) -> StepOutcome:
    """Take the step's ``seconds``, and report a quarter of a second of them at a time."""
    params, began = context.run.params, time.monotonic()
    while (share := (time.monotonic() - began) / params["seconds"]) < 1:
        context.report(share, f"Working, {share:.0%}")
        if share > 0.5 and context.run.attempt == 1:
            if params.get("is_killing"):
                os.kill(os.getpid(), signal.SIGKILL)
            if params.get("is_failing"):
                raise CommandFailed("It failed in its middle.", exit_code=1, log_tail="")
        time.sleep(0.25)
    return StepOutcome({})


KINDS = {"bench_command": run_command, "bench_rest": hold_worker}
STEPS = {"bench_split": split, "bench_chunk": work_on_chunk}

catalog = CATALOG.extend(
    steps=[
        *(StepKind(name, "default") for name in KINDS),
        StepKind("bench_split", "default"),
        StepKind("bench_chunk", "default", weight=20, retry_delay_seconds=1),
    ],
    jobs=[
        JobKind("bench_plan", PlanParameters, plan_chunks),
        *(JobKind(name, BenchParameters, plan_single(name)) for name in KINDS),
    ],
)

app = build_app(load(), catalog=catalog, handlers={**KINDS, **STEPS})
