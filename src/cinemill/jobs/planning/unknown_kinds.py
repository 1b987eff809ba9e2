"""Runs of kinds that nothing installed here can execute, after a package was removed.

Their jobs say what they wait for, and they are offered again every 15 s: they begin when the
package is back.
"""

from __future__ import annotations

from collections.abc import Sequence

from cinemill.jobs.catalog import Catalog
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs import ready_steps
from cinemill.storage.jobs.dispatch import ReadyRun
from cinemill.telemetry import get_logger

UNKNOWN_DELAY_SECONDS = 15.0
"""A run of a kind that this version does not know is looked at again after so long."""

log = get_logger(__name__)


class UnknownKinds:
    """Looks at all live runs, a portion at a time. For one thread.

    Those that are held wait until all the others have been looked at: else they would be due again
    before, and many of them would keep their owner's other runs from their turn.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._after = ""
        """The step at which the last portion ended."""
        self._number = 1
        self._portions = 1
        """How many there were in the last look at all runs, or are so far in this one."""
        self._noted: dict[str, set[str]] = {}
        """Runs that turns have come upon, by kind."""

    def list_next(self, connection: Connection) -> dict[str, list[str]]:
        """Return the unknown runs of the next portion, by kind."""
        until = ready_steps.find_portion_end(connection, after=self._after)
        unknown = ready_steps.list_unknown(
            connection,
            kinds=list(self._catalog.steps),
            queues=list(self._catalog.queues),
            after=self._after,
            until=until,
        )
        if until is None:
            self._after, self._portions, self._number = "", self._number, 1
        else:
            self._after, self._number = until, self._number + 1
            self._portions = max(self._portions, self._number)
        by_kind: dict[str, list[str]] = {}
        for run_id, kind in unknown:
            by_kind.setdefault(kind, []).append(run_id)
        return by_kind

    def note(self, run: ReadyRun) -> None:
        """Note a run that a turn has come upon; :meth:`hold_noted` holds it after the turn."""
        self._noted.setdefault(run.kind, set()).add(run.id)

    def hold_noted(self, database: Database) -> None:
        """Hold back what turns have come upon, each kind in a transaction of its own.

        Runs of two kinds may be of one job, and the turn itself may announce that job: in one
        transaction it would be changed twice, and waited for its asset.
        """
        noted, self._noted = self._noted, {}
        for kind, run_ids in noted.items():
            with database.begin() as connection:
                self.hold(connection, kind, sorted(run_ids))

    def hold_or_move(self, connection: Connection, kind: str, run_ids: Sequence[str]) -> int:
        """Hold runs of a kind that is not installed; return how many.

        A kind that is installed has another queue than when the job was accepted: its runs move.
        """
        found = self._catalog.steps.get(kind)
        if found is None:
            return self.hold(connection, kind, run_ids)
        moved = ready_steps.move(connection, run_ids, queue=found.queue)
        log.info("runs moved to their kind's new queue", kind=kind, queue=found.queue, count=moved)
        return 0

    def hold(self, connection: Connection, kind: str, run_ids: Sequence[str]) -> int:
        """Hold back runs of a kind that is not installed; return how many."""
        message = (
            f"Waiting: no installed package provides the step '{kind}'. Install the package"
            " that brings it, or cancel this job."
        )
        delay = UNKNOWN_DELAY_SECONDS * self._portions
        held = ready_steps.hold(connection, run_ids, message=message, delay_seconds=delay)
        log.warning("runs of an unknown kind wait", kind=kind, count=held)
        return held
