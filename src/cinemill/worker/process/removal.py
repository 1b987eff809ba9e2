"""Deletes the videos whose time has come: a thread of beat, next to the relay."""

from __future__ import annotations

import threading
import time

from cinemill.capabilities.ingest.deletion import carry_out_due
from cinemill.errors import CinemillError
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.throttle import ThrottledLog

PAUSE_FACTOR = 5.0
"""Its pauses are at least so many times as long as its work."""

often = ThrottledLog(__name__)


class Remover:
    """Looks for deletions that are due, at intervals.

    Not a duty of the relay: what was found out of a long film takes seconds to delete.
    """

    def __init__(self, context: WorkerContext) -> None:
        self._context = context

    def run_forever(self) -> None:
        while True:
            began_at = time.monotonic()
            self.run_once()
            # Of a long queue, it takes a while to find out that something needs a video.
            spent_seconds = time.monotonic() - began_at
            time.sleep(max(self._context.settings.sweep_seconds, PAUSE_FACTOR * spent_seconds))

    def run_once(self) -> int:
        """Carry out what is due and return how many videos are gone; log whatever it raises."""
        try:
            return carry_out_due(self._context.database, self._context.service)
        except CinemillError as error:
            about = f"delete videos {error.code}"
            often.warning("deletions wait", about=about, why=error.message)
        except Exception as error:  # noqa: BLE001 - the loop must survive every error
            about = f"delete videos {type(error).__name__}"
            often.error("deletions failed", about=about, exc_info=error)
        return 0


def start_remover(context: WorkerContext) -> threading.Thread:
    """Delete what is due in a thread of this process until it ends."""
    thread = threading.Thread(target=Remover(context).run_forever, name="remover", daemon=True)
    thread.start()
    return thread
