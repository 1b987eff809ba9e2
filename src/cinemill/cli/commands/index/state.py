"""What Qdrant has, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cinemill.config import Settings

FIRST_SCHEMA = "0021"
"""Of the database that knows of Qdrant all that is read here."""


def describe_qdrant(settings: Settings) -> tuple[str, str] | None:
    """Return what Qdrant has, and a hint where it lacks vectors; None where it is not set up.

    Raises QdrantUnavailable, ToolMissing (``extra_missing``), DatabaseUnavailable.
    """
    from cinemill.storage.database import Database
    from cinemill.storage.inspection import inspect_database
    from cinemill.storage.projection.health import examine_projections
    from cinemill.storage.projection.server import open_server

    server = open_server(settings.qdrant_url, settings.qdrant_key)
    if server is None:
        return None
    server.check()
    url = settings.session_database_url
    if url is None or (inspect_database(url).revision or "") < FIRST_SCHEMA:
        return "responds", ""
    database = Database(url, pool_size=1, application_name="cinemill doctor")
    try:
        found = examine_projections(database, server)
    finally:
        database.close()
    return found.message, found.hint
