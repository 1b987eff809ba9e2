"""What the supervisor is told of a service, and in which order services start and stop."""

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
    """The whole environment; None: ours."""
    identity: str = "same"
    once: bool = False
    """True: does its work and ends; it is ready when it has ended with exit code 0."""
    prepare: Callable[[], None] | None = None
    """Done before the first start; may take its time, and may raise."""
    probe: Callable[[], bool] | None = None
    """Asked again and again after a start; None: no question to ask."""
    ready_file: Path | None = None
    """Removed before a start; the service makes it when it is ready."""
    settle: Callable[[], None] | None = None
    """Done when the probe first says yes, before the service is called ready."""
    lives: Callable[[int], bool] | None = None
    """Asked with its process id every few seconds once it was ready: whether it still does
    anything at all, though it may have nothing good to say. None: it is not asked after."""
    stop_rank: int = 0
    """Lower ranks are stopped first; a rank is stopped when all lower ones have ended."""
    stop_signal: int = signal.SIGTERM
    grace_seconds: float = 5.0
    """From the stop signal to SIGKILL of the whole group."""
    may_hurry: bool = True
    """Whether a second wish to stop cuts its grace short; never for what keeps data."""
    death_signal: int = signal.SIGKILL
    """What the child gets when the supervisor dies."""
    start_seconds: float = 120.0
    """A service that is not ready by then is killed and started again."""

    @property
    def label(self) -> str:
        return self.title or self.name


def check_services(specs: Sequence[ServiceSpec]) -> None:
    """Raises ValueError where names repeat, or needs are unknown or go round in a circle."""
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
    """Groups to stop one after the other; the members of a group stop together."""
    ranks = sorted({spec.stop_rank for spec in specs})
    return [[spec for spec in specs if spec.stop_rank == rank] for rank in ranks]
