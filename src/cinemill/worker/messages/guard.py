"""The guard that decides which messages become Celery tasks, and with which headers.

A message of a known kind of job keeps its id, its arguments and its priority. All its other headers
are rewritten, because Celery 5.7 computes with headers that any client may set (an ``eta`` of the
wrong type, a time limit, a list as an id) and ends the worker if that fails.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from kombu.message import Message
from kombu.utils.json import dumps

from cinemill.core.documents import JsonObject
from cinemill.errors import InputRejected
from cinemill.jobs.adoption.abandoned import find_abandoned
from cinemill.jobs.adoption.names import find_kind
from cinemill.jobs.adoption.timing import LONGEST, LONGEST_SECONDS, TIME_LIMITS
from cinemill.worker.messages.envelope import (
    INTERRUPTED_HEADER,
    MAX_INTERRUPTIONS,
    SEND_JSON,
    UNREADABLE_HEADER,
    clip,
    excerpt,
    is_json,
    is_name,
    parse_body,
    read_size,
)
from cinemill.worker.messages.transport import read_interruptions

STEP_PREFIX = "step."
TASK_UNKNOWN = "task_unknown"
"""The error code of a message for which this worker has no task."""
LONGEST_LIMIT_SECONDS = 30 * 24 * 3600
"""Of Celery's own timers: a job's limits are the engine's."""
REPR_CHARACTERS = 200
OPTIONS_HEADER = "cinemill_options"
"""Header of an admitted message: when its job may begin, when it expires, and what follows it."""
REVOKED_HEADER = "cinemill_revoked"
"""Header of an admitted message whose id was revoked: its job is cancelled once it is created."""
_FOLLOW_UPS = {
    "callbacks": "link",
    "errbacks": "link_error",
    "chain": "chain",
    "chord": "chord",
}

_LOOPS = frozenset({"celery.map", "celery.starmap", "celery.chunks"})
"""Celery's own tasks that would lose all but the first job: that one ends them."""


class MessageRefused(Exception):
    """A message that becomes no task; ``task`` and ``task_id`` are empty if it has none."""

    def __init__(self, error: InputRejected, *, task: str = "", task_id: str = "") -> None:
        super().__init__(error.message)
        self.error = error
        self.task = task
        self.task_id = task_id
        self.size_bytes: int | None = None
        """Size of the item, if the message holds only its beginning; else None."""
        self.followers: Mapping[str, str] = {}
        """Kinds of the jobs that were to follow it, by id."""


@dataclass(frozen=True, slots=True)
class Call:
    """The task call that a message requests."""

    task: str
    task_id: str
    args: list[Any]
    kwargs: dict[str, Any]
    embed: dict[str, Any]
    options: Mapping[str, Any]
    """The message's headers; for protocol 1, its body."""
    is_protocol_2: bool
    """Whether the body is that of protocol 2, with nothing except the members named here."""


class MessageGuard:
    """Checks messages before Celery handles them."""

    def __init__(self, jobs: Collection[str], tasks: Container[str]) -> None:
        """Create a guard; ``jobs`` are the kinds of job, ``tasks`` all tasks of this worker."""
        self._jobs = jobs
        self._tasks = tasks

    def admit(self, message: Message) -> None:
        """Rewrite the message so that Celery can handle it. Raises MessageRefused.

        Its arguments stay as they are: they are checked when the job is created.
        """
        task, task_id = _read_identity(message.headers)
        try:
            _check_readable(message)
            call = _read_call(message)
            # Protocol 1 has them in the body.
            task, task_id = call.task, call.task_id
            self._admit_call(message, call)
        except InputRejected as error:
            refused = MessageRefused(error, task=task, task_id=task_id)
            refused.size_bytes = read_size(message.headers)
            refused.followers = self._find_followers(message)
            raise refused from error

    def _find_followers(self, message: Message) -> dict[str, str]:
        """Return the jobs that were to follow a refused message, as far as it can be read."""
        with suppress(InputRejected):
            _check_decoded(message)
            embed = _read_call(message).embed
            options = {name: embed.get(member) for member, name in _FOLLOW_UPS.items()}
            return find_abandoned(options, self._jobs)
        return {}

    def _admit_call(self, message: Message, call: Call) -> None:
        kind = find_kind(call.task, self._jobs)
        if kind is not None:
            call = replace(call, task=kind)
            headers = _check_job(call)
            has_more = any(call.embed.values())
            # Celery itself must see neither times nor what follows: they are the job's.
            call = replace(
                call,
                embed=dict.fromkeys(_FOLLOW_UPS),
                is_protocol_2=call.is_protocol_2 and not has_more,
            )
        elif call.task in _LOOPS:
            raise InputRejected(
                f"{call.task} calls a task for each of many items within one worker.",
                code="arguments_invalid",
                hint="Send a group, or many videos as one batch: each item is a job then.",
            )
        elif call.task not in self._tasks and call.task.startswith(STEP_PREFIX):
            kind = clip(call.task.removeprefix(STEP_PREFIX), 100)
            raise InputRejected(
                f"This worker cannot do the step {kind!r}.",
                code=TASK_UNKNOWN,
                hint="Install on its machine the package that brings it.",
            )
        elif call.task not in self._tasks:
            raise InputRejected(
                f"There is no task called {clip(call.task, 100)!r}.",
                code=TASK_UNKNOWN,
                hint="Use the name of a kind of job, such as 'process_video'.",
            )
        elif call.task.startswith(STEP_PREFIX):
            headers = _check_step(call)
        else:
            headers = _check_options(call)
        headers["redelivered"] = message.headers.get("redelivered") is True
        _rewrite(message, headers, call)


