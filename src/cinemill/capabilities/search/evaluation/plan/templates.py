"""Templates: sentences with slots in braces, such as ``{person} opened the {thing}``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Formatter

ABSENT = "absent_"
"""Begins the slots of names that no video contains."""
OTHER = "other_"
"""Begins the slots of another scene of the same family."""


def list_slots(*templates: str) -> list[str]:
    """Return the slots of these templates in order, each once."""
    found = (name for text in templates for _, name, _, _ in Formatter().parse(text) if name)
    return list(dict.fromkeys(found))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return the text with its slots filled. Raises KeyError if a slot has no value."""
    return template.format_map(values)


def mention_other(templates: Iterable[str]) -> bool:
    """Check whether one of these needs another scene of its family."""
    return any(name.startswith(OTHER) for name in list_slots(*templates))


def base_of(slot: str) -> str:
    """Return the kind of a slot: ``person`` of ``other_person2``."""
    return slot.removeprefix(ABSENT).removeprefix(OTHER).rstrip("0123456789")
