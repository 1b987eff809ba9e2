"""A person's own list of names, as a text file: on each line a kind and a name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cinemill.core.knowledge.gazetteer import NAME_RULE, Gazetteer, KnownName, is_name
from cinemill.core.knowledge.graph import EntityKind
from cinemill.errors import InputRejected, TooLarge
from cinemill.steps.content_key import content_key

LARGEST_FILE_BYTES = 16 * 1024 * 1024
_HINT = f"Write a kind and a name, such as 'person Alice Walker'; kinds: {', '.join(EntityKind)}."


@dataclass(frozen=True, slots=True)
class NameList:
    """Known names, and what identifies this list."""

    gazetteer: Gazetteer
    digest: str
    """SHA-256 of the file: another list finds other entities."""

    @property
    def spoken_digest(self) -> str:
        """Return what identifies the names as they are spoken, without kinds and comments."""
        return content_key("names", [one.name for one in self.gazetteer.names])


def read_name_list(path: Path) -> NameList:
    """Return the names of a file. Empty lines and those that begin with ``#`` are left out.

    Raises InputRejected (``names_unreadable``, ``name_invalid``), TooLarge (``names_too_large``,
    ``too_many_names``).
    """
    content = _read(path)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputRejected(
            f"The list of names {path.name} is not UTF-8.",
            code="names_unreadable",
            hint="Save it as UTF-8.",
        ) from error
    written = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    names = [_parse(line, number) for number, line in written if line and line[0] != "#"]
    return NameList(Gazetteer(names), hashlib.sha256(content).hexdigest())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise InputRejected(
            f"The list of names {path.name} cannot be read: {error.strerror or error}.",
            code="names_unreadable",
            hint="Correct CINEMILL_NAMES_FILE on this worker.",
        ) from error
    if len(content) > LARGEST_FILE_BYTES:
        raise TooLarge(
            f"The list of names {path.name} has more than {LARGEST_FILE_BYTES} bytes.",
            code="names_too_large",
            hint="Keep the names that occur in your videos.",
        )
    return content


def _parse(line: str, number: int) -> KnownName:
    kind, *name = line.split(maxsplit=1)
    if kind.lower() not in set(EntityKind) or not name:
        raise InputRejected(
            f"Line {number} of the list of names does not have a kind and a name.",
            code="name_invalid",
            hint=_HINT,
        )
    if not is_name(name[0]):
        raise InputRejected(
            f"The name in line {number} of the list of names is invalid: it {NAME_RULE}.",
            code="name_invalid",
            hint="Correct or remove the line.",
        )
    return KnownName(name[0], EntityKind(kind.lower()))
