"""Whether what a package names is a capability that can be composed with the others.

Nothing of a package is trusted before: a queue whose priority is a word would otherwise end every
process that sorts the queues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemill.capability.parts import list_parts
from cinemill.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY
from cinemill.core.parameters import Parameters
from cinemill.jobs.catalog import HOUR, LARGEST_TIMELINES_BYTES, JobKind, Queue, StepKind
from cinemill.steps.capability import PROTOCOL_VERSION, Capability

SUPPORTED_PROTOCOLS = frozenset({PROTOCOL_VERSION})
MOST_RETRIES = 100
MOST_SECONDS = 30 * 24 * HOUR
"""Longer ones overflow the timers and intervals that they are turned into."""
MOST_TASKS = 10**6
MOST_MEMORY_BYTES = 2**50
MOST_WEIGHT = 10**6
LONGEST_DESCRIPTION = 1000

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
CommandName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Seconds = Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False)]


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, from_attributes=True, arbitrary_types_allowed=True)


class _Queue(_Checked):
    name: Identifier
    priority: Annotated[int, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)]
    memory_bytes: Annotated[int, Field(gt=0, le=MOST_MEMORY_BYTES)]
    max_tasks_per_child: Annotated[int, Field(gt=0, le=MOST_TASKS)]
    soft_seconds: Seconds
    hard_seconds: Seconds
    description: Annotated[str, Field(max_length=LONGEST_DESCRIPTION)]
    codec: None


class _Rate(_Checked):
    count: Annotated[int, Field(gt=0, le=MOST_TASKS)]
    seconds: Seconds


class _StepKind(_Checked):
    name: Identifier
    queue: str
    weight: Annotated[float, Field(gt=0, le=MOST_WEIGHT, allow_inf_nan=False)]
    max_retries: Annotated[int | None, Field(ge=0, le=MOST_RETRIES)]
    retry_delay_seconds: Annotated[float | None, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]
    max_crashes: Annotated[int | None, Field(gt=0, le=MOST_RETRIES)]
    rate: _Rate | None
    stall_seconds: Seconds | None


class _JobKind(_Checked):
    name: Identifier
    parameters: type[Parameters]
    plan: Callable[..., Any]
    positional: tuple[str, ...]
    second_channel: Identifier | None
    result_field: str | None
    name_children: Callable[..., Any] | None
    most_params_bytes: Annotated[int, Field(gt=0, le=LARGEST_TIMELINES_BYTES)]


class _Capability(_Checked):
    name: CommandName
    build_handlers: Callable[..., Any]
    build_command: Callable[..., Any] | None
    build_router: Callable[..., Any] | None
    queues: tuple[Queue, ...]
    steps: tuple[StepKind, ...]
    jobs: tuple[JobKind[Any], ...]


def find_flaw(value: object) -> str | None:
    """Return what is wrong with an object by itself, as the end of a sentence; None for nothing."""
    if not isinstance(value, Capability):
        return f"names a {_type_of(value)} where a cinemill.capability.Capability is needed."
    if (flaw := _find_protocol_flaw(value.protocol)) is not None:
        return flaw
    try:
        _Capability.model_validate(value)
        for queue in value.queues:
            _Queue.model_validate(queue)
        for step in value.steps:
            _StepKind.model_validate(step)
        for job in value.jobs:
            _JobKind.model_validate(job)
    except ValidationError as error:
        return f"defines something that cannot be: {_describe_first(error)}."
    return _find_disorder(value)


def find_handler_flaw(capability: Capability, handlers: object) -> str | None:
    """Return what is wrong with what ``build_handlers`` returned; None for nothing."""
    if not isinstance(handlers, Mapping):
        found = _type_of(handlers)
        return f"cannot work here: build_handlers returns a {found} instead of a mapping."
    wanted = {step.name for step in capability.steps}
    if strange := sorted(str(kind) for kind in handlers.keys() - wanted):
        return f"cannot work here: it has handlers of steps not its own: {', '.join(strange)}."
    if missing := sorted(wanted - handlers.keys()):
        return f"cannot work here: it has no handlers of its steps {', '.join(missing)}."
    if uncallable := sorted(kind for kind, handler in handlers.items() if not callable(handler)):
        return f"cannot work here: its handlers of {', '.join(uncallable)} cannot be called."
    return None


def _type_of(value: object) -> str:
    return type(value).__name__


def _find_protocol_flaw(protocol: object) -> str | None:
    supported = ", ".join(map(str, sorted(SUPPORTED_PROTOCOLS)))
    if protocol is None:
        return (
            "does not say which version of the capability protocol it was written for"
            f" (protocol={PROTOCOL_VERSION})."
        )
    if type(protocol) is not int or protocol not in SUPPORTED_PROTOCOLS:
        return (
            f"was written for version {protocol!r} of the capability protocol; this Cinemill has"
            f" {supported}."
        )
    return None


def _find_disorder(capability: Capability) -> str | None:
    for part, count in Counter(list_parts(capability)).items():
        if count > 1:
            return f"defines the {part.sort} '{part.name}' twice."
    for queue in capability.queues:
        if queue.soft_seconds >= queue.hard_seconds:
            return f"has a queue '{queue.name}' whose soft limit is not below its hard limit."
    return None


def _describe_first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{error.title.strip('_')}.{where}: {first['msg']}"
