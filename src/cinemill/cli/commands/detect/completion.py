"""Completion of the names of trained heads."""

from __future__ import annotations

from collections.abc import Iterable

from cinemill.cli.arguments.completion import Completion, find_quickly


def complete_heads(incomplete: str) -> list[Completion]:
    """Complete the name of a trained head."""

    def find() -> Iterable[Completion]:
        from cinemill.cli.commands.detect.registry import open_registry

        return [(name, "") for name in open_registry().list_names() if name.startswith(incomplete)]

    return find_quickly(find)
