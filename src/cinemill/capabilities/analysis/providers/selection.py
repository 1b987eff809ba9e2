"""Providers by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from cinemill.capabilities.analysis.providers.protocol import AnalysisProvider, AnalysisTicket
from cinemill.core.documents import quote
from cinemill.errors import InputRejected

OpenProvider = Callable[[], AnalysisProvider]
"""Opens a provider from the settings; raises ToolMissing where its extra is not installed."""


def open_provider(name: str, configured: Mapping[str, OpenProvider]) -> AnalysisProvider:
    """Return the provider of a name, among those that this instance is set up for.

    Raises InputRejected (``provider_unknown``), and what opening it raises.
    """
    if name not in configured:
        close = difflib.get_close_matches(name, configured, n=1)
        known = ", ".join(sorted(configured)) or "none"
        raise InputRejected(
            f"No provider of analysis is named {quote(name)}; this instance has: {known}.",
            code="provider_unknown",
            hint=f"Did you mean {close[0]}?" if close else "Set the provider up, or use another.",
        )
    return configured[name]()


def reopen_provider(
    ticket: AnalysisTicket, configured: Mapping[str, OpenProvider]
) -> AnalysisProvider:
    """Return the provider that issued a ticket. Raises as :func:`open_provider` does."""
    return open_provider(ticket.provider, configured)
