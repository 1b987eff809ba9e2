"""``/metrics`` for Prometheus: read from PostgreSQL and Redis when it is asked for (ADR 0032)."""
