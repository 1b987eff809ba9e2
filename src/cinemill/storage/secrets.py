"""Files that only their owner may read: tokens, passwords, addresses with passwords in them."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

SECRET_BYTES = 32


def read_or_make_secret(path: Path) -> str:
    """The secret in the file; made at first (256 bits, URL-safe, mode 0600).

    Several processes may make it at once: each writes its own draft aside, and only one draft can
    be linked to the final name, so all of them read the same and none reads half of one.
    """
    if not path.exists():
        draft = _write_draft(path, secrets.token_urlsafe(SECRET_BYTES) + "\n")
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text("ascii").strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    _write_draft(path, text).replace(path)


def _write_draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft
