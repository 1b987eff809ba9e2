"""The thread that keeps a worker's lease alive, and finds out when its work must end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cinemill.errors import DatabaseUnavailable, JobCancelled, LeaseLost
from cinemill.jobs.runs.attempt import Attempt, find_exceeded_limit
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
        self._give_up = on_unresponsive
        self._listener = Listener(database.url, [CANCEL_CHANNEL])
        self._notified: set[str] = set()
        """Jobs notified since the last beat: the notification for an attempt may arrive while the
        thread still waits for the attempt before it."""
        self._is_failing = False
        """Whether the last renewal failed: of many in a row, the first is logged."""
        self._watch: Attempt | None = None
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch_attempt(self, watch: Attempt) -> None:
        """Monitor this attempt until it is released.

        Renews its lease first where the response to the claim came so late that it is time to.
        """
        if time.monotonic() >= watch.renewal_due:
            self._renew(watch)
        with self._wake:
            self._watch = watch
            self._wake.notify()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="heart", daemon=True)
            self._thread.start()

    def stop_watching(self) -> None:
        with self._wake:
            self._watch = None

    @property
    def watch(self) -> Attempt | None:
        """Return the current attempt, or None."""
        return self._watch

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._watch is not None)
                watch = self._watch
            if watch is not None:
                self._monitor(watch)

    def _monitor(self, watch: Attempt) -> None:
        next_beat = watch.renewal_due
        next_weighing = watch.started + MEMORY_SECONDS
        while self._watch is watch:
            rang = self._listen(watch, next_beat)
            now = time.monotonic()
            if self._watch is watch and (rang or now >= next_beat):
                self._notified.clear()
                renewed = self._beat(watch)
                next_beat = watch.renewal_due if renewed else now + RENEW_AGAIN_SECONDS
            memory_bytes = 0
            if now >= next_weighing:
                memory_bytes = measure_tree_bytes()
                watch.peak_tree_bytes = max(watch.peak_tree_bytes, memory_bytes)
                next_weighing = now + MEMORY_SECONDS
            self._check_limits(watch, memory_bytes)

    def _listen(self, watch: Attempt, next_beat: float) -> bool:
        """Wait a moment; return whether this job was notified, or a notification may be lost."""
        if watch.run.job_id in self._notified:
            return True
        was_listening = self._listener.is_connected
        seconds = min(LOOK_SECONDS, max(0.0, next_beat - time.monotonic()))
        try:
            notifications = self._listener.wait(seconds)
        except DatabaseUnavailable:
            time.sleep(seconds)
            return False
        self._notified.update(payload for _, payload in notifications)
        return not was_listening or watch.run.job_id in self._notified

    def _beat(self, watch: Attempt) -> bool:
        """Renew the lease, then record progress and check for a cancel.

        In this order, because nothing that holds the job's row may delay the lease. Returns whether
        the lease was renewed.
        """
        renewed = self._renew(watch)
        if renewed:
            self._note_progress(watch)
        return renewed

    def _renew(self, watch: Attempt) -> bool:
        asked_at = time.monotonic()
        try:
            with self._database.once() as connection:
                alive = claims.renew_lease(
                    connection, watch.run, lease_seconds=watch.limits.lease_seconds
                )
        except DatabaseUnavailable as error:
            if not self._is_failing:
                log.warning("heartbeat failed", run=watch.run.id, why=error.message)
            self._is_failing = True
            return False
        except Exception:
            # Whatever it was: without this thread nobody would check the limits of this attempt.
            log.exception("heartbeat failed unexpectedly", run=watch.run.id)
            return False
        self._is_failing = False
        if alive:
            watch.renew(asked_at)
        elif self._watch is watch and not watch.is_ending:
            watch.request_stop(LeaseLost(f"The lease of run {watch.run.id} is lost."))
        return alive

    def _note_progress(self, watch: Attempt) -> None:
        try:
            with self._database.once() as connection:
                reason = claims.note_progress(
                    connection, watch.run, progress=watch.progress, message=watch.message
                )
        except DatabaseUnavailable as error:
            log.warning("progress not recorded", run=watch.run.id, why=error.message)
            return
        except Exception:
            log.exception("progress not recorded", run=watch.run.id)
            return
        if reason is not None:
            watch.request_stop(JobCancelled(f"Cancelled: {reason}"))

    def _check_limits(self, watch: Attempt, memory_bytes: int) -> None:
        """Find broken limits; give up a handler that was asked to stop and does not."""
        now = time.monotonic()
        if self._watch is not watch or watch.is_ending:
            return
        if watch.stop is None:
            breach = find_exceeded_limit(watch, now, memory_bytes)
            if breach is not None:
                watch.request_stop(breach)
        elif watch.stopped_at is not None and now - watch.stopped_at > UNRESPONSIVE_SECONDS:
            self._give_up(watch)
