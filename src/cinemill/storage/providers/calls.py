"""How far each analysis by a service is. It survives the worker that started it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.core.documents import JsonObject
from cinemill.errors import NotFound
from cinemill.storage.json_columns import json_parameter

_OPEN = text(
    """
    INSERT INTO provider_call (key, asset_id, provider)
    SELECT :key, id, :provider FROM asset WHERE id = :asset_id
    ON CONFLICT (key) DO NOTHING
    """
)
_FIND = text("SELECT ticket, is_asked, restarts FROM provider_call WHERE key = :key")
_FIND_TICKETS = text(
    "SELECT key, ticket FROM provider_call WHERE key = ANY(:keys) AND ticket IS NOT NULL"
)
_ASK = text(
    "UPDATE provider_call SET is_asked = true, updated_at = clock_timestamp() WHERE key = :key"
)
_UNASK = text(
    "UPDATE provider_call SET is_asked = false, updated_at = clock_timestamp() WHERE key = :key"
)
_SAVE = text(
    "UPDATE provider_call SET ticket = :ticket, updated_at = clock_timestamp() WHERE key = :key"
).bindparams(json_parameter("ticket"))
_RESTART = text(
    """
    UPDATE provider_call
    SET ticket = NULL, is_asked = false, restarts = restarts + 1, updated_at = clock_timestamp()
    WHERE key = :key AND restarts = :restarts
    """
)
_DELETE_OTHERS = text(
    """
    DELETE FROM provider_call
    WHERE asset_id = :asset_id AND provider = :provider AND NOT key = ANY(:keys)
    """
)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One analysis at a service."""

    ticket: JsonObject | None
    """What the adapter stores between its requests; None before it is started."""
    is_asked: bool
    """Whether a start was sent, whatever became of it."""
    restarts: int
    """How often it was given up, and may be started anew."""


def open_call(connection: Connection, key: str, *, asset_id: str, provider: str) -> CallRecord:
    """Return the analysis of this key, entered if it is new.

    Raises NotFound (``asset_not_found``) where the video was deleted.
    """
    connection.execute(_OPEN, {"key": key, "asset_id": asset_id, "provider": provider})
    row = connection.execute(_FIND, {"key": key}).first()
    if row is None:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")
    return CallRecord(row.ticket, row.is_asked, row.restarts)


def find_call(connection: Connection, key: str) -> CallRecord | None:
    """Return the analysis of this key, if it was ever entered."""
    row = connection.execute(_FIND, {"key": key}).first()
    return None if row is None else CallRecord(row.ticket, row.is_asked, row.restarts)


def find_tickets(connection: Connection, keys: Collection[str]) -> dict[str, JsonObject]:
    """Return what is stored of these analyses, by their keys; those without a ticket are left out.

    It is all read at once: not for tickets of many megabytes.
    """
    rows = connection.execute(_FIND_TICKETS, {"keys": [*keys]})
    return {row.key: row.ticket for row in rows}


def note_asked(connection: Connection, key: str) -> None:
    """Note that a start is about to be sent."""
    connection.execute(_ASK, {"key": key})


def note_refused(connection: Connection, key: str) -> None:
    """Note that the service refused a start: nothing runs there."""
    connection.execute(_UNASK, {"key": key})


def save_ticket(connection: Connection, key: str, ticket: JsonObject) -> None:
    """Store the ticket of an analysis in place of the earlier one; nothing if it was deleted."""
    connection.execute(_SAVE, {"key": key, "ticket": ticket})


def restart_call(connection: Connection, key: str, *, restarts: int) -> None:
    """Give up an analysis that was restarted so often: the next attempt starts it anew.

    Of two that give it up at once, one counts.
    """
    connection.execute(_RESTART, {"key": key, "restarts": restarts})


def delete_call(connection: Connection, key: str) -> None:
    """Delete what is kept of an analysis, if it is there."""
    connection.execute(text("DELETE FROM provider_call WHERE key = :key"), {"key": key})


def delete_other_calls(
    connection: Connection, asset_id: str, provider: str, keys: Collection[str]
) -> None:
    """Delete what is kept of a video's analyses by a provider, but for those of these keys."""
    values = {"asset_id": asset_id, "provider": provider, "keys": [*keys]}
    connection.execute(_DELETE_OTHERS, values)
