"""Cinemill's Celery application with three kinds of job that only benchmarks have."""

from __future__ import annotations

import time

from pydantic import ConfigDict

from cinemill.catalog import CATALOG
from cinemill.config import load
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Parameters
from cinemill.jobs.catalog import JobKind, StepKind
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.worker.app_factory import build_app


class BenchParameters(Parameters):
    """What a benchmark passes to its own step."""

    model_config = ConfigDict(extra="allow")


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


KINDS = {"bench_command": run_command, "bench_rest": hold_worker}

catalog = CATALOG.extend(
    steps=[StepKind(name, "default") for name in KINDS],
    jobs=[
        JobKind(name, BenchParameters, lambda _params, _asset, name=name: [StepSpec("only", name)])  # type: ignore[misc]
        for name in KINDS
    ],
)

app = build_app(load(), catalog=catalog, handlers=KINDS)
