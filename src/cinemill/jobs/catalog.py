"""Every queue, kind of step and kind of job, in one table each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from cinemill.capabilities.plans import (
    plan_caption,
    plan_cleanup,
    plan_ladder,
    plan_preview,
    plan_single,
    plan_transcode,
    plan_video,
)
from cinemill.capabilities.render.plan import name_children, plan_batch, plan_render
from cinemill.capabilities.render.timeline.fields import quote
from cinemill.core.documents import check_size, check_text, encode_document
from cinemill.core.encoding.rendition import VideoCodec
from cinemill.core.hardware import name_queue
from cinemill.core.job import StepSpec
from cinemill.errors import NotFound
from cinemill.storage.jobs.job_rows import NewStep

GIB = 1024**3
MIB = 1024**2
LARGEST_TIMELINES_BYTES = 16 * MIB
LARGEST_PARAMS_BYTES = MIB
MINUTE = 60
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue with the limits of whoever works on it."""

    name: str
    priority: int
    """0–10, 10 first: of its messages where the job names none, and of the queue among queues."""
    memory_bytes: int
    """A step over this is stopped; a worker process over it is replaced."""
    recycle_after: int
    """Tasks after which a worker process is replaced."""
    soft_seconds: float
    """A step is stopped then, and the try counts as a failure."""
    hard_seconds: float
    """The worker process is killed then, whatever it does."""
    meaning: str
    codec: str | None = None
    """Only for workers with hardware that encodes this; None: for all."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` starts in ``seconds``, over the whole installation."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StepKind:
    """A kind of step: where it runs, its share of progress, and how often it is tried."""

    name: str
    queue: str
    weight: float = 1.0
    max_retries: int | None = None
    """Retries after the first failure; None: CELERY_TASK_MAX_RETRIES."""
    retry_delay_seconds: float | None = None
    """Before the first retry, doubled for each; None: CELERY_TASK_DEFAULT_RETRY_DELAY."""
    max_crashes: int | None = None
    """Dead after so many tries whose worker died; None: CINEMILL_MAX_CRASHES."""
    rate: Rate | None = None
    stall_seconds: float | None = None
    """Without progress for so long it is stopped; None: CINEMILL_STALL_SECONDS."""


Planner = Callable[[Mapping[str, Any], str | None], Sequence[StepSpec]]
"""(params, asset id) to steps; pure. Raises InputRejected."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of request, by the name that users and Celery messages call it."""

    name: str
    plan: Planner
    positional: tuple[str, ...] = ()
    """Names of the parameters that a Celery message passes by position."""
    second_channel: str | None = None
    """Prefix of a Redis channel that its events go to besides ``task_progress``, such as the
    ``analysis`` of detection."""
    answer: str | None = None
    """The member of the result that ``result.get()`` answers; None: all of it."""
    name_children: Callable[[str, Mapping[str, Any]], Sequence[str]] | None = None
    """(id, params) to the ids of the jobs that it submits itself; they are cancelled with it."""
    most_params_bytes: int = LARGEST_PARAMS_BYTES
    """Of its parameters as canonical JSON in UTF-8."""


