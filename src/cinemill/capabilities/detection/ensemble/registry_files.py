"""Files of the registry of heads: names, bounded reading, writing that leaves no halves."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from pydantic import ValidationError

from cinemill.core.files.strict_model import StrictModel
from cinemill.errors import InputRejected, ToolMissing

HEADS_FOLDER = "heads"
ENSEMBLES_FOLDER = "ensembles"
"""Below the home folder."""
MANIFEST = "manifest.json"
TENSORS = "head.safetensors"
LARGEST_MANIFEST_BYTES = 16 * 2**20
"""Calibrations hold up to 100,000 scores of each class."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

Manifest = TypeVar("Manifest", bound=StrictModel)


def check_name(name: str) -> str:
    """Return a name that may be a folder's. Raises InputRejected (``head_name``)."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InputRejected(
            f"{name!r} is no name for a head.",
            code="head_name",
            hint="Use up to 64 lower-case letters, digits, '.', '-' and '_'.",
        )
    return name


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a regular file.

    Raises FileNotFoundError, and ValueError for a file that is too large, no file, or unreadable.
    """
    try:
        # A named pipe would wait for a writer forever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError(f"{path.name} is no file")
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from error
    if len(data) > most_bytes:
        raise ValueError(f"{path.name} is larger than {most_bytes} bytes")
    return data


def parse_manifest(data: bytes, kind: type[Manifest]) -> Manifest:
    """Return a manifest. Raises ValueError with the first thing that is wrong."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ValueError(f"{place[:200]}: {first['msg'][:200]}") from error


def dump_manifest(manifest: StrictModel) -> bytes:
    """Return a manifest as JSON that people can read."""
    return manifest.model_dump_json(indent=1).encode() + b"\n"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is there as a whole or not at all, also after a power cut."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        write_synced(draft, data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and have it stored by the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have a folder's entries stored by the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def report_missing(what: str, name: str) -> ToolMissing:
    """Return the error for a head or an ensemble that is not installed."""
    return ToolMissing(
        f"The {what} {name} is not installed.",
        code="head_missing",
        hint="Copy it into the folder of heads or ensembles of this installation.",
    )


def report_damage(what: str, name: str, problem: str) -> ToolMissing:
    """Return the error for a head or an ensemble whose files are not what they should be."""
    return ToolMissing(
        f"The {what} {name} cannot be used: {problem}.",
        code="head_damaged",
        hint="Install or train it again; nothing is scored with a damaged one.",
    )
