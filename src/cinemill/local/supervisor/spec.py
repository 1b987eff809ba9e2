"""The description of a service for the supervisor, and the order of starting and stopping."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServiceSpec:
    """One child of the supervisor. Times are in seconds."""

    name: str
    command: tuple[str, ...]
    log_file: Path
    """Its standard output and error, appended."""
    title: str = ""
    """The name for people; ``name`` where it is empty."""
    needs: tuple[str, ...] = ()
    """Names of services that must be ready (or done) before this one starts."""
    environment: Mapping[str, str] | None = None
    """The whole environment; None: the supervisor's own."""
    identity: str = "same"
    once: bool = False
    """True for a process that does its work and exits; it is ready after exit code 0."""
    prepare: Callable[[], None] | None = None
    """Called before the first start; it may block, and may raise."""
    probe: Callable[[], bool] | None = None
    """Polled after a start until it returns True; None: there is nothing to probe."""
    ready_file: Path | None = None
    """Removed before a start; the service creates it when it is ready."""
    finish_start: Callable[[], None] | None = None
    """Called when the probe first succeeds, before the service counts as ready."""
    is_alive: Callable[[int], bool] | None = None
    """Called with its process id every few seconds once it was ready: whether it still does
    anything at all, even if it only responds with errors. None: liveness is not checked."""
    stop_rank: int = 0
    """Lower ranks are stopped first; a rank is stopped when all lower ones have ended."""
    stop_signal: int = signal.SIGTERM
    grace_seconds: float = 5.0
    """From the stop signal to SIGKILL of the whole group."""
    can_force_stop: bool = True
    """Whether a second stop request cuts its grace short; False for servers that store data."""
    death_signal: int = signal.SIGKILL
    """The signal that the child gets when the supervisor dies."""
    start_seconds: float = 120.0
    """A service that is not ready by then is killed and started again."""

    @property
    def label(self) -> str:
        return self.title or self.name


def check_services(specs: Sequence[ServiceSpec]) -> None:
    """Raise ValueError if names repeat, or if needs are unknown or circular."""
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f"two services share a name: {sorted(names)}")
    started: set[str] = set()
    waiting = list(specs)
    while waiting:
        startable = [spec for spec in waiting if started.issuperset(spec.needs)]
        if not startable:
            raise ValueError(f"these can never start: {[spec.name for spec in waiting]}")
        started.update(spec.name for spec in startable)
        waiting = [spec for spec in waiting if spec.name not in started]


def stop_order(specs: Sequence[ServiceSpec]) -> list[list[ServiceSpec]]:
    """Return groups of services to stop one after the other; members of a group stop together."""
    ranks = sorted({spec.stop_rank for spec in specs})
    return [[spec for spec in specs if spec.stop_rank == rank] for rank in ranks]
