"""Where ``/health`` is: it needs no token, is served on a full server, and is logged quietly."""

from __future__ import annotations

HEALTH_PATHS = ("/health", "/api/v1/health")


def is_health(path: str) -> bool:
    """Return whether a path is of ``/health``, also below whatever a proxy passes on before it."""
    return path.endswith(HEALTH_PATHS[0])
