"""How commands reach settings, the running mill and its servers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cinemill.errors import DependencyUnavailable

if TYPE_CHECKING:
    from cinemill.client import Client
    from cinemill.config import Settings


def load_settings() -> Settings:
    """The settings in force. Raises SettingsInvalid with every problem."""
    from cinemill.config import load

    return load()


def connect() -> Client:
    """The mill named by CINEMILL_URL, else the one that runs on this home."""
    from cinemill.client import Client

    # Only a settings file that was named can move the home; reading settings takes its time.
    if os.environ.get("CINEMILL_SETTINGS_FILE") and not os.environ.get("CINEMILL_URL"):
        return Client.from_home(load_settings().home)
    return Client.from_home()


def find_addresses(settings: Settings) -> tuple[str, str]:
    """(database URL, Redis URL): as set, else those of the mill that runs on this home.

    Raises PartUnavailable where they are embedded and no mill runs.
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
    return joined.database_url, joined.redis_url
