"""One kind of finding about a video, by one model: done before, or stored when it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import Finding, FindingKind, FindingModel
from cinemill.steps.content_key import content_key
from cinemill.storage.findings import sets

if TYPE_CHECKING:
    from cinemill.storage.database import Connection, Database

SIGHTINGS = "sightings"
PAGE = 5000


@dataclass(frozen=True, slots=True)
class FindingWork:
    """What is looked for, by what, and how."""

    kind: FindingKind
    model: FindingModel
    parameters: JsonObject = field(default_factory=dict)
    """Everything else that changes what is found."""

    @property
    def digest(self) -> str:
        return content_key("findings", self.kind.value, self.parameters)

    def sightings(self, job_id: str) -> FindingWork:
        """Return the work whose set holds what a job saw in single frames, until it is merged.

        Each job has its own: of two that look at one video, none removes what the other needs.
        """
        parameters = {**self.parameters, "of": SIGHTINGS, "job": job_id}
        return FindingWork(self.kind, self.model, parameters)

    def identify(self, asset_id: str) -> str:
        """Return the id of the set of this work."""
        return sets.set_id(asset_id, self.kind, self.model, self.digest)


def is_done(database: Database, asset_id: str, work: FindingWork) -> bool:
    """Check whether the active findings of this kind are those of the same work."""
    with database.begin() as connection:
        active = sets.find_active(connection, asset_id, work.kind)
    return active is not None and active.id == work.identify(asset_id)


def store_findings(
    connection: Connection, asset_id: str, work: FindingWork, findings: Sequence[Finding]
) -> None:
    """Store findings and make them the active ones, unless the same work was completed meanwhile.

    Raises NotFound (``asset_not_found``).
    """
    sets.lock_asset(connection, asset_id)
    opened = sets.open_set(connection, asset_id, work.kind, work.model, work.digest)
    if opened.is_active:
        return
    sets.save_part(connection, opened.id, 0, findings)
    sets.activate_set(connection, opened.id)


def store_sightings(
    connection: Connection, asset_id: str, seen: FindingWork, part: int, found: Sequence[Finding]
) -> None:
    """Store what one chunk's frames show, until all chunks of its job are merged."""
    opened = sets.open_set(connection, asset_id, seen.kind, seen.model, seen.digest)
    sets.save_part(connection, opened.id, part, found)


def list_all(database: Database, set_id: str) -> Iterator[Finding]:
    """Yield the findings of a set by time."""
    after = None
    while True:
        with database.begin() as connection:
            page = sets.list_findings(connection, set_id, after=after, limit=PAGE)
        for _position, finding in page:
            yield finding
        if len(page) < PAGE:
            return
        after = page[-1][0]


def list_active(database: Database, asset_id: str, kind: FindingKind) -> list[Finding]:
    """Return the active findings of a kind by time; none if it was never looked for."""
    with database.begin() as connection:
        active = sets.find_active(connection, asset_id, kind)
    return [] if active is None else list(list_all(database, active.id))
