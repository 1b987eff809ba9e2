"""Celery's tasks: one for each kind of job and one for each kind of step.

Clients send the tasks of jobs, and only the relay sends those of steps. Each body is one call.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from typing import Any

from celery import Celery, Task, group
from celery.exceptions import Ignore, Reject
from celery.result import AsyncResult, EagerResult, assert_will_not_block
from kombu.utils.json import dumps, loads

from cinemill.core.dead_messages import DeadMessage
from cinemill.core.documents import JsonObject
from cinemill.core.job import DEFAULT_OWNER, Failure
from cinemill.errors import DependencyUnavailable, InputRejected
from cinemill.jobs.adoption.names import find_kind, list_task_names, require_queue
from cinemill.jobs.adoption.release import adapt_arguments
from cinemill.jobs.adoption.revocation import cancel_revoked
from cinemill.jobs.adoption.submission import FOLLOW_UP_OPTIONS
from cinemill.jobs.adoption.timing import TIME_LIMITS
from cinemill.jobs.catalog import Catalog, JobKind
from cinemill.storage.jobs.refused_messages import RefusedMessages
from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.envelope import excerpt
from cinemill.worker.messages.guard import OPTIONS_HEADER, REVOKED_HEADER, STEP_PREFIX
from cinemill.worker.messages.queues import requested_priority

log = get_logger(__name__)

CALL_OPTIONS = ("countdown", "eta", "expires", *TIME_LIMITS, *FOLLOW_UP_OPTIONS)
ADOPTION_PAUSE_SECONDS = 1.0


class JobTask(Task):
    """A kind of job as a task: sending it submits a job and returns a result that waits for it."""

    abstract = True
    Request = "cinemill.worker.messages.consumer:JobRequest"
    ignore_result = False
    reject_on_worker_lost = True
    """A message that is being adopted is the only record of its job: it goes back to the broker."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a job, wait for it and return its result; in a worker, adopt the message.

        Celery's own takes no keyword argument called 'self'. Raises InputRejected, JobFailed,
        TaskRevokedError.
        """
        if self.request.id is None:  # a plain call, not one of a worker's
            return self.apply(args, kwargs, throw=True).get()
        return self.run(*args, **kwargs)

    def apply(
        self,
        args: Any = None,
        kwargs: Any = None,
        throw: bool | None = None,
        retries: Any = None,
        logfile: Any = None,
        loglevel: Any = None,
        headers: Any = None,
        **options: Any,
    ) -> EagerResult:
        """Submit a job, wait for it and return its result, as a task that was called at once.

        Workers do what is called, since it needs their hardware and models. ``args`` may hold the
        results of other jobs, as a chain passes them on. Raises InputRejected and, with ``throw``,
        JobFailed and TaskRevokedError.
        """
        assert_will_not_block()  # before there is a job for which nobody waits
        kind = find_job_kind(self.app.context.catalog, self.name)
        sent = self.apply_async(adapt_arguments(kind, args or ()), kwargs, **options)
        value = sent.get(propagate=False)
        done = EagerResult(sent.id, value, sent.state, sent.traceback, name=self.name)
        if throw is True or (throw is None and self.app.conf.task_eager_propagates):
            done.get()
        return done

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        priority: int | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Submit a job of this kind; ``priority`` 0–10, 10 first. Raises InputRejected.

        ``countdown``, ``eta``, ``expires``, time limits, ``link``, ``link_error`` and what a chain
        puts after it become rows with the job. A ``queue`` must be known, and is then the kind's
        own: each step has its queue.
        """
        context: WorkerContext = self.app.context
        require_queue(options.get("queue"), context.catalog.queues)
        kept = {name: options[name] for name in CALL_OPTIONS if options.get(name) is not None}
        job = context.calls.submit(
            find_job_kind(context.catalog, self.name),
            args or (),
            kwargs or {},
            job_id=task_id,
            priority=priority,
            options=loads(dumps(kept)),
        )
        return self.AsyncResult(job.id)

    def map(self, it: Iterable[Any]) -> Any:
        """Return a group of a job for each item, its only argument."""
        return self.starmap((item,) for item in it)

    def starmap(self, it: Iterable[Sequence[Any]]) -> Any:
        """Return a group of a job for each item, its arguments."""
        return group([self.si(*arguments) for arguments in it], app=self.app)

    def chunks(self, it: Iterable[Sequence[Any]], n: int) -> Any:
        """Return a group of a job for each item, its arguments, whatever ``n``.

        Celery's has a worker call ``n`` of them in turn; jobs are spread over the workers anyway.
        """
        return self.starmap(it)


def register(app: Celery) -> None:
    """Give the application a task for every kind of job, by each of its names, and of step."""
    catalog: Catalog = app.context.catalog
    for name in list_task_names(catalog.jobs):
        _register_job(app, name)
    for step in catalog.steps:
        _register_step(app, step)


def _register_job(app: Celery, name: str) -> None:
    # Not shared: a second application in this process must not get this one's tasks.
    @app.task(name=name, base=JobTask, bind=True, shared=False)
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
    kind = find_job_kind(context.catalog, task.name)
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
    is_revoked = getattr(request, REVOKED_HEADER, False) is True
    options = dict(getattr(request, OPTIONS_HEADER, None) or {})
    if is_revoked:
        # No step of it begins before it is cancelled, even if this process dies until then.
        options["expires"] = 0
    try:
        context.calls.submit(
            kind,
            args,
            kwargs,
            job_id=request.id,
            priority=priority,
            options=options,
        )
        if is_revoked:
            cancel_revoked(context.service, [request.id], terminate=False)
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
        # What follows has ids that a client may wait for: it is cancelled with the reason.
        with suppress(InputRejected):
            context.calls.insert_followers(request.id, getattr(request, OPTIONS_HEADER, None) or {})
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


def find_job_kind(catalog: Catalog, task: str) -> JobKind[Any]:
    """Return the kind of job that a registered task is of."""
    return catalog.jobs[find_kind(task, catalog.jobs) or task]
