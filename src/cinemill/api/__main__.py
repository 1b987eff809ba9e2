"""``python -m cinemill.api``: the HTTP API as a process of its own."""

from __future__ import annotations

import logging
import sys

from cinemill import config, telemetry
from cinemill.api.app import create_app
from cinemill.api.server import UvicornServer, open_listener, raise_file_limit
from cinemill.errors import (
    CinemillError,
    DatabasePooled,
    DatabaseUnavailable,
    LockTimeout,
    SettingsInvalid,
)
from cinemill.storage.database import Database, check_route, migrate

log = telemetry.get_logger(__name__)

EXIT_UNAVAILABLE = 1
EXIT_SETTINGS = 2


def main() -> int:
    """Serve until a signal stops the server. Returns 2 for settings, 1 for a missing dependency."""
    try:
        settings = config.load()
        telemetry.configure_logging(
            "api", level=settings.log_level, log_file=settings.home / "log" / "api.log"
        )
        _quieten_libraries()
        app = create_app(settings)
        _prepare_database(app.state.cinemill.database)
        listener = open_listener(settings.host, settings.port)
    except CinemillError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)  # noqa: T201 – a person started it
        return EXIT_SETTINGS if isinstance(error, SettingsInvalid) else EXIT_UNAVAILABLE
    log.info("listening", host=settings.host, port=settings.port, auth=settings.auth)
    places = raise_file_limit()
    server = UvicornServer(app, host=settings.host, port=settings.port, places=places)
    server.run(sockets=[listener])
    log.info("stopped")
    return 0


def _prepare_database(database: Database) -> None:
    """Bring the schema up to date. A server that is away may come back, so the API starts anyway.

    Raises DatabaseNewer, DatabasePooled, LockTimeout.
    """
    try:
        check_route(database)
        migrate(database.direct_url)
    except (DatabasePooled, LockTimeout):
        raise
    except DatabaseUnavailable as error:
        log.warning("database_unavailable", detail=error.message)


def _quieten_libraries() -> None:
    """Silence libraries whose INFO messages are in the access log or of no use."""
    for name in ("alembic", "uvicorn", "uvicorn.error", "python_multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
