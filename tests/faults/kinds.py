"""The drill's kinds of work; each leaves a mark that shows how often it took effect.

An effect is a row written in the fenced transaction and a file that the row names; the file's
content is the claim's token, so that a dropped attempt's file never passes for another's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pydantic import ConfigDict
from sqlalchemy import text

from cinemill.catalog import CATALOG
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Listed, Parameters
from cinemill.errors import InputRejected, WorkFailed
from cinemill.jobs.catalog import Catalog, JobKind, Rate, StepKind
from cinemill.jobs.step import Handler, StepContext, StepOutcome
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.steps.batch import Child, collect_children, name_children, submit_children
from cinemill.steps.resources import StepResources, effective_limits
from cinemill.storage.database import Connection
from cinemill.storage.media import assets

TICK_SECONDS = 0.05
MEMORY_GRAB_BYTES = 768 * 1024**2
MEMORY_PIECE_BYTES = 32 * 1024**2
"""Allocated piecewise, or the GIL would be held for seconds, which is another poison: ``wedge``."""
FAMILY_CHILDREN = 8
FAMILY_SECONDS = 600.0
"""Of each child of a batch: it never ends by itself."""
SOFT_LIMIT_SECONDS = 5.0
HARD_LIMIT_SECONDS = 9.0

EFFECT_TABLE = """
CREATE TABLE IF NOT EXISTS drill_effect (
    step_id text NOT NULL, job_id text NOT NULL, run_id text NOT NULL, token text NOT NULL,
    sha256 text NOT NULL, made_at timestamptz NOT NULL DEFAULT clock_timestamp())