def _read_identity(headers: Any) -> tuple[str, str]:
    if not isinstance(headers, Mapping):
        return "", ""
    task, task_id = headers.get("task"), headers.get("id")
    return (
        task if isinstance(task, str) and is_name(task) else "",
        task_id if isinstance(task_id, str) and is_name(task_id) else "",
    )


def _check_readable(message: Message) -> None:
    _check_decoded(message)
    if read_interruptions(dict(message.headers)) >= MAX_INTERRUPTIONS:
        raise InputRejected(
            f"A worker took this message {MAX_INTERRUPTIONS} times and died before it finished.",
            code="message_interrupted",
            hint="See the worker's log for the cause; then submit the job again.",
        )


def _check_decoded(message: Message) -> None:
    if not isinstance(message.headers, Mapping):
        raise _malformed("its headers are no object")
    if (reason := message.headers.get(UNREADABLE_HEADER)) is not None:
        raise _repeat(reason)
    if message.errors:
        raise _malformed("its body cannot be decoded")


def _repeat(reason: Any) -> InputRejected:
    values = reason if isinstance(reason, Mapping) else {}
    code, message, hint = (
        clip(excerpt(str(values.get(name) or "")), 400) for name in ("code", "message", "hint")
    )
    is_ours = code in ("message_malformed", "message_not_json", "message_too_deep")
    return InputRejected(
        message or "The message cannot be read.",
        code=code if is_ours or code == "message_too_large" else "message_malformed",
        hint=hint or SEND_JSON,
    )


def _read_call(message: Message) -> Call:
    if not is_json(message.content_type, message.content_encoding):
        raise InputRejected(
            f"Its content type is {clip(repr(message.content_type), 60)}"
            f" in {clip(repr(message.content_encoding), 60)}, not JSON in UTF-8.",
            code="message_not_json",
            hint=SEND_JSON,
        )
    body = message.body if isinstance(message.body, bytes) else str(message.body or "").encode()
    document = parse_body(body)
    if isinstance(document, dict):
        return _read_first_protocol(message.headers, document)
    if not isinstance(document, list) or len(document) != 3:
        raise _malformed("its body is not [args, kwargs, options]")
    args, kwargs, embed = document
    if not isinstance(embed, dict | None):
        raise _malformed("its options are no object")
    return _make_call(message.headers, args, kwargs, embed or {})


def _read_first_protocol(headers: JsonObject, body: JsonObject) -> Call:
    """Read Celery's message protocol 1 or a mix of 1 and 2, with all options in the body."""
    options = {**body, **headers}
    embed = {name: body.get(name) for name in _FOLLOW_UPS}
    args, kwargs = body.get("args") or [], body.get("kwargs") or {}
    return replace(_make_call(options, args, kwargs, embed), is_protocol_2=False)


def _make_call(options: JsonObject, args: Any, kwargs: Any, embed: JsonObject) -> Call:
    task, task_id = options.get("task"), options.get("id")
    if not isinstance(task, str) or not is_name(task):
        raise _malformed("it names no task")
    if not isinstance(task_id, str) or not is_name(task_id):
        raise InputRejected(
            "The task's id is not a text of 1 to 155 printable characters and at most 255 bytes.",
            code="message_malformed",
            hint="Send it with a Celery client, or give it an id such as a UUID.",
        )
    if not isinstance(args, list | tuple):
        raise _malformed("its positional arguments are no list")
    if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
        raise _malformed("its keyword arguments are no object")
    known = {name: embed.get(name) for name in _FOLLOW_UPS}
    is_protocol_2 = embed.keys() <= known.keys()
    return Call(task, task_id, list(args), kwargs, known, options, is_protocol_2)


def _check_job(call: Call) -> dict[str, Any]:
    """Return new headers for a bare message of a kind of job. Raises InputRejected.

    When it may begin, when it expires and what follows it are in a header of their own: they become
    the job's.
    """
    if call.embed.get("chord"):
        raise InputRejected(
            f"{call.task} was sent as part of a chord, of which each message shows only a part.",
            code="arguments_invalid",
            hint="Send it with the tasks of cinemill.worker.tasks, or many videos as one batch.",
        )
    options = {name: call.embed[member] for member, name in _FOLLOW_UPS.items()}
    if call.options.get("eta") is not None and not _is_past(call, "eta"):
        options["eta"] = call.options["eta"]
    if call.options.get("expires") is not None:
        # Past, however long: its job is cancelled, as Celery revokes a task.
        now = datetime.now(UTC).isoformat()
        options["expires"] = now if _is_past(call, "expires") else call.options["expires"]
    options.update(_read_time_limits(call.options.get("timelimit")))
    kept = {name: value for name, value in options.items() if value}
    headers = _write_headers(call)
    return {**headers, OPTIONS_HEADER: kept} if kept else headers


