"""Plans of the statements that functions really send.

They are caught on the connection and explained by PostgreSQL with the values that they were sent
with.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import Connection, event

from cinemill.storage.database import Database

SMALL_TABLES = {"hardware_encoder", "engine_clock"}
"""A row for each encoder of each worker, and one row: read whole sooner than by any index."""

NOT_EXPLAINED = ("SET ", "LOCK ", "EXPLAIN ", "SAVEPOINT ", "RELEASE ")


class RollBack(Exception):
    """Ends a transaction whose changes are not wanted."""


def explain(database: Database, ask: Callable[[Connection], object]) -> list[Any]:
    """The plans of all statements that ``ask`` sends."""
    sent: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    plans = []
    with pytest.raises(RollBack), database.begin() as connection:
        event.listen(connection, "before_cursor_execute", note)
        ask(connection)
        event.remove(connection, "before_cursor_execute", note)
        for statement, parameters in sent:
            if statement.startswith(NOT_EXPLAINED):
                continue
            answer = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            plans.append(answer.scalar_one())
        raise RollBack
    assert plans
    return plans


def scans_whole_tables(plan: Any) -> list[str]:
    """Tables that a plan reads from end to end."""
    found = []
    if isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan" and not plan.get("One-Time Filter"):
            found.append(str(plan.get("Relation Name")))
        for value in plan.values():
            found += scans_whole_tables(value)
    if isinstance(plan, list):
        for value in plan:
            found += scans_whole_tables(value)
    return found


def assert_by_index(database: Database, ask: Callable[[Connection], object]) -> None:
    for plan in explain(database, ask):
        assert set(scans_whole_tables(plan)) <= SMALL_TABLES


def list_members(plan: Any, name: str) -> list[str]:
    """Return a member of all nodes of a plan that have it, such as ``Node Type``."""
    found = []
    if isinstance(plan, dict):
        found += [str(plan[name])] if name in plan else []
        for value in plan.values():
            found += list_members(value, name)
    if isinstance(plan, list):
        for value in plan:
            found += list_members(value, name)
    return found


def assert_in_index_order(database: Database, ask: Callable[[Connection], object]) -> None:
    """Assert that an index has just the rows of the page, in their order, however many match.

    Rows that are read and then left out by a filter would make a page of rare ones expensive. For
    few rows PostgreSQL prefers to sort them, so that sorting has to be discouraged here.
    """

    def ask_without_sorting(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        ask(connection)

    assert_by_index(database, ask)
    for plan in explain(database, ask_without_sorting):
        assert set(scans_whole_tables(plan)) <= SMALL_TABLES
        assert not {"Sort", "Incremental Sort"} & set(list_members(plan, "Node Type")), plan
        assert list_members(plan, "Filter") == []


class OneConnection(Database):
    """The database as functions see it that begin their own transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def begin(self) -> Any:
        return nullcontext(self.connection)

    def once(self) -> Any:
        return nullcontext(self.connection)
