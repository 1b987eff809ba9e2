"""The thread that keeps a worker's lease alive, and finds out when its work must end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cinemill.errors import DatabaseUnavailable, LeaseLost
from cinemill.jobs.runs.attempt import Attempt, find_exceeded_limit
from cinemill.jobs.runs.job_watch import JobWatch
from cinemill.jobs.runs.memory import measure_tree_bytes
from cinemill.storage.database import Database
from cinemill.storage.jobs import claims
from cinemill.storage.jobs.channels import CANCEL_CHANNEL
from cinemill.storage.notifications import Listener
from cinemill.telemetry import get_logger

LOOK_SECONDS = 0.5
"""How often limits are checked; a cancel sends a notification and is handled at once."""
MEMORY_SECONDS = 5.0
"""How often memory is measured: it reads all of /proc."""
NOTE_SECONDS = 2.0
"""How often progress is recorded while there is any: all watchers of a job, and all of its running
steps, learn of each other by it."""
RENEW_AGAIN_SECONDS = 1.0
"""Delay between a failed renewal and the next attempt to renew."""
UNRESPONSIVE_SECONDS = 10.0
"""A handler that was asked to stop has so long; then its process is given up."""

log = get_logger(__name__)


class Heartbeat:
    """The heartbeat of a worker process, for one attempt at a time.

    Its thread starts with the first attempt.
    """

    def __init__(self, database: Database, *, on_unresponsive: Callable[[Attempt], None]) -> None:
        """Prepare the heartbeat; its thread starts with the first attempt.

        ``on_unresponsive`` is called, on the heartbeat's thread, with an attempt whose handler does
        not stop; it records the end and kills this process.
        """
        self._database = database
        self._on_unresponsive = on_unresponsive
        self._listener = Listener(database.direct_url, [CANCEL_CHANNEL])
        self._notified: set[str] = set()
        """Jobs notified since the last beat: the notification for an attempt may arrive while the
        thread still waits for the attempt before it."""
        self._is_failing = False
        """Whether the last renewal failed: of many in a row, the first is logged."""
        self._watch = JobWatch(database)
        self._attempt: Attempt | None = None
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch_attempt(self, attempt: Attempt) -> None:
        """Monitor this attempt until it is released.

        Renews its lease first where the response to the claim came so late that it is time to.
        """
        if time.monotonic() >= attempt.renewal_due:
            self._renew(attempt)
        with self._wake:
            self._attempt = attempt
            self._wake.notify()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()

    def stop_watching(self) -> None:
        with self._wake:
            self._attempt = None

    @property
    def attempt(self) -> Attempt | None:
        """Return the current attempt, or None."""
        return self._attempt

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._attempt is not None)
                attempt = self._attempt
            if attempt is not None:
                self._monitor(attempt)

    def _monitor(self, attempt: Attempt) -> None:
        next_beat = attempt.renewal_due
        next_memory_check = attempt.started + MEMORY_SECONDS
        next_note = attempt.started + NOTE_SECONDS
        while self._attempt is attempt:
            is_notified = self._listen(attempt, next_beat)
            now = time.monotonic()
            if self._attempt is attempt and (is_notified or now >= next_beat):
                self._notified.clear()
                renewed = self._beat(attempt)
                next_beat = attempt.renewal_due if renewed else now + RENEW_AGAIN_SECONDS
                next_note = now + NOTE_SECONDS
            elif self._attempt is attempt and now >= next_note:
                next_note = now + NOTE_SECONDS
                if not self._is_failing and self._watch.has_news(attempt):
                    self._watch.note_progress(attempt)
            memory_bytes = 0
            if now >= next_memory_check:
                memory_bytes = measure_tree_bytes()
                attempt.peak_tree_bytes = max(attempt.peak_tree_bytes, memory_bytes)
                next_memory_check = now + MEMORY_SECONDS
            self._check_limits(attempt, memory_bytes)

    def _listen(self, attempt: Attempt, next_beat: float) -> bool:
        """Wait a moment; return whether this job was notified, or a notification may be lost."""
        if attempt.run.job_id in self._notified:
            return True
        was_listening = self._listener.is_connected
        seconds = min(LOOK_SECONDS, max(0.0, next_beat - time.monotonic()))
        try:
            notifications = self._listener.wait(seconds)
        except DatabaseUnavailable:
            time.sleep(seconds)
            return False
        self._notified.update(payload for _, payload in notifications)
        return not was_listening or attempt.run.job_id in self._notified

    def _beat(self, attempt: Attempt) -> bool:
        """Renew the lease, then record progress and check for a cancel.

        In this order, because nothing that holds the job's row may delay the lease. Returns whether
        the lease was renewed.
        """
        renewed = self._renew(attempt)
        if renewed:
            self._watch.note_progress(attempt)
        return renewed

    def _renew(self, attempt: Attempt) -> bool:
        asked_at = time.monotonic()
        try:
            with self._database.once() as connection:
                alive = claims.renew_lease(
                    connection, attempt.run, lease_seconds=attempt.limits.lease_seconds
                )
        except DatabaseUnavailable as error:
            if not self._is_failing:
                log.warning("heartbeat failed", run=attempt.run.id, why=error.message)
            self._is_failing = True
            return False
        except Exception:
            # Whatever it was: without this thread nobody would check the limits of this attempt.
            log.exception("heartbeat failed unexpectedly", run=attempt.run.id)
            return False
        self._is_failing = False
        if alive:
            attempt.renew(asked_at)
        elif self._attempt is attempt and not attempt.is_ending:
            attempt.request_stop(LeaseLost(f"The lease of run {attempt.run.id} is lost."))
        return alive

    def _check_limits(self, attempt: Attempt, memory_bytes: int) -> None:
        """Find broken limits; give up a handler that was asked to stop and does not."""
        now = time.monotonic()
        if self._attempt is not attempt or attempt.is_ending:
            return
        if attempt.stop is None:
            breach = find_exceeded_limit(attempt, now, memory_bytes)
            if breach is not None:
                attempt.request_stop(breach)
        elif attempt.stopped_at is not None and now - attempt.stopped_at > UNRESPONSIVE_SECONDS:
            self._on_unresponsive(attempt)
