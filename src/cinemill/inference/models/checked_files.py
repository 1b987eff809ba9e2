"""Model files that settings name, as they were checked, remembered for all processes.

Such a file may have hundreds of megabytes, and every process needs its hash before it can look
anything up. A file is recognised by its path, device, inode, size and both times: the time of
change is set by the kernel on every write, also where a program sets the time of modification back.
This saves time and nothing else: if anything is wrong with the document, the file is checked again,
and the bytes that a session runs are hashed whenever it is opened.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from cinemill.core.files.file_identity import FileIdentity
from cinemill.inference.models.cards import ModelOutput
from cinemill.inference.models.held_file import HeldFile
from cinemill.telemetry import get_logger

FILENAME = ".checked-files.json"
"""In the models folder."""
VERSION = 1
"""Raise it whenever the same file would be accepted, refused or described otherwise."""
MOST_FILES = 32
LARGEST_FILE_BYTES = 8 * 1024
"""Of what is kept about one file; a graph with more outputs than fit is checked each time."""
LARGEST_BYTES = MOST_FILES * LARGEST_FILE_BYTES

Key = tuple[str, str]
"""The path of a file, and what it was checked as."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CheckedGraph:
    """What a graph takes and returns, as it did when it was run."""

    input_name: str
    width: int
    height: int
    outputs: tuple[ModelOutput, ...]
    exported_from: str
    """SHA-256 of the weights that it says it was exported from; "" if it says nothing."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that may be used."""

    path: str
    identity: FileIdentity
    checked_as: str
    """The architecture of a graph; "weights" for a file that is only hashed."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    graph: CheckedGraph | None = None

    @property
    def key(self) -> Key:
        return self.path, self.checked_as


@dataclass(frozen=True, slots=True)
class _Document:
    version: int
    files: tuple[CheckedFile, ...]


_DOCUMENT = TypeAdapter(_Document)


class CheckedFiles:
    """Remembers checked files, in this process and in a document that all processes share."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Read nothing yet. ``folder`` holds the models; ``clock`` is that of the file system."""
        self._folder = folder
        self._clock = clock
        self._known: dict[Key, CheckedFile] = {}

    def recall(
        self, file: HeldFile, checked_as: str, check: Callable[[], CheckedFile]
    ) -> CheckedFile:
        """Return what is known of the file, or what ``check`` finds out about it now.

        Raises what ``check`` raises, which is not remembered, and ToolMissing (``file_changed``) if
        the file changes meanwhile.
        """
        key = (str(file.path), checked_as)
        known = self._find(key, file.identity)
        if known is not None:
            return known
        # Before it is read: what changes later has another time than now.
        is_settled = file.identity.is_settled(self._clock())
        found = check()
        file.require_unchanged()
        if is_settled:
            self._known = _keep_latest([*self._known.values(), found])
            self._write(found)
        return found

    def _find(self, key: Key, identity: FileIdentity) -> CheckedFile | None:
        for known in (self._known.get(key), self._read().get(key)):
            if known is not None and known.identity == identity:
                return known
        return None

    def _read(self) -> dict[Key, CheckedFile]:
        try:
            with (self._folder / FILENAME).open("rb") as file:
                content = file.read(LARGEST_BYTES + 1)
            if len(content) > LARGEST_BYTES:
                return {}
            document = _DOCUMENT.validate_json(content)
        except (OSError, ValueError):
            return {}
        return _keep_latest(document.files) if document.version == VERSION else {}

    def _write(self, found: CheckedFile) -> None:
        """Add what was found to the document.

        Of two processes that write at once one may be lost: its file is checked once more.
        """
        try:
            if len(_encode([found])) > LARGEST_FILE_BYTES:
                return
            files = _keep_latest([*self._read().values(), found])
            self._folder.mkdir(mode=0o700, exist_ok=True)
            _replace(self._folder / FILENAME, _encode(files.values()))
        except (OSError, ValueError) as error:
            # As in a folder that is only read, or for a path that is no text.
            log.info("a checked model file is not remembered", file=found.path, why=str(error))


def _keep_latest(files: Iterable[CheckedFile]) -> dict[Key, CheckedFile]:
    latest: dict[Key, CheckedFile] = {}
    for one in files:
        latest.pop(one.key, None)
        latest[one.key] = one
    return dict([*latest.items()][-MOST_FILES:])


def _encode(files: Iterable[CheckedFile]) -> bytes:
    return _DOCUMENT.dump_json(_Document(VERSION, tuple(files)))


def _replace(path: Path, content: bytes) -> None:
    """Write a file that is whole whenever it is read. Raises OSError."""
    number, name = tempfile.mkstemp(prefix=f"{path.name}-", dir=path.parent)
    staged = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        staged.replace(path)
    except OSError:
        staged.unlink(missing_ok=True)
        raise


@cache
def process_checked_files(folder: Path) -> CheckedFiles:
    """Return the memory of this process. ``folder`` holds the models."""
    return CheckedFiles(folder)
