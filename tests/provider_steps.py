"""What a step does with a provider, in tests: without pauses, and with its state in JSON."""

from __future__ import annotations

import json

from tests.rekognition_double import VIDEO

from cinemill.capabilities.analysis.providers.protocol import (
    AnalysisProvider,
    AnalysisRequest,
    AnalysisTicket,
    Collected,
)
from cinemill.inference.providers.jobs import RunState

WHOLE = AnalysisRequest("step", 0, 60_000, VIDEO)


def store(ticket: AnalysisTicket) -> AnalysisTicket:
    """What is left of a ticket in a database."""
    return AnalysisTicket(ticket.provider, json.loads(json.dumps(ticket.state)))


def run(provider: AnalysisProvider, request: AnalysisRequest, *, most_polls: int = 9) -> Collected:
    """What a step does, without its pauses."""
    ticket = store(provider.start(request))
    for _ in range(most_polls):
        progress = provider.poll(ticket)
        ticket = store(progress.ticket)
        if progress.failure is not None:
            raise progress.failure
        if progress.state is RunState.SUCCEEDED:
            return provider.collect(ticket, request)
        assert progress.delay_seconds > 0
    raise AssertionError("it never ended")
