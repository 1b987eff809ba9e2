"""The books of what services cost, in the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cinemill.steps.costs.cost import Charge, CostDecision, CostTotals
from cinemill.storage.providers import costs

if TYPE_CHECKING:
    from cinemill.storage.database import Database


class DatabaseLedger:
    """A :class:`CostLedger` whose every entry is a row. Raises DatabaseUnavailable, LockTimeout."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, charge: Charge, decide: Callable[[CostTotals], CostDecision]) -> CostDecision:
        """Enter a charge where ``decide`` allows it, and return the decision.

        Raises NotFound (``asset_not_found``).
        """
        entry = costs.CostEntry(
            charge.key,
            charge.provider,
            charge.asset_id,
            charge.day,
            charge.estimate.micros,
            charge.estimate.requests,
        )
        with self._database.begin() as connection:
            costs.lock_costs(connection)
            if costs.is_entered(connection, charge.key):
                return CostDecision.ALLOWED
            sums = costs.sum_costs(connection, entry)
            decision = decide(CostTotals(sums.video_micros, sums.day_micros, sums.day_requests))
            if decision is CostDecision.ALLOWED:
                costs.enter_cost(connection, entry)
        return decision

    def settle(self, key: str, micros: int, requests: int) -> None:
        """Replace the estimate of a charge by what it came to."""
        with self._database.begin() as connection:
            costs.settle_cost(connection, key, micros=micros, requests=requests)

    def release(self, key: str) -> None:
        """Take a charge out: the service was not asked."""
        with self._database.begin() as connection:
            costs.release_cost(connection, key)
