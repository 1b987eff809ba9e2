"""How commands load settings and connect to the running server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cinemill.errors import DependencyUnavailable

if TYPE_CHECKING:
    from cinemill.client import Client
    from cinemill.config import Settings


def load_settings() -> Settings:
    """Return the effective settings. Raises SettingsInvalid with every problem."""
    from cinemill.config import load

    return load()


def connect() -> Client:
    """Return a client of the server at CINEMILL_URL, else of the one that runs on this home."""
    from cinemill.client import Client

    # Only an explicit settings file can change the home folder; loading settings is slow.
    if os.environ.get("CINEMILL_SETTINGS_FILE") and not os.environ.get("CINEMILL_URL"):
        return Client.from_home(load_settings().home)
    return Client.from_home()


def find_addresses(settings: Settings) -> dict[str, str]:
    """Return the servers' addresses from the settings, else from the server on this home.

    They are by the names of the settings: DATABASE_URL, REDIS_URL, and DATABASE_DIRECT_URL if it is
    set. Raises DependencyUnavailable if both are embedded and no server is running.
    """
    from cinemill.config import apply_running_instance

    joined = apply_running_instance(settings)
    if joined.database_url is None or joined.redis_url is None:
        raise DependencyUnavailable(
            f"No Cinemill server is running for {settings.home}, and DATABASE_URL and "
            "REDIS_URL are not set.",
            code="mill_not_running",
            hint="Start it with 'cinemill up', or set DATABASE_URL and REDIS_URL.",
        )
    addresses = {"DATABASE_URL": joined.database_url, "REDIS_URL": joined.redis_url}
    if joined.database_direct_url is not None:
        addresses["DATABASE_DIRECT_URL"] = joined.database_direct_url
    return addresses


def find_session_address(settings: Settings) -> str:
    """Return the address at which a connection to PostgreSQL keeps its session.

    Raises DependencyUnavailable if it is embedded and no server is running.
    """
    addresses = find_addresses(settings)
    return addresses.get("DATABASE_DIRECT_URL") or addresses["DATABASE_URL"]
