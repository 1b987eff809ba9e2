"""The extensions of PostgreSQL that the schema needs."""

from __future__ import annotations

import re

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from cinemill.errors import DependencyUnavailable

EXTENSIONS = {"vector": (0, 8), "pg_trgm": (1, 6)}
"""Their least versions: filtered searches by vectors came with pgvector 0.8."""

_INSTALLED = text("SELECT extversion FROM pg_extension WHERE extname = :name")


def require_extensions(connection: Connection) -> None:
    """Create the extensions where they are missing.

    Raises DependencyUnavailable (``database_extension_missing``, ``database_extension_old``).
    """
    for name, least in EXTENSIONS.items():
        version = _find_version(connection, name) or _create(connection, name)
        if _read_version(version) < least:
            raise DependencyUnavailable(
                f"The PostgreSQL extension {name} has version {version}, and Cinemill needs "
                f"{'.'.join(map(str, least))} or newer.",
                code="database_extension_old",
                hint=f"Install a newer version on the server, then run 'ALTER EXTENSION {name} "
                "UPDATE;' in this database.",
            )


def _find_version(connection: Connection, name: str) -> str | None:
    return connection.execute(_INSTALLED, {"name": name}).scalar_one_or_none()


def _create(connection: Connection, name: str) -> str:
    try:
        with connection.begin_nested():
            connection.execute(text(f"CREATE EXTENSION {name}"))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        reason = str(error.orig).strip().partition("\n")[0]
        raise DependencyUnavailable(
            f"The database lacks the extension {name}, and Cinemill's role cannot create it "
            f"({reason}).",
            code="database_extension_missing",
            hint=f"Run 'CREATE EXTENSION {name};' in this database as a role that may, such as "
            "postgres; a managed server has it in its list of extensions.",
        ) from error
    return str(connection.execute(_INSTALLED, {"name": name}).scalar_one())


def _read_version(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
