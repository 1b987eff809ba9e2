"""``cinemill ingest``: finds out what is in videos, so that they can be searched."""

from __future__ import annotations

from cinemill.cli.commands.ingest.run import register

__all__ = ["register"]
