"""What services cost: estimates, caps, and books that two workers write at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.steps.costs.cost import (
    DEFAULT_PRICES,
    Charge,
    Consumption,
    CostCapReached,
    CostCaps,
    CostDecision,
    CostTotals,
    Estimate,
    Price,
    decide_cost,
    estimate_cost,
    format_dollars,
    reserve_cost,
)

TODAY = date(2026, 11, 29)
PRICES = {"a.minute": Price(micros_per_minute=100_000), "b.request": Price(micros_per_request=3)}


class Books:
    """The ledger's contract in memory."""

    def __init__(self) -> None:
        self.charges: dict[str, Charge] = {}
        self.lock = threading.Lock()

    def reserve(self, charge: Charge, decide: Callable[[CostTotals], CostDecision]) -> CostDecision:
        with self.lock:
            if charge.key in self.charges:
                return CostDecision.ALLOWED
            decision = decide(self.sum_up(charge))
            if decision is CostDecision.ALLOWED:
                self.charges[charge.key] = charge
            return decision

    def settle(self, key: str, micros: int, requests: int) -> None:
        raise NotImplementedError

    def release(self, key: str) -> None:
        self.charges.pop(key, None)

    def sum_up(self, charge: Charge) -> CostTotals:
        day = [
            one
            for one in self.charges.values()
            if (one.day, one.provider) == (charge.day, charge.provider)
        ]
        video = [one for one in self.charges.values() if one.asset_id == charge.asset_id]
        return CostTotals(
            sum(one.estimate.micros for one in video),
            sum(one.estimate.micros for one in day),
            sum(one.estimate.requests for one in day),
        )


def make_charge(key: str, micros: int = 100, *, asset_id: str = "v", requests: int = 1) -> Charge:
    return Charge(key, "rekognition", asset_id, TODAY, Estimate(micros, requests))


@pytest.mark.parametrize(
    ("consumption", "estimate"),
    [
        ([], Estimate(0, 0)),
        ([Consumption("a.minute", milliseconds=60_000)], Estimate(100_000, 0)),
        ([Consumption("a.minute", milliseconds=60_001)], Estimate(200_000, 0)),
        ([Consumption("a.minute", milliseconds=1)], Estimate(100_000, 0)),
        ([Consumption("b.request", requests=7)] * 2, Estimate(42, 14)),
        (
            [Consumption("a.minute", milliseconds=1), Consumption("c", requests=1)],
            Estimate(100_000, 1, ("c",)),
        ),
    ],
)
def test_estimate_rounds_upwards(consumption: list[Consumption], estimate: Estimate) -> None:
    assert estimate_cost(consumption, PRICES) == estimate


def test_prices_are_facts_with_a_source_and_a_date() -> None:
    assert all(one.source and one.as_of for one in DEFAULT_PRICES.values())
    assert all(one.micros_per_minute > 0 for one in DEFAULT_PRICES.values())


@pytest.mark.parametrize(
    ("estimate", "caps", "decision"),
    [
        (Estimate(10**12, 10**6), CostCaps(), CostDecision.ALLOWED),
        (Estimate(40, 1), CostCaps(most_micros_per_video=100), CostDecision.ALLOWED),
        (Estimate(41, 1), CostCaps(most_micros_per_video=100), CostDecision.VIDEO_CAP),
        (Estimate(20, 1), CostCaps(most_micros_per_day=100), CostDecision.ALLOWED),
        (Estimate(21, 1), CostCaps(most_micros_per_day=100), CostDecision.DAY_CAP),
        (Estimate(0, 3), CostCaps(most_requests_per_day=10), CostDecision.ALLOWED),
        (Estimate(0, 4), CostCaps(most_requests_per_day=10), CostDecision.REQUEST_CAP),
        (Estimate(1, 1), CostCaps(most_micros_per_day=0), CostDecision.DAY_CAP),
        (Estimate(0, 1, ("x",)), CostCaps(most_micros_per_day=10**9), CostDecision.UNPRICED),
        (Estimate(0, 1, ("x",)), CostCaps(most_micros_per_video=1), CostDecision.UNPRICED),
        (Estimate(0, 1, ("x",)), CostCaps(most_requests_per_day=10), CostDecision.ALLOWED),
    ],
)
def test_decision_holds_each_cap(
    estimate: Estimate, caps: CostCaps, decision: CostDecision
) -> None:
    totals = CostTotals(video_micros=60, day_micros=80, day_requests=7)
    assert decide_cost(estimate, totals, caps) is decision


@pytest.mark.parametrize(
    ("caps", "code", "is_retryable"),
    [
        (CostCaps(most_micros_per_video=50), "cost_cap_video", False),
        (CostCaps(most_micros_per_day=50), "cost_cap_day", True),
        (CostCaps(most_requests_per_day=0), "request_cap_day", True),
    ],
)
def test_cap_that_is_reached_refuses_before_anything_is_sent(
    caps: CostCaps, code: str, is_retryable: bool
) -> None:
    books = Books()
    with pytest.raises(CostCapReached) as refused:
        reserve_cost(books, make_charge("a"), caps)
    assert (refused.value.code, refused.value.is_retryable) == (code, is_retryable)
    assert "rekognition" in refused.value.message
    assert books.charges == {}


def test_cost_without_a_price_names_what_lacks_one() -> None:
    charge = Charge("a", "nvidia", "v", TODAY, Estimate(0, 1, ("nvidia.request",)))
    with pytest.raises(CostCapReached, match=r"nvidia\.request") as refused:
        reserve_cost(Books(), charge, CostCaps(most_micros_per_day=1))
    assert refused.value.code == "cost_unknown"


def test_step_that_runs_again_is_charged_once() -> None:
    books, caps = Books(), CostCaps(most_micros_per_day=150)
    for _ in range(3):
        reserve_cost(books, make_charge("a"), caps)
    assert len(books.charges) == 1
    with pytest.raises(CostCapReached):
        reserve_cost(books, make_charge("b"), caps)
    books.release("a")
    reserve_cost(books, make_charge("b"), caps)


def test_workers_at_once_do_not_spend_more_than_the_cap() -> None:
    books, caps = Books(), CostCaps(most_micros_per_day=1000)

    def spend(number: int) -> bool:
        try:
            reserve_cost(books, make_charge(f"step {number}", asset_id=f"v{number}"), caps)
        except CostCapReached:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(64))) == 10


@given(milliseconds=st.lists(st.integers(0, 10**8), max_size=5), price=st.integers(0, 10**7))
def test_estimate_is_never_below_the_bill(milliseconds: list[int], price: int) -> None:
    consumption = [Consumption("x", milliseconds=one) for one in milliseconds]
    estimate = estimate_cost(consumption, {"x": Price(micros_per_minute=price)})
    assert estimate.micros >= sum(milliseconds) * price / 60_000 - 1e-6


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "$0.00"), (100_000, "$0.10"), (12_340_000, "$12.34"), (400, "$0.0004"), (1, "$0.000001")],
)
def test_amount_is_written_in_dollars(micros: int, text: str) -> None:
    assert format_dollars(micros) == text
