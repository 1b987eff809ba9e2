"""Where ``/health`` is: it needs no token, is served on a full server, and is logged quietly."""

from __future__ import annotations

HEALTH_PATHS = ("/health", "/api/v1/health")
