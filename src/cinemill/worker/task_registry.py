"""Celery's tasks: one for each kind of job and one for each kind of step.

Clients send the tasks of jobs, and only the relay sends those of steps. Each body is one call.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Reject
from celery.result import AsyncResult
from kombu.utils.json import dumps

from cinemill.core.dead_messages import DeadMessage
from cinemill.core.documents import JsonObject
from cinemill.core.job import DEFAULT_OWNER, Failure
from cinemill.errors import DependencyUnavailable, InputRejected
from cinemill.jobs.catalog import Catalog, JobKind
from cinemill.jobs.service import JobService
from cinemill.storage.jobs.refused_messages import RefusedMessages
from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.envelope import excerpt
from cinemill.worker.messages.guard import STEP_PREFIX
from cinemill.worker.messages.queues import requested_priority

log = get_logger(__name__)

UNSUPPORTED_OPTIONS = frozenset({"countdown", "eta", "expires", "link", "link_error", "queue"})
ADOPTION_PAUSE_SECONDS = 1.0


class JobTask(Task):
    """A kind of job as a task: sending it submits a job and returns a result that waits for it."""

    abstract = True
    Request = "cinemill.worker.messages.consumer:JobRequest"
    ignore_result = False
    reject_on_worker_lost = True
    """A message that is being adopted is the only record of its job: it goes back to the broker."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        # Celery's own takes no keyword argument called 'self'.
        return self.run(*args, **kwargs)

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        priority: int | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Submit a job of this kind; ``priority`` 0–10, 10 first. Raises InputRejected.

        Celery's own options that a job cannot store are refused rather than ignored.
        """
        refused = sorted(
            name for name in options.keys() & UNSUPPORTED_OPTIONS if options[name] is not None
        )
        if refused:
            raise InputRejected(
                f"{', '.join(refused)} cannot be used with Cinemill jobs.",
                code="arguments_invalid",
                hint="Submit it when it is due; its kind chooses the queue.",
            )
        context = self.app.context
        kind = context.catalog.jobs[self.name]
        params = bind_arguments(kind, args or (), kwargs or {})
        job = submit(context.service, kind, params, priority=priority, job_id=task_id)
        return self.AsyncResult(job.id)


def register(app: Celery) -> None:
    """Give the application a task for every kind in its catalog."""
    catalog: Catalog = app.context.catalog
    for kind in catalog.jobs.values():
        _register_job(app, kind)
    for step in catalog.steps:
        _register_step(app, step)


def _register_job(app: Celery, kind: JobKind[Any]) -> None:
    # Not shared: a second application in this process must not get this one's tasks.
    @app.task(name=kind.name, base=JobTask, bind=True, shared=False)
    def adopt(task: Task, /, *args: Any, **kwargs: Any) -> None:
        adopt_message(task, args, kwargs)


def _register_step(app: Celery, name: str) -> None:
    # Acknowledged early: the row is the source of truth, and a lost message is sent again. With
    # unacknowledged messages, kombu 5.7 ends the whole worker when its Redis connection breaks.
    @app.task(name=step_task_name(name), ignore_result=True, shared=False, acks_late=False)
    def run(run_id: str, /) -> None:
        app.context.runner.execute(run_id)


def step_task_name(kind: str) -> str:
    """Return the task's name for a kind of step; without the prefix a kind of job may share it."""
    return f"{STEP_PREFIX}{kind}"


def adopt_message(task: Task, args: tuple[Any, ...], kwargs: JsonObject) -> None:
    """Create the job of a message that another client sent, with its task id as the job's id.

    Raises Ignore, since Celery must not store a result: the job will have one. Raises Reject while
    PostgreSQL is unavailable, or Redis for a message that can only become a dead letter: the
    message is the only record of its job, and goes back to the broker.
    """
    context: WorkerContext = task.app.context
    kind = context.catalog.jobs[task.name]
    try:
        _adopt(context, kind, task.request, args, kwargs)
    except DependencyUnavailable as error:
        time.sleep(ADOPTION_PAUSE_SECONDS)
        raise Reject(error.message, requeue=True) from error
    raise Ignore


def _adopt(
    context: WorkerContext,
    kind: JobKind[Any],
    request: Any,
    args: tuple[Any, ...],
    kwargs: JsonObject,
) -> None:
    """Create a job, or a failed one if the arguments are invalid: a client may wait for its end."""
    priority = requested_priority((request.delivery_info or {}).get("priority"))
    try:
        params = bind_arguments(kind, args, kwargs)
        submit(context.service, kind, params, priority=priority, job_id=request.id)
    except DependencyUnavailable:
        raise
    except InputRejected as error:
        _reject(context, kind, request, error)
    except Exception as error:
        # Whatever the error was, a client may wait for this job's end.
        log.exception("no job could be created from a message", task=kind.name, job_id=request.id)
        failure = InputRejected(
            f"{kind.name} cannot be made of these arguments ({type(error).__name__}).",
            code="arguments_invalid",
        )
        _reject(context, kind, request, failure)


def _reject(context: WorkerContext, kind: JobKind[Any], request: Any, error: InputRejected) -> None:
    """Create a failed job, or a dead message if no job can have this id."""
    try:
        context.service.create_rejected(kind.name, error, owner=DEFAULT_OWNER, job_id=request.id)
    except DependencyUnavailable:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it was, the message leaves a record
        log.warning("no failed job could be created from a message", why=str(fault), task=kind.name)
        with closing(RefusedMessages(context.redis_url)) as refused:
            refused.put(_make_dead_message(kind, request, error))


def _make_dead_message(kind: JobKind[Any], request: Any, error: InputRejected) -> DeadMessage:
    content = dumps([request.args, request.kwargs]).encode("utf-8", "backslashreplace")
    return DeadMessage.make(
        queue=str((request.delivery_info or {}).get("routing_key") or ""),
        task=kind.name,
        task_id=str(request.id or ""),
        failure=Failure(error.code, error.message, error.hint, retryable=False),
        excerpt=excerpt(content),
        size_bytes=len(content),
    )


def submit(
    service: JobService,
    kind: JobKind[Any],
    params: JsonObject,
    *,
    priority: int | None,
    job_id: str | None,
) -> Any:
    """Create a job; the parameter ``asset_id`` is stored in the job, not in its parameters."""
    asset_id: Any = params.get("asset_id")
    return service.create_job(
        kind.name,
        owner=DEFAULT_OWNER,
        params={name: value for name, value in params.items() if name != "asset_id"},
        asset_id=asset_id,
        priority=priority,
        job_id=job_id,
    )


def bind_arguments(kind: JobKind[Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call by parameter name. Raises InputRejected."""
    if len(args) > len(kind.positional):
        raise InputRejected(
            f"{kind.name} takes {len(kind.positional)} arguments by position, got {len(args)}.",
            code="arguments_invalid",
        )
    named = dict(zip(kind.positional, args, strict=False))
    twice = named.keys() & kwargs.keys()
    if twice:
        raise InputRejected(
            f"{kind.name} got {', '.join(sorted(twice))} twice.", code="arguments_invalid"
        )
    return {**named, **kwargs}
