"""What follows a task: Celery's ``chain``, ``link``, ``link_error``, ``group`` and ``chord``.

A chain is jobs that wait for each other, a group jobs that wait for the same, and the body of a
chord waits for its header. Read here, from the dictionaries that Celery's signatures are; they come
from outside, in messages too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from cinemill.core.documents import JsonObject, check_text, encode_document, quote
from cinemill.core.job import read_priority
from cinemill.errors import InputRejected
from cinemill.jobs.adoption.arguments import write_plainly
from cinemill.jobs.adoption.names import find_kind, require_queue
from cinemill.jobs.adoption.timing import TIME_LIMITS, read_timing
from cinemill.jobs.catalog import LARGEST_TIMELINES_BYTES, Catalog
from cinemill.storage.jobs.waiting.followers import Follower, StoredCall

MOST_FOLLOWERS = 1000
DEEPEST = 20
"""Groups, chains and chords within each other."""
_WAIT_YOURSELF = (
    "Wait for the job, with result.get() or GET /task/{id}, and call your own task then."
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a signature stands: what it waits for, and what it takes from around it."""

    after: Sequence[str]
    """Ids of the jobs that it waits for, in the order of their results."""
    header: Sequence[str] = ()
    """All jobs of the header, where it is the body of a chord."""
    on: str = "success"
    is_body: bool = False
    is_immutable: bool = False
    options: JsonObject = field(default_factory=dict)
    """Of the chain, group or chord that it begins: they go before its own, as in Celery."""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class _Added:
    """What a signature has become."""

    ends: Sequence[str]
    """Ids of the jobs that end it: what comes next waits for these."""
    jobs: Sequence[str]
    """Ids of all its jobs, without what is linked to them."""


