"""One analysis at a service, moved on by as much as can be done without waiting.

What is known of it stands in the database, and is stored before anything else happens: a worker
that is killed at any moment leaves an analysis that another goes on with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cinemill.capabilities.analysis.providers.protocol import (
    AnalysisProvider,
    AnalysisRequest,
    AnalysisTicket,
    Collected,
)
from cinemill.errors import CinemillError, InputRejected
from cinemill.inference.providers.failures import (
    ProviderDenied,
    ProviderJobFailed,
    ProviderReplyInvalid,
    ProviderThrottled,
)
from cinemill.inference.providers.jobs import RunState
from cinemill.jobs.step import StepContext
from cinemill.steps.costs.cost import (
    Charge,
    CostCaps,
    CostLedger,
    PriceTable,
    estimate_cost,
    reserve_cost,
)
from cinemill.storage.database import Connection, Database
from cinemill.storage.providers import calls, costs

MOST_THROTTLED_STARTS = 200
"""Some hours of pauses; then a start that is throttled counts as failed."""


@dataclass(frozen=True, slots=True)
class CallDesk:
    """What the analyses of one step have in common."""

    context: StepContext
    database: Database
    ledger: CostLedger
    caps: CostCaps
    prices: PriceTable
    asset_id: str


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One analysis: the service, and what it is asked."""

    provider: AnalysisProvider
    request: AnalysisRequest
    charge_key: str
    paid_starts: int = 0
    """How many of its starts are in the books already, as parts of another charge."""

    @property
    def key(self) -> str:
        return self.request.step_key


@dataclass(frozen=True, slots=True)
class Waiting:
    """An analysis that is not done, and when to ask again."""

    delay_seconds: float


def advance_call(desk: CallDesk, call: ProviderCall) -> AnalysisTicket | Waiting:
    """Start an analysis or ask how far it is; return its ticket once it has succeeded.

    What a service refuses or could not do is raised as InputRejected, so that only a person starts
    it again. Raises CostCapReached, NotFound, and for another attempt ProviderUnavailable and
    ProviderReplyInvalid.
    """
    record = _open(desk, call)
    try:
        with _keeping_books(desk, call, record):
            if record.ticket is None:
                return _start(desk, call, record.restarts)
            return _poll(desk, call, AnalysisTicket(call.provider.name, record.ticket))
    except ProviderThrottled as throttled:
        if desk.context.run.attempt > MOST_THROTTLED_STARTS and record.ticket is None:
            raise
        return Waiting(throttled.delay_seconds)


def collect_call(desk: CallDesk, call: ProviderCall, ticket: AnalysisTicket) -> Collected:
    """Return what an analysis found that has succeeded. Raises as :func:`advance_call` does."""

    def check(_pages: int) -> None:
        if (stop := desk.context.should_stop()) is not None:
            raise stop

    with _keeping_books(desk, call, _open(desk, call)):
        return call.provider.collect(ticket, call.request, on_page=check)


def end_call(connection: Connection, desk: CallDesk, call: ProviderCall) -> None:
    """Record that the findings of an analysis are stored: what the same call asks next is new."""
    record = calls.find_call(connection, call.key)
    if record is None:
        return
    estimate = estimate_cost(call.provider.list_consumption(call.request), desk.prices)
    charge_key = name_charge(call, record.restarts)
    costs.settle_cost(connection, charge_key, micros=estimate.micros, requests=estimate.requests)
    calls.restart_call(connection, call.key, restarts=record.restarts)


@contextmanager
def _keeping_books(desk: CallDesk, call: ProviderCall, record: calls.CallRecord) -> Iterator[None]:
    """Give an analysis up in the database where nothing more can be read of it."""
    try:
        yield
    except ProviderDenied as denied:
        raise make_final(denied) from denied
    except ProviderJobFailed as failed:
        _restart(desk, call, record.restarts)
        raise make_final(failed) from failed
    except ProviderReplyInvalid as invalid:
        # An answer that is handed out once cannot be read again.
        if not call.provider.is_idempotent or invalid.code == "provider_ticket_invalid":
            _restart(desk, call, record.restarts)
        raise
    except InputRejected:
        if record.ticket is not None and not call.provider.is_idempotent:
            _restart(desk, call, record.restarts)
        raise


def make_final(error: CinemillError) -> InputRejected:
    """Return the error with which a step ends at once. A person may retry it."""
    final = InputRejected(error.message, code=error.code, hint=error.hint)
    final.is_retryable = True
    return final


def reserve_call(desk: CallDesk, call: ProviderCall, *, restarts: int = 0) -> None:
    """Enter what a start will cost. Raises CostCapReached, and nothing was sent then."""
    estimate = estimate_cost(call.provider.list_consumption(call.request), desk.prices)
    charge = Charge(
        name_charge(call, restarts),
        call.provider.name,
        desk.asset_id,
        datetime.now(UTC).date(),
        estimate,
    )
    reserve_cost(desk.ledger, charge, desk.caps)


def name_charge(call: ProviderCall, restarts: int) -> str:
    """Return the key of a start in the books."""
    return f"{call.charge_key}:{restarts}"


def _open(desk: CallDesk, call: ProviderCall) -> calls.CallRecord:
    """Return what is known; where a start that cannot be repeated was lost, it counts as one."""
    with desk.database.begin() as connection:
        record = calls.open_call(
            connection, call.key, asset_id=desk.asset_id, provider=call.provider.name
        )
        if record.ticket is None and record.is_asked and not call.provider.is_idempotent:
            calls.restart_call(connection, call.key, restarts=record.restarts)
            return replace(record, is_asked=False, restarts=record.restarts + 1)
    return record


def _start(desk: CallDesk, call: ProviderCall, restarts: int) -> AnalysisTicket | Waiting:
    if restarts >= call.paid_starts:
        reserve_call(desk, call, restarts=restarts)
    with desk.database.begin() as connection:
        calls.note_asked(connection, call.key)
    try:
        ticket = call.provider.start(
            replace(call.request, restarts=restarts), attempts=desk.context.run.attempt - 1
        )
    except (InputRejected, ProviderDenied, ProviderThrottled) as refused:
        _note_refused(desk, call, restarts, refused)
        raise
    _save(desk, call, ticket)
    return _poll(desk, call, ticket)


def _note_refused(desk: CallDesk, call: ProviderCall, restarts: int, error: CinemillError) -> None:
    with desk.database.begin() as connection:
        calls.note_refused(connection, call.key)
    if not isinstance(error, ProviderThrottled) and restarts >= call.paid_starts:
        desk.ledger.release(name_charge(call, restarts))


def _poll(desk: CallDesk, call: ProviderCall, ticket: AnalysisTicket) -> AnalysisTicket | Waiting:
    progress = call.provider.poll(ticket)
    _save(desk, call, progress.ticket)
    if progress.failure is not None:
        raise progress.failure
    if progress.state is RunState.RUNNING:
        return Waiting(progress.delay_seconds)
    return progress.ticket


def _save(desk: CallDesk, call: ProviderCall, ticket: AnalysisTicket) -> None:
    with desk.database.begin() as connection:
        calls.save_ticket(connection, call.key, ticket.state)


def _restart(desk: CallDesk, call: ProviderCall, restarts: int) -> None:
    with desk.database.begin() as connection:
        calls.restart_call(connection, call.key, restarts=restarts)
