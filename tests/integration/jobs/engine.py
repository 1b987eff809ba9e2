"""Kinds of work that tests make up, and a broker that only remembers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from pydantic import ConfigDict
from tests.integration.storage import rows

from cinemill import catalog
from cinemill.core.job import ClaimedRun, Job, StepSpec
from cinemill.core.parameters import Parameters
from cinemill.errors import RedisUnavailable
from cinemill.jobs.catalog import GIB, JobKind, Queue, Rate, StepKind
from cinemill.jobs.dispatch import Dispatcher
from cinemill.jobs.service import JobService
from cinemill.storage.database import Database
from cinemill.storage.jobs.dispatch import ReadyRun


class AnyParameters(Parameters):
    """Whatever a test thinks of."""

    model_config = ConfigDict(extra="allow")


def plan_one(kind: str) -> Callable[[AnyParameters, str | None], list[StepSpec]]:
    return lambda params, asset_id: [StepSpec("work", kind)]


def plan_hardware(params: AnyParameters, asset_id: str | None) -> list[StepSpec]:
    return [StepSpec("work", "work", hardware="h264")]


def plan_chain(params: AnyParameters, asset_id: str | None) -> list[StepSpec]:
    return [StepSpec("first", "work"), StepSpec("second", "work", after=("first",))]


def plan_quick_chain(params: AnyParameters, asset_id: str | None) -> list[StepSpec]:
    return [StepSpec("quick", "quick_work"), StepSpec("work", "work", after=("quick",))]


def plan_crowd(params: AnyParameters, asset_id: str | None) -> list[StepSpec]:
    return [StepSpec(f"part-{number:02d}", "work") for number in range(30)]


def plan_crowd_with_audio(params: AnyParameters, asset_id: str | None) -> list[StepSpec]:
    return [*plan_crowd(params, asset_id), StepSpec("audio", "fragile_work")]


_SMALL = Queue("small", 5, 1024, 25, 3300, 3600, description="Where a kilobyte is allowed")
_BRIEF = Queue("brief", 5, 1024 * GIB, 25, 0.6, 60, description="Where half a second is allowed")

# The work runs in the tests' own process, next to browsers and servers that are its children:
# their memory must not end an attempt here.
_ROOMY = {name: replace(queue, memory_bytes=1024 * GIB) for name, queue in catalog.QUEUES.items()}

CATALOG = replace(
    catalog.CATALOG.extend(
        [
            StepKind("work", "default"),
            StepKind("urgent_work", "runtime"),
            StepKind("rare_work", "default", rate=Rate(2, 60)),
            StepKind("fragile_work", "default", max_retries=1, retry_delay_seconds=10),
            StepKind("hungry_work", "small"),
            StepKind("long_work", "brief"),
            StepKind("hanging_work", "default", stall_seconds=4),
            StepKind("quick_work", "default", max_retries=0, max_crashes=1, is_optional=True),
        ],
        [
            JobKind(kind, AnyParameters, plan_one(kind))
            for kind in (
                "work",
                "urgent_work",
                "rare_work",
                "fragile_work",
                "hungry_work",
                "long_work",
                "hanging_work",
                "quick_work",
            )
        ]
        + [
            JobKind("chain", AnyParameters, plan_chain),
            JobKind("quick_chain", AnyParameters, plan_quick_chain),
            JobKind("crowd", AnyParameters, plan_crowd),
            JobKind("crowd_with_audio", AnyParameters, plan_crowd_with_audio),
            JobKind("hardware_work", AnyParameters, plan_hardware),
            JobKind("analyse", AnyParameters, plan_one("work"), second_channel="analysis"),
        ],
    ),
    queues=MappingProxyType({**_ROOMY, "small": _SMALL, "brief": _BRIEF}),
)


@dataclass
class Post:
    """Remembers what was sent; messages lie there until ``lose`` or ``deliver`` takes them."""

    sent: list[ReadyRun] = field(default_factory=list)
    lying: list[ReadyRun] = field(default_factory=list)
    room: int | None = None
    """Messages that are taken before Redis is away; None: all."""

    def send(self, run: ReadyRun) -> None:
        if self.room is not None:
            if self.room == 0:
                raise RedisUnavailable("The broker does not take messages.")
            self.room -= 1
        self.sent.append(run)
        self.lying.append(run)

    def measure_depth(self, queue: str) -> int:
        return sum(run.queue == queue for run in self.lying)

    def lose(self) -> None:
        """As FLUSHALL does."""
        self.lying.clear()

    @property
    def owners(self) -> Counter[str]:
        return Counter(run.owner for run in self.sent)


@dataclass
class Engine:
    database: Database
    service: JobService
    dispatcher: Dispatcher
    post: Post

    def submit(self, count: int = 1, kind: str = "work", **options: Any) -> list[Job]:
        return [self.service.create_job(kind, **options) for _ in range(count)]

    def claim(self, ready: ReadyRun) -> ClaimedRun:
        """As a worker does that is given the message."""
        self.post.lying.remove(ready)
        run = rows.claim(self.database, ready.id)
        assert run is not None
        return run

    def finish(self, ready: ReadyRun) -> None:
        rows.succeed(self.database, self.claim(ready))

    def claim_and_finish(self) -> str:
        """Return the id of a job that has ended well."""
        (job,) = self.submit()
        rows.succeed(self.database, rows.start(self.database, job))
        return job.id
