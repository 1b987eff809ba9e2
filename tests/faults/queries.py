"""The queries of PostgreSQL that faults and invariants use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from tests.faults.submitter import retry_while_down

from cinemill.storage.database import Database

_CURRENT_RUNS = """
SELECT run.id, run.job_id, run.step_id, run.kind, run.token, run.worker, step.crashes
FROM run JOIN step ON step.id = run.step_id
WHERE run.state = 'running' AND run.lease_until > clock_timestamp()
ORDER BY run.started_at
"""


@dataclass(frozen=True)
class CurrentRun:
    id: str
    job_id: str
    step_id: str
    kind: str
    token: str
    worker: str
    crashes: int

    @property
    def pid(self) -> int:
        return int(self.worker.rpartition(":")[2])

    @property
    def is_poison(self) -> bool:
        """Whether it is expected to end by its own limits."""
        return is_poison(self.kind)

    @property
    def can_crash(self) -> bool:
        """Whether a crash would be its first, and is not part of its expected end."""
        return self.crashes == 0 and not self.is_poison


def is_poison(kind: str) -> bool:
    return kind.startswith(("drill_poison", "drill_hung", "drill_endless"))


class Queries:
    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch(self, query: str, **values: Any) -> list[Mapping[str, Any]]:
        """Return rows as mappings; retry while PostgreSQL is down."""

        def operation() -> list[Mapping[str, Any]]:
            with self._database.begin() as connection:
                rows = connection.execute(text(query), values).mappings()
                return [dict(row) for row in rows]

        rows: list[Mapping[str, Any]] = retry_while_down(operation)
        return rows

    def change(self, statement: str, **values: Any) -> None:
        with self._database.begin() as connection:
            connection.execute(text(statement), values)

    def count(self, query: str, **values: Any) -> int:
        return int(next(iter(self.fetch(query, **values)[0].values())))

    def current_runs(self) -> list[CurrentRun]:
        return [CurrentRun(**row) for row in self.fetch(_CURRENT_RUNS)]

    def unfinished(self) -> int:
        return self.count("SELECT count(*) FROM job WHERE state IN ('pending', 'running')")

    def runs_of(self, job_id: str) -> Sequence[Mapping[str, Any]]:
        query = "SELECT * FROM run WHERE job_id = :job_id ORDER BY queued_at"
        return self.fetch(query, job_id=job_id)

    def state_of(self, job_id: str) -> str | None:
        rows = self.fetch("SELECT state FROM job WHERE id = :id", id=job_id)
        return str(rows[0]["state"]) if rows else None
