"""Every queue, kind of step and kind of job, in one table each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from cinemill.core.documents import check_size, check_text, encode_document, quote
from cinemill.core.job import StepSpec
from cinemill.core.parameter_reader import read_parameters, read_stored_parameters
from cinemill.core.parameters import Parameters
from cinemill.errors import NotFound
from cinemill.storage.jobs.new_jobs import NewStep

GIB = 1024**3
MIB = 1024**2
LARGEST_TIMELINES_BYTES = 16 * MIB
LARGEST_PARAMS_BYTES = MIB
MINUTE = 60
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, with the limits of the workers that consume it."""

    name: str
    priority: int
    """0–10, 10 first: of its messages where the job names none, and of the queue among queues."""
    memory_bytes: int
    """A step over this is stopped; a worker process over it is replaced."""
    max_tasks_per_child: int
    """Tasks after which a worker process is replaced."""
    soft_seconds: float
    """A step is stopped then, and the attempt counts as a failure."""
    hard_seconds: float
    """The worker process is killed then, whatever it does."""
    description: str
    codec: str | None = None
    """Only for workers with hardware that encodes this; None: for all."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` starts in ``seconds``, over the whole installation."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StepKind:
    """A kind of step: where it runs, its share of progress, and how often it is attempted."""

    name: str
    queue: str
    weight: float = 1.0
    max_retries: int | None = None
    """Retries after the first failure; None: CELERY_TASK_MAX_RETRIES."""
    retry_delay_seconds: float | None = None
    """Before the first retry, doubled for each; None: CELERY_TASK_DEFAULT_RETRY_DELAY."""
    max_crashes: int | None = None
    """Dead after so many attempts whose worker died; None: CINEMILL_MAX_CRASHES."""
    rate: Rate | None = None
    stall_seconds: float | None = None
    """Stopped after so long without progress; None: CINEMILL_STALL_SECONDS."""
    is_optional: bool = False
    """The job goes on without it where it fails; its result then says what is missing. Give it
    ``max_retries=0`` and ``max_crashes=1`` where other steps wait for it."""


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True)
class JobKind(Generic[P]):
    """A kind of job, by the name that users and Celery messages give it."""

    name: str
    parameters: type[P]
    """Model of what it takes; it reads the parameters, and documents them."""
    plan: Callable[[P, str | None], Sequence[StepSpec]]
    """Turns the parameters and the id of the asset into steps, parents first; pure. Raises
    InputRejected."""
    positional: tuple[str, ...] = ()
    """Names of the parameters that a Celery message passes by position."""
    second_channel: str | None = None
    """Prefix of a Redis channel that its events go to besides ``task_progress``, such as the
    ``analysis`` of detection."""
    result_field: str | None = None
    """The member of the result that ``result.get()`` returns; None: all of it."""
    name_children: Callable[[str, P], Sequence[str]] | None = None
    """Turns the id and the parameters into the ids of the jobs that this one submits, which are
    cancelled with it."""
    most_params_bytes: int = LARGEST_PARAMS_BYTES
    """Of its parameters as canonical JSON in UTF-8."""

    def read_params(self, document: Any) -> P:
        """Return the parameters of a request. Raises InputRejected."""
        return read_parameters(self.parameters, document)

    def read_stored_params(self, document: Any) -> P:
        """Return the parameters of a job that was accepted before. Raises OutputInvalid."""
        return read_stored_parameters(self.parameters, document)


@dataclass(frozen=True, slots=True)
class Catalog:
    queues: Mapping[str, Queue]
    steps: Mapping[str, StepKind]
    jobs: Mapping[str, JobKind[Any]]

    def plan(self, kind: str, params: Mapping[str, object], asset_id: str | None) -> list[StepSpec]:
        """Return the steps of a job, parents first.

        Input from outside is bounded here before anything else reads it: see ``core.documents``.
        Raises NotFound, InputRejected, TooLarge.
        """
        if (found := self._find(kind)) is None:
            raise NotFound(
                f"Unknown kind of job: {quote(kind)}.",
                code="job_kind_unknown",
                hint=f"Valid kinds: {', '.join(sorted(self.jobs))}.",
            )
        if asset_id is not None:
            check_text(asset_id, "asset_id")
        check_size(params, most_bytes=found.most_params_bytes)
        # What a model says about a value is more specific than the rules for all values.
        steps = list(found.plan(found.read_params(params), asset_id))
        encode_document(params, most_bytes=found.most_params_bytes)
        return steps

    def _find(self, kind: object) -> JobKind[Any] | None:
        return self.jobs.get(kind) if isinstance(kind, str) else None

    def resolve(self, specs: Sequence[StepSpec], limits: RetryPolicy) -> list[NewStep]:
        """Return the planned steps with their queues, weights and numbers of attempts."""
        return [self._equip(spec, limits) for spec in specs]

    def _equip(self, spec: StepSpec, limits: RetryPolicy) -> NewStep:
        kind = self.steps[spec.kind]
        retries = limits.max_retries if kind.max_retries is None else kind.max_retries
        return NewStep(
            spec=spec,
            queue=kind.queue,
            weight=kind.weight,
            max_failures=retries + 1,
            max_crashes=kind.max_crashes or limits.max_crashes,
        )

    def extend(self, steps: Sequence[StepKind] = (), jobs: Sequence[JobKind[Any]] = ()) -> Catalog:
        """Return this catalog with further kinds."""
        return replace(
            self,
            steps=MappingProxyType({**self.steps, **{step.name: step for step in steps}}),
            jobs=MappingProxyType({**self.jobs, **{job.name: job for job in jobs}}),
        )

    def with_rates(self, per_minute: Mapping[str, int]) -> Catalog:
        """Return this catalog with other rates, in starts per minute by queue."""
        limited = [step for step in self.steps.values() if step.rate and step.queue in per_minute]
        return self.extend(
            [replace(step, rate=Rate(per_minute[step.queue], MINUTE)) for step in limited]
        )


def list_optional(catalog: Catalog) -> frozenset[str]:
    """Return the kinds of step that a job goes on without where they fail."""
    return frozenset(kind.name for kind in catalog.steps.values() if kind.is_optional)


def list_common(queues: Mapping[str, Queue]) -> list[str]:
    """Return the names of the queues that every worker can consume."""
    return [queue.name for queue in queues.values() if queue.codec is None]


def by_name(rows: Sequence[Any]) -> Mapping[str, Any]:
    return MappingProxyType({row.name: row for row in rows})


HOUR_LIMITS: Mapping[str, Any] = {"soft_seconds": 55 * MINUTE, "hard_seconds": HOUR}
LONG_LIMITS: Mapping[str, Any] = {"soft_seconds": 6 * HOUR - 5 * MINUTE, "hard_seconds": 6 * HOUR}
SHORT_LIMITS: Mapping[str, Any] = {"soft_seconds": 50.0, "hard_seconds": 60.0}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Defaults for kinds of step that set none of their own; from the settings."""

    max_retries: int = 3
    retry_delay_seconds: float = 60.0
    max_crashes: int = 3
    stall_seconds: float = 120.0
    lease_seconds: float = 60.0
    heartbeat_seconds: float = 15.0
    queue_seconds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """(soft, hard) limits by queue, where they are not the queue's own."""