"""
"""Without a unique key, so that a second effect is recorded and not refused."""

_INSERT_EFFECT = """
INSERT INTO drill_effect (step_id, job_id, run_id, token, sha256)
VALUES (:step_id, :job_id, :run_id, :token, :sha256)
"""


class DrillHandlers:
    """The drill's handlers; ``open_resources`` is called once the process has connections."""

    def __init__(self, open_resources: Callable[[], StepResources]) -> None:
        self.open_resources = open_resources

    def by_kind(self) -> Mapping[str, Handler]:
        return {
            "drill_work": self.work,
            "drill_probe": self.work,
            "drill_unserved": self.work,
            "drill_part": self.work,
            "drill_join": self.join,
            "drill_slow_commit": self.commit_slowly,
            "drill_flaky": self.fail_then_succeed,
            "drill_reject": self.reject,
            "drill_encode": self.encode,
            "drill_hung_encoder": self.hang_encoder,
            "drill_endless_encoder": self.encode_endlessly,
            "drill_poison_kill": self.die,
            "drill_poison_memory": self.grab_memory,
            "drill_poison_hang": self.hang,
            "drill_poison_wedge": self.wedge,
            "drill_rated": self.work,
            "family_submit": self.submit_family,
            "family_collect": self.collect_family,
        }

    def submit_family(self, context: StepContext) -> StepOutcome:
        """Submit long jobs, slowly enough for a cancel or a kill to come in between."""
        service = self.open_resources().service
        child = Child("drill_work_job", {"seconds": FAMILY_SECONDS})
        for count in range(1, FAMILY_CHILDREN + 1):
            outcome = submit_children(service, context, [child] * count)
            wait(context, 0.05)
        return outcome

    def collect_family(self, context: StepContext) -> StepOutcome:
        service = self.open_resources().service
        return collect_children(service, context, lambda number, _: {"number": number}, "jobs")

    def work(self, context: StepContext) -> StepOutcome:
        wait(context, float(context.run.params["seconds"]))
        return self._mark(context, {"value": context.run.params.get("value", 0)})

    def join(self, context: StepContext) -> StepOutcome:
        """Sum the values of all parts; the sum is wrong if a part is missing or counted twice."""
        total = sum(int(result["value"]) for result in context.run.inputs.values())
        return self._mark(context, {"value": total, "parts": len(context.run.inputs)})

    def commit_slowly(self, context: StepContext) -> StepOutcome:
        outcome = self._mark(context, {"value": 0})

        def write(connection: Connection) -> None:
            outcome.write(connection)
            time.sleep(float(context.run.params["seconds"]))

        return StepOutcome(outcome.result, write)

    def fail_then_succeed(self, context: StepContext) -> StepOutcome:
        if context.run.attempt <= int(context.run.params["failures"]):
            raise WorkFailed("Not yet.", code="drill_not_yet")
        return self._mark(context, {"value": 0})

    def reject(self, context: StepContext) -> StepOutcome:
        wait(context, float(context.run.params.get("seconds", 0)))
        raise InputRejected("This can never work.", code="drill_rejected")

    def encode(self, context: StepContext) -> StepOutcome:
        """Run a real FFmpeg that takes so many seconds, and check its file."""
        seconds = float(context.run.params["seconds"])
        source = f"testsrc=size=64x48:rate=10:duration={seconds}"
        codec = ["-c:v", "mpeg4", "-y", "film.mp4"]
        self._run_ffmpeg(context, ["-re", "-f", "lavfi", "-i", source, *codec])
        return self._mark(context, {"value": (context.folder / "film.mp4").stat().st_size > 0})

    def hang_encoder(self, context: StepContext) -> StepOutcome:
        """Run an encoder that hangs: it reads from a pipe to which no process writes."""
        os.mkfifo(context.folder / "never")
        raw = ["-f", "rawvideo", "-video_size", "64x48", "-i", "never"]
        self._run_ffmpeg(context, [*raw, "-f", "null", "-"])
        return self._mark(context, {"value": 0})

    def encode_endlessly(self, context: StepContext) -> StepOutcome:
        """Run an encoder that makes progress and never ends."""
        source = ["-re", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10"]
        self._run_ffmpeg(context, [*source, "-f", "null", "-"])
        return self._mark(context, {"value": 0})

    def die(self, context: StepContext) -> StepOutcome:
        wait(context, 0.2)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    def grab_memory(self, context: StepContext) -> StepOutcome:
        """Allocate more memory than the queue permits, piece by piece, and keep it."""
        held = []
        for _ in range(MEMORY_GRAB_BYTES // MEMORY_PIECE_BYTES):
            piece = bytearray(MEMORY_PIECE_BYTES)
            piece[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(piece[:: os.sysconf("SC_PAGE_SIZE")])
            held.append(piece)
            wait(context, TICK_SECONDS)
        wait(context, 60.0)
        return self._mark(context, {"value": len(held)})

    def hang(self, context: StepContext) -> StepOutcome:
        """Never check whether to stop."""
        time.sleep(3600.0)
        return self._mark(context, {"value": 0})

    def wedge(self, context: StepContext) -> StepOutcome:
        """Hold the GIL forever, so that not even the heartbeat of this process runs."""
        mutex = ctypes.create_string_buffer(128)  # all zeros: unlocked
        for _ in range(2):  # the second call never returns, whatever signals arrive
            ctypes.PyDLL(None).pthread_mutex_lock(mutex)
        return self._mark(context, {"value": 0})

    def _run_ffmpeg(self, context: StepContext, arguments: list[str]) -> None:
        resources = self.open_resources()
        FfmpegSession(
            resources.ffmpeg_binary,
            context.folder,
            effective_limits(resources, context),
            resources.sandbox,
            should_stop=context.should_stop,
        ).run(
            arguments, on_progress=lambda progress: context.report(0.5, f"{progress.fingerprint}")
        )

    def _mark(self, context: StepContext, result: Mapping[str, Any]) -> StepOutcome:
        run = context.run
        path = context.folder / "effect"
        path.write_text(f"{run.step_id} {run.token}\n")
        stored = self.open_resources().files.publish(path)

        def write(connection: Connection) -> None:
            row = {"step_id": run.step_id, "job_id": run.job_id, "run_id": run.id}
            row |= {"token": run.token, "sha256": stored.sha256}
            connection.execute(text(_INSERT_EFFECT), row)
            assets.register_asset(
                connection,
                owner=run.owner,
                sha256=stored.sha256,
                size_bytes=stored.size_bytes,
                filename=f"effect-{run.step_id}",
            )

        return StepOutcome(result, write)


def wait(context: StepContext, seconds: float) -> None:
    """Work in a way that can be stopped at any time.

    After the last tick it does not check for a stop any more, so that a process that was frozen
    then goes on to commit, and only the fence prevents it.
    """
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        stop = context.should_stop()
        if stop is not None:
            raise stop
        context.report(elapsed / seconds, "Working")
        time.sleep(TICK_SECONDS)


class DrillParameters(Parameters):
    """Any parameters that a step of the drill reads."""

    model_config = ConfigDict(extra="allow")


def plan_one(step: str) -> Callable[[DrillParameters, str | None], Sequence[StepSpec]]:
    def plan(params: DrillParameters, _asset_id: str | None) -> Sequence[StepSpec]:
        return [StepSpec("only", step, params.model_dump())]

    return plan


class FanParameters(Parameters):
    """Parameters of jobs with many steps."""

    seconds: float
    values: Listed[int] = ()


def plan_fan(params: FanParameters, _asset_id: str | None) -> Sequence[StepSpec]:
    """Plan one step, then one in parallel for each value, then one that sums their results."""
    seconds, values = params.seconds, params.values
    parts = [
        StepSpec(f"part-{index}", "drill_part", {"seconds": seconds, "value": value}, ("first",))
        for index, value in enumerate(values)
    ]
    return [
        StepSpec("first", "drill_work", {"seconds": seconds}),
        *parts,
        StepSpec("join", "drill_join", after=tuple(part.name for part in parts)),
    ]


def plan_broken_fan(params: FanParameters, _asset_id: str | None) -> Sequence[StepSpec]:
    """Plan a branch that is rejected while another one, which has a successor, still works."""
    return [
        StepSpec("bad", "drill_reject", {"seconds": params.seconds}),
        StepSpec("good", "drill_part", {"seconds": 3 * params.seconds, "value": 1}),
        StepSpec("child", "drill_work", {"seconds": 0.1}, ("good",)),
    ]


def plan_family(_params: DrillParameters, _asset_id: str | None) -> Sequence[StepSpec]:
    return [
        StepSpec("submit", "family_submit"),
        StepSpec("collect", "family_collect", after=("submit",)),
    ]


def name_family(job_id: str, _params: DrillParameters) -> Sequence[str]:
    return name_children(job_id, FAMILY_CHILDREN)


_QUICK: Mapping[str, Any] = {"max_retries": 1, "retry_delay_seconds": 1.0}

# The drill may kill the same innocent step three times, which would reach the limit of crashes;
# that limit is tested on poison only.
_INNOCENT: Mapping[str, Any] = {"max_crashes": 12}

STEPS = [
    StepKind("drill_work", "default", **_INNOCENT),
    StepKind("drill_probe", "preview", **_INNOCENT),
    StepKind("drill_unserved", "caption", **_INNOCENT),
    StepKind("drill_part", "embeddings", **_INNOCENT),
    StepKind("drill_join", "knowledge_graph", **_INNOCENT),
    StepKind("drill_slow_commit", "default", **_INNOCENT),
    StepKind("drill_flaky", "default", **_INNOCENT),
    StepKind("drill_reject", "default", **_INNOCENT),
    StepKind("drill_encode", "proxy", **_INNOCENT),
    StepKind("drill_hung_encoder", "transcode", stall_seconds=3.0, **_QUICK),
    StepKind("drill_endless_encoder", "detection", **_QUICK),
    StepKind("drill_poison_kill", "default"),
    StepKind("drill_poison_memory", "orchestration", **_QUICK),
    StepKind("drill_poison_hang", "transcode", stall_seconds=2.0, **_QUICK),
    StepKind("drill_poison_wedge", "video_analysis"),
    StepKind("drill_rated", "default", rate=Rate(1200, 60), **_INNOCENT),
    # Not named like the others, since they leave no effect.
    StepKind("family_submit", "default", **_INNOCENT),
    StepKind("family_collect", "default", **_INNOCENT),
]

JOBS: list[JobKind[Any]] = [
    *(
        JobKind(f"{step.name}_job", DrillParameters, plan_one(step.name))
        for step in STEPS
        if step.name.startswith("drill")
    ),
    JobKind("drill_fan_job", FanParameters, plan_fan),
    JobKind("drill_broken_fan_job", FanParameters, plan_broken_fan),
    JobKind("drill_family_job", DrillParameters, plan_family, name_children=name_family),
]


def _with_short_limits(catalog: Catalog) -> Catalog:
    """Return the catalog with a short soft limit for one queue and a short hard one for another."""
    queues = {
        **catalog.queues,
        "detection": replace(catalog.queues["detection"], soft_seconds=SOFT_LIMIT_SECONDS),
        "video_analysis": replace(
            catalog.queues["video_analysis"], hard_seconds=HARD_LIMIT_SECONDS
        ),
    }
    return replace(catalog, queues=MappingProxyType(queues))


DRILL_CATALOG = _with_short_limits(CATALOG.extend(steps=STEPS, jobs=JOBS))