class FollowUps:
    """Collects the jobs that follow a call."""

    def __init__(self, catalog: Catalog, *, owner: str) -> None:
        self._kinds = catalog.jobs
        self._queues = catalog.queues
        self._owner = owner
        self.found: dict[str, Follower] = {}

    def add_all(self, job_id: str, options: JsonObject) -> None:
        """Add what the options of a call with this id ask for. Raises InputRejected."""
        self._add_links(options, _Added([job_id], [job_id]))

    def add_body(
        self, signature: Any, header_ends: Sequence[str], *, header_jobs: Sequence[str] = ()
    ) -> None:
        """Add the body of a chord, which waits for the jobs that end its header.

        Its error links are for failures of any of the header's jobs too. Raises InputRejected.
        """
        header = header_jobs or header_ends
        self._add(signature, _Place(header_ends, header=header, is_body=True))

    def _add(self, signature: Any, place: _Place) -> _Added:
        """Add a signature. Raises InputRejected where it cannot be kept."""
        if not isinstance(signature, Mapping) or place.depth > DEEPEST:
            raise _invalid("is no signature of a task, or nested too deep")
        name = signature.get("task")
        if not isinstance(name, str):
            raise _invalid("names no task")
        if name not in _CANVAS:
            return self._add_job(name, signature, place)
        options = _mapping(signature.get("options"), "options")
        inner = replace(
            place,
            depth=place.depth + 1,
            is_immutable=place.is_immutable or signature.get("immutable") is True,
            options={**_select(options, _PASSED_ON), **place.options},
        )
        kwargs = _mapping(signature.get("kwargs"), "kwargs")
        added: _Added = getattr(self, _CANVAS[name])(kwargs, inner)
        if added.jobs:
            self._add_links(_leave_out_repeated(options, kwargs), added, header=place.header)
        return added

    def _add_job(self, name: str, signature: JsonObject, place: _Place) -> _Added:
        kind = find_kind(name, self._kinds)
        if kind is None:
            raise InputRejected(
                f"{quote(name)} is no kind of job, so no job can be followed by it.",
                code="arguments_invalid",
                hint=_WAIT_YOURSELF,
            )
        own = _mapping(signature.get("options"), "options")
        # Named after what it follows: the same message twice must not be two jobs.
        name_of_call = f"{' '.join(place.after)} {len(self.found)}"
        job_id = own.get("task_id") or str(uuid5(NAMESPACE_OID, name_of_call))
        check_text(job_id, "task_id")
        added = _Added([job_id], [job_id])
        if job_id not in self.found:
            call = self._read_call(signature, {**own, **place.options}, place)
            self._keep(job_id, kind, call, place.after)
            self._add_links(own, added, header=place.header)
        elif place.on == "failure":
            # One error link of several jobs, such as of all in a chain: any of them may fail.
            known = self.found[job_id]
            after = list(dict.fromkeys([*known.after, *place.after]))
            self.found[job_id] = replace(known, after=after)
        return added

    def _read_call(self, signature: JsonObject, options: JsonObject, place: _Place) -> StoredCall:
        is_immutable = place.is_immutable or signature.get("immutable") is True
        if place.on == "failure" and not is_immutable:
            raise InputRejected(
                "link_error takes immutable signatures only: Celery would pass it an exception.",
                code="arguments_invalid",
                hint="Use .si() instead of .s(), or read the error of the job.",
            )
        require_queue(options.get("queue"), self._queues)
        read_timing(options)
        times = _select(options, _TIMES)
        call: StoredCall = {
            "args": write_plainly(_list(signature.get("args"), "args")),
            "kwargs": write_plainly(dict(_mapping(signature.get("kwargs"), "kwargs"))),
            "immutable": is_immutable,
            "on": place.on,
            "is_body": place.is_body or len(place.after) > 1,
            "priority": _read_priority(options.get("priority")),
            "timing": {name: _write_time(value) for name, value in times.items()},
        }
        encode_document(call, most_bytes=LARGEST_TIMELINES_BYTES)
        return call

    def _keep(self, job_id: str, kind: str, call: StoredCall, after: Sequence[str]) -> None:
        self.found[job_id] = Follower(
            id=job_id,
            kind=kind,
            owner=self._owner,
            priority=call["priority"],
            call=call,
            after=list(after),
        )
        if len(self.found) > MOST_FOLLOWERS:
            raise InputRejected(
                f"More than {MOST_FOLLOWERS} jobs follow this one.",
                code="arguments_invalid",
                hint="Send many videos as one batch_process_videos or batch_render.",
            )

    def _add_links(self, options: JsonObject, to: _Added, *, header: Sequence[str] = ()) -> None:
        """Add what follows these jobs, is called when they have completed, or if one fails."""
        for link in _list(options.get("link"), "link"):
            self._add(link, _Place(to.ends))
        for link in _list(options.get("link_error"), "link_error"):
            # Where a header fails, its body fails for Celery.
            failing = list(dict.fromkeys([*to.jobs, *header]))
            self._add(link, _Place(failing, on="failure"))
        several = to.jobs if len(to.ends) > 1 else ()
        # Celery keeps what follows in reverse order; what follows a chord is an option of its body.
        following = list(reversed(_list(options.get("chain"), "chain")))
        self._add_row(following, _Place(to.ends, header=several))

    def _add_chain(self, kwargs: JsonObject, place: _Place) -> _Added:
        return self._add_row(_list(kwargs.get("tasks"), "tasks"), place)

    def _add_row(self, tasks: Sequence[Any], place: _Place) -> _Added:
        """Add signatures of which each waits for the one before."""
        jobs: list[str] = []
        for task in tasks:
            added = self._add(task, place)
            if added.jobs:  # an empty group is passed over
                header = added.jobs if len(added.ends) > 1 else ()
                place = _Place(added.ends, header=header, depth=place.depth)
            jobs += added.jobs
        return _Added(place.after, jobs)

    def _add_group(self, kwargs: JsonObject, place: _Place) -> _Added:
        return self._add_together(_list(kwargs.get("tasks"), "tasks"), place)

    def _add_together(self, tasks: Sequence[Any], place: _Place) -> _Added:
        """Add signatures that wait for the same."""
        members = [one for one in (self._add(task, place) for task in tasks) if one.jobs]
        ends = [end for one in members for end in one.ends]
        return _Added(ends or place.after, [job for one in members for job in one.jobs])

    def _add_chord(self, kwargs: JsonObject, place: _Place) -> _Added:
        header, body = _list(kwargs.get("header"), "header"), kwargs.get("body")
        before = self._add_together(header, place)
        if not before.jobs:
            raise InputRejected(
                "A chord without a header follows the task.",
                code="arguments_invalid",
                hint="Send its body by itself, such as with chain() or link.",
            )
        # As in Celery, a delay of the chord is that of its header.
        options = {name: place.options[name] for name in place.options if name not in _DELAYS}
        after = _Place(
            before.ends, header=before.jobs, is_body=True, options=options, depth=place.depth
        )
        added = self._add(body, after)
        return _Added(added.ends, [*before.jobs, *added.jobs])


_CANVAS = {
    "celery.chain": "_add_chain",
    "celery.group": "_add_group",
    "celery.chord": "_add_chord",
}
_DELAYS = ("countdown", "eta")
_TIMES = (*_DELAYS, "expires", *TIME_LIMITS)
_PASSED_ON = (*_TIMES, "priority", "queue")
"""Options of a chain, group or chord that are those of the tasks that begin it."""


def _select(options: JsonObject, names: Sequence[str]) -> dict[str, Any]:
    return {name: options[name] for name in names if options.get(name) is not None}


def _leave_out_repeated(options: JsonObject, kwargs: JsonObject) -> JsonObject:
    """Return a chord's options without the links that its body has too: Celery writes both."""
    body = kwargs.get("body")
    if not isinstance(body, Mapping):
        return options
    known = _mapping(body.get("options"), "options")
    left = {
        name: [
            one for one in _list(options.get(name), name) if one not in _list(known.get(name), name)
        ]
        for name in ("link", "link_error")
    }
    return {**options, **left}


def _read_priority(value: object) -> int | None:
    return None if value is None else read_priority(value)


def _write_time(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [value]
    if not isinstance(value, list | tuple):
        raise _invalid(f"has '{name}' that is no list")
    return list(value)


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _invalid(f"has '{name}' that is no object")
    return value


def _invalid(why: str) -> InputRejected:
    return InputRejected(
        f"What follows the task {why}.",
        code="arguments_invalid",
        hint="Send it with Celery's own signatures.",
    )
