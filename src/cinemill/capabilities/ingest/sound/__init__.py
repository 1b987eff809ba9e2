"""Ingest of sources that are sound alone."""
