"""Ingest: import a file, probe it, and prepare proxy, poster, sprite and audio."""
