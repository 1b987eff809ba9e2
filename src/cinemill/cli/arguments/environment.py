"""Warns of variables that look like settings of Cinemill and are none."""

from __future__ import annotations

import os
from collections.abc import Iterator

PREFIX = "CINEMILL_"
_SETTINGS = (
    "ADOPT_UNPREFIXED AUTH C2PA_TRUST_ANCHORS FETCH_MODELS HEARTBEAT_SECONDS HOME HOST "
    "INPUT_ROOTS LANGUAGE_MODEL LANGUAGE_MODEL_API LANGUAGE_MODEL_ENTITIES "
    "LANGUAGE_MODEL_INPUT_DOLLARS LANGUAGE_MODEL_KEY LANGUAGE_MODEL_OUTPUT_DOLLARS "
    "LANGUAGE_MODEL_URL LEASE_SECONDS LOG_LEVEL LOST_MESSAGE_SECONDS MAX_CRASHES "
    "MAX_DURATION_SECONDS MAX_OUTPUT_BYTES MAX_PIXELS MAX_STREAMS MAX_UPLOAD_BYTES "
    "MIN_FREE_BYTES NAMES_FILE PICTURE_EMBEDDING PORT PUBLIC_URL QDRANT_KEY QDRANT_URL "
    "RELAY_WINDOW RETENTION_DAYS SANDBOX SETTINGS_FILE STALL_SECONDS STUCK_HOURS "
    "SWEEP_SECONDS TEXT_EMBEDDING TRUSTED_PROXIES "
    "CA_FILE TOKEN URL"
)
SETTINGS = frozenset(f"{PREFIX}{name}" for name in _SETTINGS.split())
"""Written down so that most commands load no settings for it; a test compares it with those."""


def find_unknown_settings() -> Iterator[str]:
    """Yield a sentence for each variable that begins as settings do and is none, with the nearest.

    Those of others are left out, such as what Kubernetes sets for a service called cinemill.
    """
    if all(name in SETTINGS for name in os.environ if name.startswith(PREFIX)):
        return
    from cinemill.config.loading import find_unknown

    yield from find_unknown(os.environ)
