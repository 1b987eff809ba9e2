"""What services cost: estimated before, held under caps, recorded after.

Money is in whole millionths of a US dollar. Every rounding is upwards: an estimate is never below
the bill that its prices lead to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from cinemill.errors import InputRejected

MICROS_PER_DOLLAR = 1_000_000
_MS_PER_MINUTE = 60_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a service was asked to do, in a unit that it has a price for."""

    price: str
    """The name of a price, such as ``rekognition.labels``."""
    milliseconds: int = 0
    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """What a service asks for a unit: a fact with a source and a date. Check it before use."""

    micros_per_minute: int = 0
    """Of video; a minute that is begun counts."""
    micros_per_request: int = 0
    micros_per_million_tokens: int = 0
    source: str = ""
    as_of: date | None = None


PriceTable = Mapping[str, Price]
"""By the name of the price, as ``Consumption`` has it."""

_AWS = "https://aws.amazon.com/rekognition/pricing/, us-east-1, first tier, as others quote it"
_AWS_UNCONFIRMED = "https://aws.amazon.com/rekognition/pricing/, us-east-1; not confirmed"
_AS_OF = date(2026, 11, 29)
DEFAULT_PRICES: PriceTable = {
    "rekognition.labels": Price(100_000, source=_AWS, as_of=_AS_OF),
    "rekognition.faces": Price(100_000, source=_AWS, as_of=_AS_OF),
    "rekognition.text": Price(100_000, source=_AWS, as_of=_AS_OF),
    "rekognition.moderation": Price(100_000, source=_AWS, as_of=_AS_OF),
    "rekognition.segments": Price(50_000, source=_AWS_UNCONFIRMED, as_of=_AS_OF),
    "rekognition.technical_cues": Price(50_000, source=_AWS_UNCONFIRMED, as_of=_AS_OF),
}
"""Where prices depend on volume and region, the highest; settings replace them. Servers that
answer in the chat format have no price here: it depends on who runs them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an analysis will cost at most, by a table of prices."""

    micros: int
    requests: int
    unpriced: tuple[str, ...] = ()
    """Names that the table has no price for; they count as nothing in ``micros``."""


@dataclass(frozen=True, slots=True)
class CostCaps:
    """How much may be spent; None is without a limit, 0 forbids."""

    most_micros_per_video: int | None = None
    most_micros_per_day: int | None = None
    most_requests_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class CostTotals:
    """What is spent or reserved already."""

    video_micros: int = 0
    day_micros: int = 0
    day_requests: int = 0


class CostDecision(StrEnum):
    """Whether an analysis may be paid for."""

    ALLOWED = "allowed"
    VIDEO_CAP = "cost_cap_video"
    DAY_CAP = "cost_cap_day"
    REQUEST_CAP = "request_cap_day"
    UNPRICED = "cost_unknown"


@dataclass(frozen=True, slots=True)
class Charge:
    """One analysis in the books."""

    key: str
    """The step's own: the same step is charged once, however often it runs."""
    provider: str
    asset_id: str
    day: date
    """In UTC."""
    estimate: Estimate


class CostLedger(Protocol):
    """The books, in a database."""

    def reserve(self, charge: Charge, decide: Callable[[CostTotals], CostDecision]) -> CostDecision:
        """Enter a charge where ``decide`` allows it, and return the decision.

        The totals of the asset and of the provider's day are read, ``decide`` is called, and the
        charge is entered under one lock: two workers cannot both take what is left. A key that is
        entered already is allowed and not entered twice.
        """
        ...

    def settle(self, key: str, micros: int, requests: int) -> None:
        """Replace the estimate of a charge by what it came to."""
        ...

    def release(self, key: str) -> None:
        """Take a charge out: the service was not asked."""
        ...


class CostCapReached(InputRejected):
    """An analysis would cost more than the settings permit; nothing was sent."""

    code = "cost_cap_day"
    hint = "Raise the cap in the settings, or analyze the video locally."

    def __init__(self, message: str, decision: CostDecision) -> None:
        super().__init__(message, code=decision.value)
        # A day's cap is open again tomorrow.
        self.is_retryable = decision in (CostDecision.DAY_CAP, CostDecision.REQUEST_CAP)


def estimate_cost(consumption: Sequence[Consumption], prices: PriceTable) -> Estimate:
    """Return what an analysis will cost at most."""
    micros, unpriced = 0, []
    for one in consumption:
        price = prices.get(one.price)
        if price is None:
            unpriced.append(one.price)
            continue
        minutes = -(-one.milliseconds // _MS_PER_MINUTE)
        micros += minutes * price.micros_per_minute + one.requests * price.micros_per_request
        micros += -(-one.tokens * price.micros_per_million_tokens // _MILLION)
    return Estimate(micros, sum(one.requests for one in consumption), tuple(unpriced))


def decide_cost(estimate: Estimate, totals: CostTotals, caps: CostCaps) -> CostDecision:
    """Return whether an analysis stays within the caps.

    Without a price it is refused where money is capped: it cannot be known whether it stays.
    """
    is_capped = (caps.most_micros_per_video, caps.most_micros_per_day) != (None, None)
    if estimate.unpriced and is_capped:
        return CostDecision.UNPRICED
    if _exceeds(totals.video_micros + estimate.micros, caps.most_micros_per_video):
        return CostDecision.VIDEO_CAP
    if _exceeds(totals.day_micros + estimate.micros, caps.most_micros_per_day):
        return CostDecision.DAY_CAP
    if _exceeds(totals.day_requests + estimate.requests, caps.most_requests_per_day):
        return CostDecision.REQUEST_CAP
    return CostDecision.ALLOWED


def reserve_cost(ledger: CostLedger, charge: Charge, caps: CostCaps) -> None:
    """Reserve what an analysis will cost, before anything is sent.

    Raises CostCapReached (``cost_cap_video``, ``cost_cap_day``, ``request_cap_day``,
    ``cost_unknown``).
    """
    decision = ledger.reserve(charge, lambda totals: decide_cost(charge.estimate, totals, caps))
    if decision is not CostDecision.ALLOWED:
        raise CostCapReached(_describe(decision, charge, caps), decision)


def format_dollars(micros: int) -> str:
    """Return an amount of dollars: ``$0.10``; ``$0.0004`` where cents are too coarse."""
    dollars = micros / MICROS_PER_DOLLAR
    return f"${dollars:.2f}" if micros % 10_000 == 0 else f"${dollars:.6f}".rstrip("0")


def _exceeds(total: int, cap: int | None) -> bool:
    return cap is not None and total > cap


def _describe(decision: CostDecision, charge: Charge, caps: CostCaps) -> str:
    cost = format_dollars(charge.estimate.micros)
    match decision:
        case CostDecision.VIDEO_CAP:
            cap = format_dollars(caps.most_micros_per_video or 0)
            return f"Analyzing this video by {charge.provider} ({cost}) exceeds {cap} a video."
        case CostDecision.DAY_CAP:
            cap = format_dollars(caps.most_micros_per_day or 0)
            return f"Analyzing this video by {charge.provider} ({cost}) exceeds {cap} a day."
        case CostDecision.REQUEST_CAP:
            return f"{charge.provider} has had its {caps.most_requests_per_day} requests today."
        case _:
            names = ", ".join(charge.estimate.unpriced)
            return f"There is a cap on cost, and no price for {names}."