def _check_step(call: Call) -> dict[str, Any]:
    """Return new headers for a step, which only the relay sends. Raises InputRejected."""
    if len(call.args) != 1 or call.kwargs or not is_name(call.args[0]):
        raise _malformed("a step's only argument is the id of a run")
    limits = _check_time_limits(call.options.get("timelimit"))
    return {**_write_headers(call), "timelimit": limits, "ignore_result": True}


def _check_options(call: Call) -> dict[str, Any]:
    """Return new headers for one of Celery's own tasks, such as those that clean up.

    Raises InputRejected if one of the message's options is of the wrong type.
    """
    options = call.options
    for name in ("eta", "expires"):
        if options.get(name) is not None:
            _read_time(call, name)
    for member, kind in (("callbacks", list), ("errbacks", list), ("chain", list), ("chord", dict)):
        if not isinstance(call.embed.get(member), kind | None):
            raise _malformed(f"'{member}' is of the wrong type")
    if not isinstance(retries := options.get("retries") or 0, int) or not 0 <= retries < 2**31:
        raise _malformed("'retries' is no count")
    kept = {name: options[name] for name in ("eta", "expires") if options.get(name) is not None}
    names = ("root_id", "parent_id", "group")
    relations = {name: options[name] for name in names if is_name(options.get(name))}
    return {
        **_write_headers(call),
        **kept,
        **relations,
        "retries": retries,
        "timelimit": _check_time_limits(options.get("timelimit")),
        "ignore_result": options.get("ignore_result") is True,
    }


def _write_headers(call: Call) -> dict[str, Any]:
    return {
        "lang": "py",
        "task": call.task,
        "id": call.task_id,
        "root_id": call.task_id,
        "parent_id": None,
        "group": None,
        "meth": None,
        "shadow": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": clip(repr(call.args), REPR_CHARACTERS),
        "kwargsrepr": clip(repr(call.kwargs), REPR_CHARACTERS),
        "origin": clip(str(call.options.get("origin") or ""), REPR_CHARACTERS),
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def _rewrite(message: Message, headers: dict[str, Any], call: Call) -> None:
    counted = message.headers.get(INTERRUPTED_HEADER)
    message.headers = headers if counted is None else {**headers, INTERRUPTED_HEADER: counted}
    message.properties = _select_properties(message.properties)
    decoded = [call.args, call.kwargs, call.embed]
    if not call.is_protocol_2:
        message.body = dumps(decoded).encode()
    message._decoded_cache = decoded
    message.content_type, message.content_encoding = "application/json", "utf-8"


def _select_properties(properties: JsonObject) -> dict[str, Any]:
    kept = ("priority", "delivery_info", "delivery_tag", "body_encoding")
    names = ("correlation_id", "reply_to")
    return {name: properties[name] for name in kept if name in properties} | {
        name: properties[name] for name in names if is_name(properties.get(name))
    }


def _is_past(call: Call, name: str) -> bool:
    return _read_time(call, name) <= datetime.now(UTC)


def _read_time(call: Call, name: str) -> datetime:
    value = call.options[name]
    try:
        time = datetime.fromisoformat(value)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        is_sane = time - datetime.now(UTC) <= LONGEST
    except (TypeError, ValueError, OverflowError):
        is_sane = False
    if not is_sane:
        raise InputRejected(
            f"'{name}' is no time: {clip(repr(value), 80)}.",
            code="arguments_invalid",
            hint="Times are ISO 8601, such as 2030-01-31T12:00:00+00:00.",
        )
    return time


def _read_time_limits(limits: Any) -> dict[str, float | None]:
    """Return a call's time limits as the sender named them; none where they make no sense."""
    with suppress(InputRejected):
        pair = _check_time_limits(limits, longest=LONGEST_SECONDS)
        return dict(zip(TIME_LIMITS, pair, strict=True))
    return {}


def _check_time_limits(limits: Any, longest: float = LONGEST_LIMIT_SECONDS) -> list[float | None]:
    """Return the (hard, soft) time limits in seconds. Raises InputRejected."""
    pair = [None, None] if limits is None else limits
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise _malformed("'timelimit' is no pair")
    for seconds in pair:
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and 0 < seconds <= longest):
            raise _malformed("'timelimit' is no time")
    return list(pair)


def _malformed(why: str) -> InputRejected:
    return InputRejected(
        f"This is not a Celery message: {why}.",
        code="message_malformed",
        hint="Send it with a Celery client, protocol 2.",
    )
