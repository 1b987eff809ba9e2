"""The thread that keeps a worker's lease alive, and finds out when its work must end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cinemill.errors import DatabaseUnavailable, JobCancelled, LeaseLost
from cinemill.jobs.memory import measure_tree_bytes
from cinemill.jobs.watch import Watch, find_breach
from cinemill.storage import claims
from cinemill.storage.database import Database
from cinemill.storage.jobs import CANCEL_CHANNEL
from cinemill.storage.notifications import Listener
from cinemill.telemetry import get_logger

LOOK_SECONDS = 0.5
"""How often limits are looked at; a cancel rings and is heard at once."""
WEIGH_SECONDS = 5.0
"""How often memory is measured: it reads all of /proc."""
UNRESPONSIVE_SECONDS = 10.0
"""A handler that was asked to stop has so long; then its process is given up."""

log = get_logger(__name__)


class Heart:
    """One a worker process, for one try at a time. Its thread starts with the first try."""

    def __init__(self, database: Database, *, give_up: Callable[[Watch], None]) -> None:
        """``give_up`` is called, on the heart's thread, with a try whose handler does not stop; it
        records the end and kills this process."""
        self._database = database
        self._give_up = give_up
        self._listener = Listener(database.url, [CANCEL_CHANNEL])
        self._rung: set[str] = set()
        """Jobs that were rung for since the last beat: the ring for a try may be heard while the
        thread still waits for the try before it."""
        self._watch: Watch | None = None
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def attend(self, watch: Watch) -> None:
        """Look after this try until it is released."""
        with self._wake:
            self._watch = watch
            self._wake.notify()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._beat_for_ever, name="heart", daemon=True)
            self._thread.start()

    def release(self) -> None:
        with self._wake:
            self._watch = None

    @property
    def watch(self) -> Watch | None:
        """The try under way, or None."""
        return self._watch

    def _beat_for_ever(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._watch is not None)
                watch = self._watch
            if watch is not None:
                self._attend_one(watch)

    def _attend_one(self, watch: Watch) -> None:
        next_beat = watch.started + watch.limits.heartbeat_seconds
        next_weighing = watch.started + WEIGH_SECONDS
        while self._watch is watch:
            rang = self._listen(watch)
            now = time.monotonic()
            if self._watch is watch and (rang or now >= next_beat):
                self._rung.clear()
                self._beat(watch)
                next_beat = now + watch.limits.heartbeat_seconds
            memory_bytes = 0
            if now >= next_weighing:
                memory_bytes = measure_tree_bytes()
                watch.weighed_bytes = max(watch.weighed_bytes, memory_bytes)
                next_weighing = now + WEIGH_SECONDS
            self._look(watch, memory_bytes)

    def _listen(self, watch: Watch) -> bool:
        """Wait a moment; whether this try's job was rung for, or may have been unheard."""
        if watch.run.job_id in self._rung:
            return True
        was_listening = self._listener.is_connected
        try:
            rings = self._listener.wait(LOOK_SECONDS)
        except DatabaseUnavailable:
            time.sleep(LOOK_SECONDS)
            return False
        self._rung.update(payload for _, payload in rings)
        return not was_listening or watch.run.job_id in self._rung

    def _beat(self, watch: Watch) -> None:
        asked_at = time.monotonic()
        try:
            with self._database.begin() as connection:
                alive = claims.renew_lease(
                    connection, watch.run, lease_seconds=watch.limits.lease_seconds
                )
            if not alive:
                if self._watch is watch:
                    watch.ask_to_stop(LeaseLost(f"The lease of run {watch.run.id} is lost."))
                return
            watch.renew(asked_at)
            with self._database.begin() as connection:
                reason = claims.note_progress(
                    connection, watch.run, progress=watch.progress, message=watch.message
                )
        except DatabaseUnavailable:
            log.warning("heartbeat failed", run=watch.run.id)
            return
        except Exception:
            # Whatever it was: without this thread nobody would watch the limits of this try.
            log.exception("heartbeat failed unexpectedly", run=watch.run.id)
            return
        if reason is not None:
            watch.ask_to_stop(JobCancelled(f"Cancelled: {reason}"))

    def _look(self, watch: Watch, memory_bytes: int) -> None:
        """Find broken limits; give up a handler that was asked to stop and does not."""
        now = time.monotonic()
        if self._watch is not watch:
            return
        if watch.stop is None:
            breach = find_breach(watch, now, memory_bytes)
            if breach is not None:
                watch.ask_to_stop(breach)
        elif watch.stopped_at is not None and now - watch.stopped_at > UNRESPONSIVE_SECONDS:
            self._give_up(watch)
