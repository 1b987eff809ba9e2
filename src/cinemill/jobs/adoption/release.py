"""Begins the jobs that waited for others, or ends them where the others did not complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cinemill.core.documents import JsonObject
from cinemill.core.job import Failure, Job, JobState
from cinemill.errors import CinemillError, DependencyUnavailable, InputRejected
from cinemill.jobs.adoption.arguments import VIDEO_NAMES, bind_arguments
from cinemill.jobs.adoption.timing import read_timing
from cinemill.jobs.catalog import Catalog, JobKind, RetryPolicy
from cinemill.jobs.planning.sweeping import begin_briefly, do_each
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs.new_jobs import NewJob, NewStep
from cinemill.storage.jobs.waiting import followers
from cinemill.storage.jobs.waiting.followers import Dependency, StoredCall
from cinemill.telemetry import get_logger

RELEASED_AT_ONCE = 100
LISTS_OF_ASSETS = frozenset({"assets"})
LONGEST_REASON = 500
PLAYLIST_SUFFIX = ".m3u8"

_Plan = tuple[NewJob, Sequence[NewStep]]

log = get_logger(__name__)


class Releaser:
    """Looks after jobs that wait for others. Safe in several processes at once."""

    def __init__(self, database: Database, *, catalog: Catalog, limits: RetryPolicy) -> None:
        self._database = database
        self._catalog = catalog
        self._limits = limits

    def release_all(self) -> int:
        """Begin or end every job that need not wait any longer; return how many."""
        with self._database.begin() as connection:
            ready = followers.list_ready(connection, limit=RELEASED_AT_ONCE)
        return do_each(ready, self._release)

    def release_after(self, job_ids: Sequence[str]) -> bool:
        """Do so with those that waited for one of these jobs, which have just ended.

        A hundred at a time, so that no other duty waits for long; returns whether that was all.
        What another transaction holds is left to :meth:`release_all`.
        """
        with self._database.begin() as connection:
            ready = followers.list_ready_after(connection, job_ids, limit=RELEASED_AT_ONCE)
        released = do_each(ready, self._release)
        return len(ready) < RELEASED_AT_ONCE or released == 0

    def _release(self, job_id: str) -> bool:
        try:
            # A job that begins refers to its video, and would wait for whoever holds that.
            with begin_briefly(self._database) as connection:
                return self._release_in(connection, job_id)
        except DependencyUnavailable:
            raise
        except CinemillError as error:
            return self._fail(job_id, error)
        except Exception as error:
            log.exception("a job that waited cannot be begun", job=job_id)
            reason = InputRejected(
                f"Nothing can be made of what it follows ({type(error).__name__}).",
                code="arguments_invalid",
            )
            return self._fail(job_id, reason)

    def _release_in(self, connection: Connection, job_id: str) -> bool:
        locked = followers.lock_ready(connection, job_id)
        if locked is None:
            return False
        job, call = locked
        others = followers.list_dependencies(connection, job_id)
        if (reason := _find_reason(others, on=str(call.get("on")))) is not None:
            followers.cancel(connection, job_id, reason)
            return True
        followers.begin(connection, *self._plan(job, call, others))
        return True

    def _plan(self, job: Job, call: StoredCall, others: Sequence[Dependency]) -> _Plan:
        kind = self._catalog.jobs[job.kind]
        results = [self._read_result(other.job) for other in others if other.job is not None]
        params = _bind(kind, call, results)
        asset_id: Any = params.pop("asset_id", None)
        steps = self._catalog.resolve(self._catalog.plan(job.kind, params, asset_id), self._limits)
        new = NewJob(
            id=job.id,
            kind=job.kind,
            owner=job.owner,
            priority=self._choose_priority(call, steps),
            asset_id=asset_id,
            params=params,
            idempotency_key=None,
            request_digest="",
            timing=read_timing(call.get("timing") or {}),
        )
        return new, steps

    def _choose_priority(self, call: StoredCall, steps: Sequence[NewStep]) -> int:
        asked = call.get("priority")  # 0 is the lowest, and asked for too
        return self._catalog.queues[steps[0].queue].priority if asked is None else asked

    def _read_result(self, job: Job) -> Any:
        kind = self._catalog.jobs.get(job.kind)
        result = dict(job.result or {})
        field = kind.result_field if kind is not None else None
        return result if field is None else result.get(field)

    def _fail(self, job_id: str, error: CinemillError) -> bool:
        failure = Failure(error.code, error.message, error.hint, retryable=False)
        with begin_briefly(self._database) as connection:
            if followers.lock_ready(connection, job_id) is None:
                return False
            followers.fail(connection, job_id, failure)
        return True


def _find_reason(others: Sequence[Dependency], *, on: str) -> str | None:
    """Return why a job does not begin after these have ended; None where it does."""
    if on == "failure":
        return _find_reason_without_failure(others)
    for other in others:
        if other.job is None:
            return f"It follows job {other.id}, which is gone or was never submitted."
        if other.job.state is JobState.FAILED:
            why = other.job.failure.message if other.job.failure else ""
            return f"It follows job {other.id}, which failed: {why}"[:LONGEST_REASON]
        if other.job.state is JobState.CANCELLED:
            return f"It follows job {other.id}, which was cancelled."
    return None


def _find_reason_without_failure(others: Sequence[Dependency]) -> str | None:
    """Return why an error link is not called; None where one of the jobs failed."""
    if any(other.job is not None and other.job.state is JobState.FAILED for other in others):
        return None
    several = f" or one of {len(others) - 1} more" if len(others) > 1 else ""
    return f"It was for the case that job {others[0].id}{several} failed, which did not happen."


def _bind(kind: JobKind[Any], call: StoredCall, results: Sequence[Any]) -> dict[str, Any]:
    """Return the parameters of a call that is given the results of what it follows.

    As with Celery, the result is the first argument, and a chord's body is given all of them as a
    list. A result becomes what the parameter is about: see :func:`adapt`.
    """
    args, kwargs = list(call.get("args") or ()), dict(call.get("kwargs") or {})
    if call.get("immutable") is True or call.get("on") == "failure":
        return bind_arguments(kind, args, kwargs)
    result: Any = results[0] if len(results) == 1 and not call.get("is_body") else list(results)
    free = [name for name in kind.positional if name not in kwargs]
    if not free:
        raise InputRejected(
            f"{kind.name} takes no result of another job.",
            code="arguments_invalid",
            hint="Use .si() instead of .s(): the signature then keeps its own arguments.",
        )
    named = dict(zip(free, [adapt(result, free[0]), *args], strict=False))
    if len(args) + 1 > len(free):
        raise InputRejected(
            f"{kind.name} takes {len(free)} arguments by position, got {len(args) + 1}.",
            code="arguments_invalid",
            hint="The first is the result of the job before; .si() leaves it out.",
        )
    return bind_arguments(kind, (), {**named, **kwargs})


def adapt_arguments(kind: JobKind[Any], args: Sequence[Any]) -> list[Any]:
    """Return positional arguments of which the first may be what other jobs returned.

    It becomes what its parameter is about: see :func:`adapt`. Any other stays as it is.
    """
    if not args or not kind.positional or not _are_results(args[0]):
        return list(args)
    return [adapt(args[0], kind.positional[0]), *args[1:]]


def _are_results(value: Any) -> bool:
    several = value if isinstance(value, list) else [value]
    return bool(several) and all(isinstance(one, Mapping) and "job_id" in one for one in several)


def adapt(result: Any, name: str) -> Any:
    """Return what a result is to a parameter of this name.

    To a video it is its asset, or the file that was made; to any other parameter its member of that
    name; else it is passed as it is.
    """
    if name in LISTS_OF_ASSETS:
        several = result if isinstance(result, list) else [result]
        return [adapt(one, "asset") for one in several]
    if isinstance(result, list) and len(result) == 1:
        result = result[0]
    if not isinstance(result, Mapping):
        return result
    if name in VIDEO_NAMES:
        return _find_video(result)
    return result.get(name, result)


def _find_video(result: JsonObject) -> Any:
    # A file that was made goes before the asset that it was made of; a playlist is no video.
    made = result.get("output_path")
    if isinstance(made, str) and not made.endswith(PLAYLIST_SUFFIX):
        return made
    return result.get("asset_id") or dict(result)
