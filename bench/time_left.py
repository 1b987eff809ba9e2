"""Time left and progress of ten kinds of job, as a client receives them.

Each job runs twice, first as the first of its kind and then with similar ones before it. The error
is that of the time last stated when a quarter, a half and three quarters of the job's time had
passed, over the time that it really still took.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis

from bench.cluster import create_video, retitle
from bench.instance import Instance, running_instance
from bench.report import BenchRow
from cinemill.jobs.service import JobService
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg

ROUNDS = 2
SHARES = (0.25, 0.5, 0.75)
FILM_SECONDS = 120
PATIENCE_SECONDS = 600
CHUNKS = 12
CHUNK_SECONDS = 2.0
CRASH_SETTINGS = {"CINEMILL_LEASE_SECONDS": "6", "CINEMILL_HEARTBEAT_SECONDS": "2"}
MEDIAN_TARGET = 0.2


@dataclass(slots=True)
class Trace:
    """The events of one job, by monotonic time."""

    kind: str
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def count_falls(self) -> int:
        """Return how many events show less progress than the one before."""
        return sum(
            later["progress"] < earlier["progress"]
            for (_, earlier), (_, later) in pairwise(self.events)
        )

    def measure_error(self, share: float) -> float | None:
        """Return the relative error of the time stated at a share of the job's time, or None."""
        began = next(at for at, event in self.events if event["status"] == "running")
        ended = self.events[-1][0]
        moment = began + share * (ended - began)
        stated = [event for at, event in self.events if at <= moment]
        left = stated[-1].get("seconds_left") if stated else None
        truth = ended - moment
        return None if left is None else abs(left - truth) / truth


def measure() -> list[BenchRow]:
    ffmpeg_binary = find_ffmpeg(None)
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as name:
        film = create_video(ffmpeg_binary, Path(name) / "film.mp4", FILM_SECONDS)
        with running_instance(
            settings={"CINEMILL_INPUT_ROOTS": name, **CRASH_SETTINGS}
        ) as instance:
            traces = [
                follow_job(instance, kind, submit(f"{kind}-{number}"))
                for number in range(ROUNDS)
                for kind, submit in _list_kinds(instance, ffmpeg_binary, film).items()
            ]
    return [*(_describe_errors(traces, share) for share in SHARES), _describe_falls(traces)]


def _describe_errors(traces: Sequence[Trace], share: float) -> BenchRow:
    found = [(trace.kind, trace.measure_error(share)) for trace in traces]
    errors = sorted(error for _, error in found if error is not None)
    silent = len(found) - len(errors)
    if not errors:
        name = f"time left at {share:.0%} of a job"
        return BenchRow(name, None, MEDIAN_TARGET, "", "it was never stated")
    p90 = errors[min(len(errors) - 1, int(0.9 * len(errors)))]
    worst = max((error, kind) for kind, error in found if error is not None)
    return BenchRow(
        f"time left at {share:.0%} of a job, median relative error",
        statistics.median(errors),
        MEDIAN_TARGET,
        "",
        f"p90 {p90:.2f}, worst {worst[0]:.2f} ({worst[1]}); {len(errors)} jobs of"
        f" {len({trace.kind for trace in traces})} kinds, {silent} that stated none",
    )


def _describe_falls(traces: Sequence[Trace]) -> BenchRow:
    events = sum(len(trace.events) for trace in traces)
    falls = sum(trace.count_falls() for trace in traces)
    name = "events that show less progress than the one before"
    return BenchRow(name, falls, 0, "", f"of {events}")


def follow_job(instance: Instance, kind: str, job_id: str) -> Trace:
    """Return what a subscriber of the job's channel receives until it ends."""
    trace = Trace(kind)
    with (
        redis.Redis.from_url(str(instance.settings.redis_url), decode_responses=True) as client,
        client.pubsub() as channel,
    ):
        channel.subscribe(f"task_progress:{job_id}")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            message = channel.get_message(timeout=1)
            if message is None or message["type"] != "message":
                continue
            event = json.loads(message["data"])
            trace.events.append((time.monotonic(), event))
            if event["status"] in ("completed", "failed", "cancelled"):
                if event["status"] != "completed":
                    raise RuntimeError(f"{kind}: {event}")
                return trace
    raise TimeoutError(f"{kind} has not ended after {PATIENCE_SECONDS} s")


Submit = Callable[[str], str]
"""Submits a job under a title that no other one has, and returns its id."""


def _list_kinds(
    instance: Instance, ffmpeg_binary: FfmpegBinary, film: Path
) -> Mapping[str, Submit]:
    # Its module reads the settings of the instance that runs when it is imported.
    from bench.application import catalog

    service = JobService(instance.database, catalog=catalog)

    def of_film(kind: str, **params: object) -> Submit:
        def submit(title: str) -> str:
            copy = retitle(ffmpeg_binary, film, title.replace(" ", "-"))
            return service.create_job(kind, params={"path": str(copy), **params}).id

        return submit

    def of_plan(**params: object) -> Submit:
        return lambda _title: service.create_job("bench_plan", params=params).id

    def of_timelines(kind: str, count: int) -> Submit:
        def submit(title: str) -> str:
            copies = [
                retitle(ffmpeg_binary, film, f"{title.replace(' ', '-')}-{number}")
                for number in range(count)
            ]
            jobs = [_make_timeline(copy) for copy in copies]
            params = {"job": jobs[0]} if kind == "render_video" else {"jobs": jobs}
            return service.create_job(kind, params=params).id

        return submit

    even = [CHUNK_SECONDS] * CHUNKS
    uneven = [CHUNK_SECONDS * (0.4 + 0.1 * (number * 7 % CHUNKS)) for number in range(CHUNKS)]
    small = {"codec": "h264", "height": 180, "preset": "mobile"}
    return {
        "process": of_film("process_video"),
        "transcode": of_film("transcode", options=small, chunk_seconds=0),
        "transcode in chunks": of_film("transcode", options=small, chunk_seconds=10),
        "ladder": of_film("make_ladder"),
        "render": of_timelines("render_video", 1),
        "batch of renders": of_timelines("batch_render", 3),
        "uneven chunks": of_plan(seconds=uneven),
        "chunks planned on the way": of_plan(seconds=even, is_planned_late=True),
        "a chunk that fails": of_plan(seconds=even, failing=[4]),
        "a worker that is killed": of_plan(seconds=even, killing=[4]),
    }


def _make_timeline(film: Path) -> dict[str, Any]:
    scenes = [
        {"video_path": str(film), "start_time": 10 * number, "end_time": 10 * number + 8}
        for number in range(6)
    ]
    return {
        "scenes": scenes,
        "output_format": {"width": 640, "height": 360, "fps": 25},
        "transitions": True,
    }
