"""One running attempt, shared by its worker's two threads: the one that works, the one that beats.

Only simple assignments cross between the threads; each field has one writer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from cinemill.core.job import ClaimedRun
from cinemill.errors import (
    CinemillError,
    CommandFailed,
    CommandStalled,
    InputRejected,
    LeaseLost,
    WorkFailed,
)
from cinemill.jobs.catalog import Queue, RetryPolicy, StepKind
from cinemill.jobs.estimate import show_seconds_left
from cinemill.jobs.runs.memory import peak_rss
from cinemill.machine import usable_memory_bytes
from cinemill.storage.jobs.job_clock.readings import ClockReading


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one attempt, in seconds and bytes."""

    lease_seconds: float
    heartbeat_seconds: float
    stall_seconds: float
    soft_seconds: float
    memory_bytes: int


def choose_limits(kind: StepKind, queue: Queue, limits: RetryPolicy) -> Limits:
    """Return the limits of an attempt: the step kind's, else the queue's, else the settings'."""
    soft_seconds = limits.queue_seconds.get(queue.name, (queue.soft_seconds, 0.0))[0]
    return Limits(
        lease_seconds=limits.lease_seconds,
        heartbeat_seconds=limits.heartbeat_seconds,
        stall_seconds=kind.stall_seconds or limits.stall_seconds,
        soft_seconds=soft_seconds,
        memory_bytes=min(queue.memory_bytes, usable_memory_bytes()),
    )


START = ClockReading(progress=0.0, share=100.0, fraction=0.0)


@dataclass(slots=True)
class Attempt:
    run: ClaimedRun
    limits: Limits
    deadline: float
    """Monotonic moment at which the lease is over for certain, as seen from here."""
    started: float = field(default_factory=time.monotonic)
    clock: ClockReading = START
    """Of the job, as last noted."""
    ends_at: float | None = None
    """Monotonic time at which the job is expected to end, as last noted; None where unknown."""
    fraction: float = 0.0
    """How much of the step is done, 0–1; it never falls within an attempt."""
    reported: float = 0.0
    """The fraction that the handler reported last."""
    is_shown: bool = False
    """Whether an event of the job must have been published before."""
    message: str = "Working"
    moved_at: float = field(default_factory=time.monotonic)
    """When progress last changed."""
    stop: CinemillError | None = None
    """Why this attempt must end; set once, by the first to find a reason."""
    stopped_at: float | None = None
    peak_tree_bytes: int = 0
    """The most that the whole process tree was seen to take, every few seconds."""
    command_bytes: int = 0
    """The largest peak of a command, as reported at its end."""
    last_command: str = ""
    """The evidence of the last command that succeeded: see ``CommandFailed``."""
    is_ending: bool = False
    """The handler has returned and the end is being recorded: its limits are behind it."""

    @property
    def renewal_due(self) -> float:
        """Return the monotonic time of the next heartbeat.

        It is counted as the lease is: from when the claim or the last renewal was requested.
        """
        return self.deadline - self.limits.lease_seconds + self.limits.heartbeat_seconds

    def record_memory(self, peak_bytes: int) -> None:
        self.command_bytes = max(self.command_bytes, peak_bytes)

    def record_command(self, evidence: str) -> None:
        self.last_command = evidence

    def finished_run(self) -> ClaimedRun:
        """Return the run with its peak memory, and with what the step has taken.

        The peak is that of this process plus that of its largest command, or the largest sum seen
        of the whole tree where that is more.
        """
        peak_bytes = max(self.peak_tree_bytes, peak_rss() + self.command_bytes)
        return replace(self.run, peak_memory_bytes=peak_bytes, seconds=self.seconds)

    def request_stop(self, reason: CinemillError) -> None:
        if self.stop is None:
            self.stop = reason
            self.stopped_at = time.monotonic()

    def should_stop(self) -> CinemillError | None:
        """Return why the handler must stop, or None; called by the handler.

        An expired lease stops the work even where the heartbeat's thread hangs in a dead
        connection.
        """
        if self.stop is None and time.monotonic() > self.deadline:
            self.request_stop(LeaseLost("PostgreSQL was unreachable until the lease expired."))
        return self.stop

    @property
    def progress(self) -> float:
        """Return the percent of the job."""
        return self.clock.at(self.fraction)

    @property
    def seconds(self) -> float:
        """Return what the step has taken, with the attempts before that only waited."""
        return self.run.seconds_kept + time.monotonic() - self.started

    @property
    def seconds_left(self) -> float | None:
        """Return what is left of the job as it is shown; None where it is unknown."""
        if self.ends_at is None:
            return None
        return show_seconds_left(self.ends_at - time.monotonic())

    def move(self, fraction: float, message: str) -> None:
        """Take a report of the handler: how much of the step (0–1) is done, and what it does.

        What is left done of an attempt that only waited is not reported again.
        """
        reported = min(1.0, max(0.0, fraction))
        if reported != self.reported or message != self.message:
            self.moved_at = time.monotonic()
        self.reported = reported
        self.fraction = max(self.fraction, reported)
        self.message = message

    def renew(self, asked_at: float) -> None:
        """Extend the lease, counted from before the request, so that this side gives up first."""
        self.deadline = asked_at + self.limits.lease_seconds


def find_exceeded_limit(attempt: Attempt, now: float, memory_bytes: int) -> CinemillError | None:
    """Return the limit that this attempt has exceeded at monotonic ``now``, or None."""
    limits = attempt.limits
    if now > attempt.deadline:
        return LeaseLost("PostgreSQL was unreachable until the lease expired.")
    if now - attempt.moved_at > limits.stall_seconds:
        return CommandStalled(
            f"No progress for {limits.stall_seconds:.0f} seconds; the step was stopped.",
            exit_code=-9,
            log_tail="",
        )
    allowed = attempt.run.time_limit_seconds
    if allowed is not None and now - attempt.started > allowed:
        return InputRejected(
            f"Not done after {allowed:g} seconds, the job's own time limit; it was stopped.",
            code="time_limit",
            hint="Submit it again with a longer time_limit, or without one.",
        )
    if now - attempt.started > limits.soft_seconds:
        return CommandFailed(
            f"Not done after {limits.soft_seconds:.0f} seconds; the step was stopped.",
            exit_code=-9,
            log_tail="",
            code="time_limit",
        )
    if memory_bytes > limits.memory_bytes:
        return WorkFailed(
            f"The step used {memory_bytes >> 20} MiB of memory; "
            f"{limits.memory_bytes >> 20} MiB are allowed.",
            code="memory_limit",
            hint="Give the queue's workers more memory, or submit a smaller video.",
        )
    return None
