"""What a capability offers: queues, kinds of step and job, and the handlers of its steps.

``catalog`` composes the product's own with those that installed packages name under the entry point
``cinemill.capabilities``. ``cinemill.capability`` is the public name of what is defined here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cinemill.jobs.catalog import JobKind, Queue, StepKind
from cinemill.jobs.step import Handler

if TYPE_CHECKING:
    from cinemill.jobs.service import JobService
    from cinemill.steps.resources import StepResources
    from cinemill.storage.database import Database
    from cinemill.storage.media.files import LocalFiles

PROTOCOL_VERSION = 1
"""Raised when a package that was written for an earlier version would have to change."""


class RouteResources(Protocol):
    """What the routes of a capability work with; shared by all requests of a server."""

    @property
    def database(self) -> Database:
        """Return the rows: assets, artifacts, jobs."""

    @property
    def files(self) -> LocalFiles:
        """Return the store of content-addressed files."""

    @property
    def jobs(self) -> JobService:
        """Return the service that submits, lists and cancels jobs."""


HandlerFactory = Callable[["StepResources"], Mapping[str, Handler]]
"""Handlers by kind of step. Called once in each worker process; it imports what they need, so that
processes which only plan (the API, the command line) do not load FFmpeg's bindings or models."""

RouterFactory = Callable[[RouteResources], object]
"""A ``fastapi.APIRouter``. Called once in each API process, which checks the type: FastAPI is
imported by the factory, not by the module that holds the capability."""

CommandFactory = Callable[[], object]
"""A ``typer.Typer``. Called when the command is used or help is shown, and checked then."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that users can ask for."""

    name: str
    """Unique. Of a package's capability it is also the command, ``cinemill NAME``, and the place of
    its routes, ``/api/v1/NAME``."""
    steps: tuple[StepKind, ...]
    jobs: tuple[JobKind[Any], ...]
    build_handlers: HandlerFactory
    queues: tuple[Queue, ...] = ()
    """Queues of its own; its steps may run in any queue of the catalog."""
    protocol: int | None = None
    """The ``PROTOCOL_VERSION`` that a package was written for, as a number. The product's own
    capabilities need none: they change with the protocol."""
    build_command: CommandFactory | None = None
    build_router: RouterFactory | None = None
