"""The books of services in the database: caps hold whoever reserves at once; calls are kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import register

from cinemill.errors import NotFound
from cinemill.steps.costs.cost import (
    Charge,
    CostCapReached,
    CostCaps,
    CostDecision,
    CostTotals,
    Estimate,
    reserve_cost,
)
from cinemill.steps.costs.ledger import DatabaseLedger
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.providers import calls

TODAY, TOMORROW = date(2026, 11, 29), date(2026, 11, 30)


@pytest.fixture
def ledger(database: Database) -> DatabaseLedger:
    register(database, "film")
    register(database, "other")
    return DatabaseLedger(database)


def charge(
    key: str, micros: int = 100, *, asset: str = "film", day: date = TODAY, provider: str = "aws"
) -> Charge:
    return Charge(key, provider, asset, day, Estimate(micros, requests=1))


def count_rows(database: Database) -> int:
    with database.begin() as connection:
        return int(connection.execute(text("SELECT count(*) FROM provider_cost")).scalar_one())


def read_totals(ledger: DatabaseLedger, wanted: Charge) -> CostTotals:
    """Return the totals that a charge would be added to, and enter nothing."""
    seen: list[CostTotals] = []

    def look(totals: CostTotals) -> CostDecision:
        seen.append(totals)
        return CostDecision.DAY_CAP

    ledger.reserve(wanted, look)
    return seen[0]


def test_totals_are_those_of_the_video_and_of_the_services_day(ledger: DatabaseLedger) -> None:
    for one in (
        charge("a", 1),
        charge("b", 10, provider="nvidia"),
        charge("c", 100, day=TOMORROW),
        charge("d", 1000, asset="other"),
    ):
        reserve_cost(ledger, one, CostCaps())
    assert read_totals(ledger, charge("e")) == CostTotals(111, 1001, 2)


def test_step_that_runs_again_is_charged_once(ledger: DatabaseLedger, database: Database) -> None:
    caps = CostCaps(most_micros_per_video=100)
    reserve_cost(ledger, charge("a"), caps)
    reserve_cost(ledger, charge("a"), caps)
    assert count_rows(database) == 1
    with pytest.raises(CostCapReached):
        reserve_cost(ledger, charge("b"), caps)


def test_workers_that_reserve_at_once_do_not_pass_the_cap(ledger: DatabaseLedger) -> None:
    caps = CostCaps(most_micros_per_day=500)
    gate = threading.Barrier(10)

    def reserve(number: int) -> bool:
        gate.wait()
        try:
            reserve_cost(ledger, charge(f"key-{number}"), caps)
        except CostCapReached:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        allowed = list(pool.map(reserve, range(10)))
    assert allowed.count(True) == 5
    assert read_totals(ledger, charge("other")).day_micros == 500


def test_settled_charge_stays(ledger: DatabaseLedger, database: Database) -> None:
    reserve_cost(ledger, charge("a"), CostCaps())
    ledger.settle("a", 70, 3)
    ledger.release("a")
    assert read_totals(ledger, charge("b")) == CostTotals(70, 70, 3)


def test_released_charge_is_gone(ledger: DatabaseLedger, database: Database) -> None:
    reserve_cost(ledger, charge("a"), CostCaps())
    ledger.release("a")
    assert count_rows(database) == 0


def test_day_keeps_what_a_deleted_video_has_cost(
    ledger: DatabaseLedger, database: Database
) -> None:
    reserve_cost(ledger, charge("a"), CostCaps())
    with database.begin() as connection:
        calls.open_call(connection, "call", asset_id="film", provider="aws")
        assets.delete_asset(connection, "film")
    assert read_totals(ledger, charge("b", asset="other")) == CostTotals(0, 100, 1)
    with database.begin() as connection:
        assert calls.find_call(connection, "call") is None


def test_deleted_video_is_charged_nothing(ledger: DatabaseLedger, database: Database) -> None:
    with pytest.raises(NotFound):
        reserve_cost(ledger, charge("a", asset="gone"), CostCaps())
    with database.begin() as connection, pytest.raises(NotFound):
        calls.open_call(connection, "call", asset_id="gone", provider="aws")


def test_two_that_give_a_call_up_count_as_one(ledger: DatabaseLedger, database: Database) -> None:
    with database.begin() as connection:
        calls.open_call(connection, "call", asset_id="film", provider="aws")
        calls.note_asked(connection, "call")
        calls.save_ticket(connection, "call", {"jobs": ["1"]})
    for _ in range(2):
        with database.begin() as connection:
            calls.restart_call(connection, "call", restarts=0)
    with database.begin() as connection:
        record = calls.open_call(connection, "call", asset_id="film", provider="aws")
    assert record == calls.CallRecord(None, is_asked=False, restarts=1)
