"""Findings are written next to the active ones and switched to; one set of a kind is active."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text
from tests.integration.storage import rows
from tests.integration.storage.intelligence_rows import (
    MODEL,
    find_things,
    make_findings,
    register,
)

from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.core.job import Job
from cinemill.errors import NotFound
from cinemill.storage.database import Database
from cinemill.storage.findings import sets
from cinemill.storage.findings.sets import FindingSet
from cinemill.storage.media import assets

OBJECT = FindingKind.OBJECT


def begin(database: Database, *, version: int = 3, params: str = "params") -> FindingSet:
    with database.begin() as connection:
        model = replace(MODEL, version=version)
        return sets.open_set(connection, "film", OBJECT, model, params)


def save(database: Database, found: FindingSet, part: int, findings: list[Finding]) -> None:
    with database.begin() as connection:
        sets.save_part(connection, found.id, part, findings)


def activate(database: Database, found: FindingSet) -> None:
    with database.begin() as connection:
        sets.activate_set(connection, found.id)


def read(database: Database, found: FindingSet) -> list[Finding]:
    with database.begin() as connection:
        return [finding for _, finding in sets.list_findings(connection, found.id)]


def find_active(database: Database) -> FindingSet | None:
    with database.begin() as connection:
        return sets.find_active(connection, "film", OBJECT)


def test_findings_are_read_as_they_were_stored_by_time(database: Database) -> None:
    register(database, "film")
    found = begin(database)
    later = replace(make_findings()[0], start_ms=500, end_ms=900, label="Ω" * 5000)
    save(database, found, 1, [later])
    save(database, found, 0, make_findings())
    assert read(database, found) == [make_findings()[0], later, make_findings()[1]]


def test_new_findings_are_not_read_before_the_switch(database: Database) -> None:
    register(database, "film")
    old = find_things(database, "film")
    new = begin(database)
    save(database, new, 0, make_findings("bus"))
    active = find_active(database)
    assert active is not None
    assert active.id == old.id
    assert len(read(database, old)) == 2
    activate(database, new)
    assert find_active(database) == replace(new, is_active=True)
    assert read(database, old) == []
    with database.begin() as connection:
        assert [one.id for one in sets.list_sets(connection, "film")] == [new.id]


def test_same_work_is_the_same_set_and_known_to_be_done(database: Database) -> None:
    register(database, "film")
    first = begin(database)
    assert begin(database) == first
    activate(database, first)
    assert begin(database).is_active
    for other in (begin(database, version=4), begin(database, params="others")):
        assert other.id != first.id
        assert not other.is_active


def test_part_that_is_stored_again_takes_the_place_of_the_first(database: Database) -> None:
    register(database, "film")
    found = begin(database)
    save(database, found, 0, make_findings())
    save(database, found, 1, make_findings("bus"))
    save(database, found, 0, make_findings()[:1])
    assert [one.label for one in read(database, found)] == ["car", "bus", "Person"]
    save(database, found, 1, [])
    assert [one.label for one in read(database, found)] == ["car"]


def test_sets_of_two_kinds_are_active_at_once(database: Database) -> None:
    register(database, "film")
    find_things(database, "film")
    with database.begin() as connection:
        shots = sets.open_set(connection, "film", FindingKind.SHOT, MODEL, "")
        sets.activate_set(connection, shots.id)
        assert len([one for one in sets.list_sets(connection, "film") if one.is_active]) == 2


def test_of_many_that_switch_at_once_one_stays(database: Database) -> None:
    register(database, "film")
    found = [begin(database, version=version) for version in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda one: activate(database, one), found))
    with database.begin() as connection:
        left = sets.list_sets(connection, "film")
    assert [one.is_active for one in left] == [True]


def test_findings_are_read_in_pages(database: Database) -> None:
    register(database, "film")
    found = begin(database)
    save(database, found, 0, [Finding(n // 3, n // 3 + 1, str(n)) for n in range(10)])
    labels, after = [], None
    with database.begin() as connection:
        while page := sets.list_findings(connection, found.id, after=after, limit=4):
            labels += [finding.label for _, finding in page]
            after = page[-1][0]
    assert labels == [str(n) for n in range(10)]


def test_video_deleted_in_the_middle_is_reported(database: Database) -> None:
    register(database, "film")
    found = begin(database)
    with database.begin() as connection:
        assets.delete_asset(connection, "film")
    with pytest.raises(NotFound) as gone:
        save(database, found, 0, make_findings())
    assert gone.value.code == "finding_set_not_found"
    with pytest.raises(NotFound):
        activate(database, found)
    with pytest.raises(NotFound) as missing:
        begin(database)
    assert missing.value.code == "asset_not_found"
    with pytest.raises(NotFound), database.begin() as connection:
        sets.activate_set(connection, str(uuid4()))


def age(database: Database, found: FindingSet, hours: int) -> None:
    query = text(
        "UPDATE finding_set SET created_at = created_at - make_interval(hours => :hours) "
        "WHERE id = :id"
    )
    with database.begin() as connection:
        connection.execute(query, {"id": found.id, "hours": hours})


def end(database: Database, job: Job, state: str, *, hours_ago: int) -> None:
    rows.change(
        database,
        "UPDATE job SET state = :state,"
        " finished_at = clock_timestamp() - make_interval(hours => :hours) WHERE id = :id",
        state=state,
        hours=hours_ago,
        id=job.id,
    )


def test_abandoned_sets_are_deleted_in_batches(database: Database) -> None:
    register(database, "film")
    for version in range(3):
        age(database, begin(database, version=version), 25)
    counts = []
    for _ in range(3):
        with database.begin() as connection:
            counts.append(sets.delete_abandoned(connection, older_than_hours=24, limit=2))
    assert counts == [2, 1, 0]


def test_abandoned_sets_are_deleted_once_no_job_needs_them(database: Database) -> None:
    register(database, "film")
    old, fresh, active = (begin(database, version=version) for version in range(3))
    save(database, old, 0, make_findings())
    activate(database, active)
    for found, hours in ((old, 25), (fresh, 23), (active, 1000)):
        age(database, found, hours)

    def delete() -> int:
        with database.begin() as connection:
            return sets.delete_abandoned(connection, older_than_hours=24)

    job = rows.accept(database, asset_id="film")
    assert delete() == 0
    # A job may have worked for days before it failed: what it found waits for a retry.
    for state in ("failed", "cancelled"):
        end(database, job, state, hours_ago=23)
        assert delete() == 0
    end(database, job, "failed", hours_ago=25)
    assert delete() == 1
    with database.begin() as connection:
        left = {one.id for one in sets.list_sets(connection, "film")}
    assert left == {fresh.id, active.id}
    assert read(database, old) == []
