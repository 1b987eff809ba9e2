"""What a capability offers: queues, kinds of step and job, and the handlers of its steps.

``catalog`` composes the product's own; a package of somebody else's names its own under the entry
point ``cinemill.capabilities``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cinemill.jobs.catalog import JobKind, Queue, StepKind
from cinemill.jobs.step import Handler

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

HandlerFactory = Callable[["StepResources"], Mapping[str, Handler]]
"""Handlers by kind of step. Called once in each worker process; it imports what they need, so that
processes which only plan (the API, the command line) do not load FFmpeg's bindings or models."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that users can ask for."""

    name: str
    steps: tuple[StepKind, ...]
    jobs: tuple[JobKind[Any], ...]
    build_handlers: HandlerFactory
    queues: tuple[Queue, ...] = ()
    """Queues of its own; its steps may run in any queue of the catalog."""
