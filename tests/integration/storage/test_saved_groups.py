"""Groups that clients of Celery saved."""

from __future__ import annotations

from tests.integration.storage import rows

from cinemill.storage.adoption.saved_groups import KEPT_DAYS, delete_group, read_group, save_group
from cinemill.storage.database import Database

RESULT = [["group", None], [[["job-1", None], None]]]


def save(database: Database, group_id: str, result: object = RESULT) -> None:
    with database.begin() as connection:
        save_group(connection, group_id, result)


def read(database: Database, group_id: str) -> object:
    with database.begin() as connection:
        found: object = read_group(connection, group_id)
        return found


def test_saved_group_is_read_until_it_is_deleted(database: Database) -> None:
    save(database, "group")
    assert read(database, "group") == RESULT
    with database.begin() as connection:
        delete_group(connection, "group")
    assert read(database, "group") is None


def test_group_is_what_was_saved_last(database: Database) -> None:
    save(database, "group", [])
    save(database, "group")
    assert read(database, "group") == RESULT


def test_groups_saved_long_ago_are_forgotten(database: Database) -> None:
    for group_id in ("old", "kept"):
        save(database, group_id)
    age = "UPDATE saved_group SET saved_at = saved_at - make_interval(days => :days) WHERE id = :id"
    rows.change(database, age, id="old", days=KEPT_DAYS + 1)
    rows.change(database, age, id="kept", days=KEPT_DAYS - 1)
    save(database, "new")
    assert [read(database, one) for one in ("old", "kept", "new")] == [None, RESULT, RESULT]