@dataclass(frozen=True, slots=True)
class Catalog:
    queues: Mapping[str, Queue]
    steps: Mapping[str, StepKind]
    jobs: Mapping[str, JobKind]

    def plan(self, kind: str, params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
        """The steps of a job, parents first.

        What comes from outside is bounded here, before anything is made of it: see
        ``core.documents``. Raises NotFound, InputRejected, TooLarge.
        """
        if (found := self._find(kind)) is None:
            raise NotFound(
                f"There is no kind of job called {quote(kind)}.",
                code="job_kind_unknown",
                way_on=f"Use one of: {', '.join(sorted(self.jobs))}.",
            )
        if asset_id is not None:
            check_text(asset_id, "asset_id")
        check_size(params, most_bytes=found.most_params_bytes)
        # What a planner says of a value is more to the point than what holds for every value.
        steps = list(found.plan(params, asset_id))
        encode_document(params, most_bytes=found.most_params_bytes)
        return steps

    def _find(self, kind: object) -> JobKind | None:
        return self.jobs.get(kind) if isinstance(kind, str) else None

    def equip(self, specs: Sequence[StepSpec], limits: TryLimits) -> list[NewStep]:
        """The planned steps, with where each works, what it weighs and how often it is tried."""
        return [self._equip(spec, limits) for spec in specs]

    def _equip(self, spec: StepSpec, limits: TryLimits) -> NewStep:
        kind = self.steps[spec.kind]
        retries = limits.max_retries if kind.max_retries is None else kind.max_retries
        return NewStep(
            spec=spec,
            queue=kind.queue,
            weight=kind.weight,
            max_failures=retries + 1,
            max_crashes=kind.max_crashes or limits.max_crashes,
        )

    def with_more(self, steps: Sequence[StepKind] = (), jobs: Sequence[JobKind] = ()) -> Catalog:
        """This catalog and these kinds too."""
        return replace(
            self,
            steps=MappingProxyType({**self.steps, **{step.name: step for step in steps}}),
            jobs=MappingProxyType({**self.jobs, **{job.name: job for job in jobs}}),
        )

    def with_rates(self, per_minute: Mapping[str, int]) -> Catalog:
        """This catalog, with so many starts in a minute, by queue, for what has a limit there."""
        limited = [step for step in self.steps.values() if step.rate and step.queue in per_minute]
        return self.with_more(
            [replace(step, rate=Rate(per_minute[step.queue], MINUTE)) for step in limited]
        )


def list_common(queues: Mapping[str, Queue]) -> list[str]:
    """Names of the queues that every worker may work on."""
    return [queue.name for queue in queues.values() if queue.codec is None]


def _by_name(rows: Sequence[Any]) -> Mapping[str, Any]:
    return MappingProxyType({row.name: row for row in rows})


_HOUR_LIMITS: Mapping[str, Any] = {"soft_seconds": 55 * MINUTE, "hard_seconds": HOUR}
_LONG_LIMITS: Mapping[str, Any] = {"soft_seconds": 6 * HOUR - 5 * MINUTE, "hard_seconds": 6 * HOUR}
_SHORT_LIMITS: Mapping[str, Any] = {"soft_seconds": 50.0, "hard_seconds": 60.0}

QUEUES: Mapping[str, Queue] = _by_name(
    [
        Queue("runtime", 10, GIB, 25, **_SHORT_LIMITS, meaning="Search and answers; interactive"),
        Queue("orchestration", 8, GIB // 2, 25, **_HOUR_LIMITS, meaning="Planning, upkeep"),
        Queue("embeddings", 7, 2 * GIB, 25, **_HOUR_LIMITS, meaning="Text and picture vectors"),
        Queue(
            "knowledge_graph", 6, 7 * GIB // 2, 25, **_HOUR_LIMITS, meaning="Entities, relations"
        ),
        Queue("proxy", 5, 2 * GIB, 10, **_HOUR_LIMITS, meaning="Proxies, stills, sprites"),
        Queue("ingestion", 5, 4 * GIB, 25, **_HOUR_LIMITS, meaning="Intake and probing"),
        Queue("default", 5, 2 * GIB, 25, **_HOUR_LIMITS, meaning="All that names no other"),
        Queue("video_analysis", 5, 4 * GIB, 25, **_HOUR_LIMITS, meaning="Shots, key frames"),
        Queue("detection", 5, 4 * GIB, 25, **_HOUR_LIMITS, meaning="Deepfake analysis"),
        Queue("preview", 5, 2 * GIB, 25, **_HOUR_LIMITS, meaning="Stills spread over a film"),
        Queue("caption", 5, 6 * GIB, 10, **_LONG_LIMITS, meaning="Speech to text"),
        Queue("transcode", 5, 4 * GIB, 10, **_LONG_LIMITS, meaning="File to file"),
        Queue("render", 5, 4 * GIB, 10, **_LONG_LIMITS, meaning="Timeline to file"),
        *(
            Queue(
                name_queue(codec),
                5,
                4 * GIB,
                10,
                **_LONG_LIMITS,
                meaning=f"File to {codec}, in hardware",
                codec=codec,
            )
            for codec in VideoCodec
        ),
    ]
)

COMMON_QUEUES = tuple(list_common(QUEUES))

STEP_KINDS: Mapping[str, StepKind] = _by_name(
    [
        StepKind("intake_source", "ingestion", weight=5),
        StepKind("probe_source", "ingestion", weight=2),
        StepKind("prepare_source", "proxy", weight=93),
        StepKind("encode_rendition", "transcode", weight=93, rate=Rate(20, MINUTE)),
        StepKind("encode_whole", "transcode", weight=93),
        StepKind("encode_chunk", "transcode", weight=20),
        StepKind("encode_tracks", "transcode", weight=5),
        StepKind("join_chunks", "transcode", weight=4),
        StepKind("extract_stills", "preview", weight=93),
        StepKind("open_stream", "transcode", weight=3, rate=Rate(20, MINUTE)),
        StepKind("build_ladder", "transcode", weight=90),
        StepKind("gather_sources", "ingestion", weight=5),
        StepKind("open_render", "render", weight=1, rate=Rate(10, MINUTE)),
        StepKind("render_pieces", "render", weight=20),
        StepKind("mix_sound", "render", weight=5),
        StepKind("join_render", "render", weight=4),
        StepKind("submit_batch", "default"),
        StepKind("collect_batch", "orchestration", weight=99),
        # A large model on a small machine takes longer for a stretch than an encoder may pause.
        StepKind(
            "transcribe_speech",
            "caption",
            weight=92,
            rate=Rate(5, MINUTE),
            stall_seconds=15 * MINUTE,
        ),
        StepKind("write_captions", "default", weight=1),
        StepKind("forget_old_jobs", "orchestration"),
        StepKind("remove_garbage", "orchestration"),
        StepKind("find_stuck_jobs", "orchestration"),
        StepKind("count_jobs", "orchestration"),
        StepKind("clean_shelves", "orchestration"),
        StepKind("measure_resources", "orchestration"),
    ]
)

JOB_KINDS: Mapping[str, JobKind] = _by_name(
    [
        JobKind("process_video", plan_video, positional=("path",)),
        JobKind("transcode", plan_transcode, positional=("path", "options")),
        JobKind("make_ladder", plan_ladder, positional=("path", "preset")),
        JobKind(
            "render_video",
            plan_render,
            positional=("job",),
            most_params_bytes=LARGEST_TIMELINES_BYTES,
        ),
        JobKind(
            "batch_render",
            plan_batch,
            positional=("jobs",),
            answer="results",
            name_children=name_children,
            most_params_bytes=LARGEST_TIMELINES_BYTES,
        ),
        JobKind("generate_preview", plan_preview, positional=("path", "num_frames")),
        JobKind("caption", plan_caption, positional=("path", "model")),
        JobKind("cleanup_old_jobs", plan_single("forget_old_jobs")),
        JobKind("collect_garbage", plan_single("remove_garbage")),
        JobKind("check_stuck_jobs", plan_single("find_stuck_jobs")),
        JobKind("get_queue_stats", plan_single("count_jobs")),
        JobKind("cleanup", plan_cleanup, positional=("max_age_days", "max_size_gb")),
        JobKind("monitor_resources", plan_single("measure_resources")),
    ]
)

CATALOG = Catalog(queues=QUEUES, steps=STEP_KINDS, jobs=JOB_KINDS)


@dataclass(frozen=True, slots=True)
class TryLimits:
    """What holds where a kind of step says nothing of its own; from the settings."""

    max_retries: int = 3
    retry_delay_seconds: float = 60.0
    max_crashes: int = 3
    stall_seconds: float = 120.0
    lease_seconds: float = 60.0
    heartbeat_seconds: float = 15.0
    queue_seconds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """(soft, hard) limits by queue, where they are not the queue's own."""
